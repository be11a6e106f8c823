# SPDX-License-Identifier: GPL-2.0-or-later
"""Random policies about a small world (the one of packets.py), and packets at and beside what they speak of.

A rule of firewall.yaml comes as a pair: as the policy has it, and as somebody would have written it for iptables
(policy_oracle.py takes that side). Limits are left out: they depend on time.
"""

import ipaddress
import json
import random

import packets

TCP, UDP, ICMP, ICMPV6 = packets.TCP, packets.UDP, packets.ICMP, packets.ICMPV6
BRIDGE, BRIDGE6 = "10.0.0.0/24", "2001:db8:616:162:2::/80"
NAMES = ["mail", "web", "wiki", "lists", "proxy", "base"]
PORTS = [22, 25, 80, 443, 993, 1024, 8080, 60000]
NETWORKS = ["203.0.113.64/26", "203.0.113.12", "192.0.2.0/25", "172.16.2.0/28", "172.16.2.50", "10.0.0.128/25", "10.0.0.0/24",
            "2001:db8:7::/64", "2001:db8:7::12", "2001:db8:172::/80", "2001:db8:616:162:2::/96"]
STRANGERS = ["9.9.9.9", "203.0.113.99", "2a00::9"]
FREE_ADDRESSES = ["198.51.100.88", "198.51.100.250", "172.16.2.88"]  # led to the router; nobody's own


def is_six(text):
    return ":" in text


def edges(text):
    """The ends of a network and what is just beyond."""
    net = ipaddress.ip_network(text)
    return [str(net[0] + 1 if net.num_addresses > 2 else net[0]), str(net[-1] - 1 if net.num_addresses > 2 else net[-1]), str(net[0] - 1), str(net[-1] + 1)]


def port_numbers(text):
    """(first, last, protocol) of "60000-60003/udp"."""
    numbers, protocol = text.split("/")
    first, last = (int(n) for n in (numbers.split("-") * 2)[:2])
    return first, last, protocol


class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.only_rules = self.maybe(0.08)
        self.containers = {}
        self.zones = self.make_zones()
        for n, name in enumerate(self.r.sample(NAMES, self.r.randint(2, 5))):
            self.containers[name] = {"addresses": self.make_addresses(17 + 8 * n), "services": [], "connects": []}
        self.add_members()
        self.taken_public = set()
        self.host = {"services": self.services(None, self.r.randint(0, 3))}
        if self.maybe(0.3):
            self.host["connects"] = self.connects(self.r.randint(0, 3), False)
        for c in self.containers.values():
            c["services"] = self.services(c, self.r.randint(0, 5))
            c["connects"] = self.connects(self.r.randint(0, 3), True)
        self.firewall, self.by_hand = {}, []
        self.make_firewall()

    def maybe(self, chance):
        return self.r.random() < chance

    def some(self, *choices):
        return self.r.choice(choices)

    def make_zones(self):
        translate = self.some({}, {}, {"translate": "none"}, {"translate": "198.51.100.99"}, {"translate": "masquerade"})
        zones = {"internet": {"interface": "eno1", **translate}}
        intranet = self.some(None, {"interface": "eno2"}, {"interface": "eno2", "networks": ["172.16.2.0/24", "2001:db8:172::/64"]},
                             {"networks": ["172.16.2.0/24"]}, {"interface": "eno1", "networks": ["203.0.113.64/26"], **translate},
                             {"interface": "eno2", "translate": self.some("none", "172.16.2.1")})
        if intranet:
            zones["intranet"] = intranet
        for name in self.r.sample(["friends", "monitor", "inner", "office"], self.r.randint(1, 3)):
            zone = self.some({}, {}, {"interface": "eno1", **translate}, {"interface": "br0"})
            if zone.get("interface") == "br0" and self.maybe(0.3):
                zones[name] = zone
                continue
            zones[name] = zone | {"networks": self.r.sample(NETWORKS, self.r.randint(1, 3))}
        order = list(zones)
        self.r.shuffle(order)
        return {name: zones[name] for name in order}

    def add_members(self):
        """To zones without a name of their own meaning; also in the place of networks."""
        for name in [n for n in self.zones if n not in ("internet", "intranet")]:
            if self.maybe(0.5):
                continue
            if self.maybe(0.5) and len(self.zones[name]) > 1:
                self.zones[name].pop("networks", None)
            others = [n for n in self.zones if n != name and "members" not in self.zones[n]]
            self.zones[name]["members"] = self.r.sample([*self.containers, *NETWORKS, *others], self.r.randint(1, 3))

    def make_addresses(self, last):
        addresses = {"internal": f"10.0.0.{last}"}
        if self.maybe(0.5):
            addresses["internet"] = f"198.51.100.{200 + last}"
        if self.maybe(0.5) and "intranet" in self.zones:
            addresses["intranet"] = f"172.16.2.{last}"
        if self.maybe(0.6):
            addresses["ipv6"] = f"2001:db8:616:162:2::{last}"
        return addresses

    def who(self, service):
        kind = self.some("any", "any", "zone", "zone", "container", "network", "list")
        if kind == "any":
            return "any"
        choices = {"zone": list(self.zones), "container": list(self.containers), "network": NETWORKS}
        if kind == "list" and service:
            return self.r.sample([*self.zones, *self.containers, *NETWORKS, "host", "local"], self.r.randint(1, 3))
        return self.some(*choices.get(kind, list(self.zones)))

    def ports(self):
        first = self.some(*PORTS)
        last = first + self.some(0, 0, 0, 0, 1, 3, 100)
        return first, last, self.some("tcp", "tcp", "udp")

    def public_port(self, first, last, protocol, taken):
        """The same number, or another; none that leads elsewhere or that the host itself serves."""
        public = self.some(first, 10000 + first % 1000, 20000 + 7 * first % 1000)
        wanted = {(protocol, p) for p in range(public, public + last - first + 1)}
        if wanted & (self.taken_public | taken):
            return {}
        self.taken_public |= wanted
        return {"public-port": public}

    def services(self, container, n):
        made, taken = [], set()
        for _ in range(n):
            first, last, protocol = self.ports()
            mine = {(protocol, p) for p in range(first, last + 1)}
            if mine & taken:
                continue
            taken |= mine
            service = {"port": f"{first}{f'-{last}' if last > first else ''}/{protocol}", "from": self.who(True), "probe": "none"}
            if container and self.maybe(0.3):
                service |= self.public_port(first, last, protocol, set())
            made.append(service)
        if not container:
            self.taken_public |= taken
        return made

    def connects(self, n, container):
        made = []
        for _ in range(n):
            first, last, protocol = self.ports()
            to = "host" if container and self.maybe(0.15) else self.who(False)
            made.append({"to": to, "port": f"{first}{f'-{last}' if last > first else ''}/{protocol}"})
        return made

    # firewall.yaml

    def rule(self, place, text, *by_hand):
        """@by_hand: (family or 0 for both, table, chain, rule)."""
        self.firewall.setdefault("rules", {}).setdefault(place, []).append(text)
        self.by_hand += [(place, *line) for line in by_hand]

    def make_firewall(self):
        if self.only_rules:
            self.firewall["only-rules"] = True
        if self.maybe(0.25):
            self.firewall["anti-spoofing"] = False
        if self.maybe(0.2):
            self.firewall["counters"] = True
        if self.maybe(0.4):
            return
        self.bad = [a for a in ("203.0.113.80/28", "192.0.2.77", "2001:db8:7::/120") if self.maybe(0.7)] or ["192.0.2.77"]
        self.firewall["sets"] = {"bad": {"addresses": self.bad}, "low": {"ports": ["25", "80-90", "443"]}}
        makers = [self.rule_bad, self.rule_reject, self.rule_drop, self.rule_jump, self.rule_mark, self.rule_timestamp, self.rule_dnat,
                  self.rule_redirect, self.rule_snat, self.rule_input, self.rule_output, self.rule_zone, self.rule_six]
        for make in self.r.sample(makers, self.r.randint(1, 5)):
            make()
        if self.only_rules and self.maybe(0.7):
            self.rule("forward", "ct state established,related accept", (0, "filter", "FORWARD", "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"))

    def internal(self):
        name = self.some(*self.containers)
        return name, self.containers[name]["addresses"]["internal"]

    def rule_bad(self):
        for six, word in ((False, "ip"), (True, "ip6")):
            mine = [a for a in self.bad if is_six(a) == six]
            if mine:
                self.rule("raw-prerouting", f'iifname "eno1" {word} saddr @bad drop',
                          *((6 if six else 4, "raw", "PREROUTING", f"-i eno1 -s {a} -j DROP") for a in mine))

    def rule_reject(self):
        self.rule("forward", "ip saddr 203.0.113.64/26 tcp dport @low reject with tcp reset",
                  (4, "filter", "FORWARD", "-s 203.0.113.64/26 -p tcp -m multiport --dports 25,80:90,443 -j REJECT --reject-with tcp-reset"))

    def rule_drop(self):
        name, address = self.internal()
        self.rule("forward", f"ip daddr {name} tcp dport {{ 80, 993 }} drop", (4, "filter", "FORWARD", f"-d {address} -p tcp -m multiport --dports 80,993 -j DROP"))

    def rule_jump(self):
        name, address = self.internal()
        port = self.some(*PORTS)
        self.firewall["chains"] = {"narrow": ["ip saddr 203.0.113.64/27 drop", "ip saddr 192.0.2.0/25 accept", "return"]}
        self.rule("forward", f"ip daddr {name} tcp dport {port} jump narrow", (4, "filter", "FORWARD", f"-d {address} -p tcp --dport {port} -j narrow"))
        self.by_hand += [("chains", 4, "filter", "narrow", "-s 203.0.113.64/27 -j DROP"), ("chains", 4, "filter", "narrow", "-s 192.0.2.0/25 -j ACCEPT"),
                         ("chains", 4, "filter", "narrow", "-j RETURN")]

    def rule_mark(self):
        name, address = self.internal()
        port = self.some(*PORTS)
        self.rule("mangle-prerouting", f"ip saddr {name} meta mark set 0x7", (4, "mangle", "PREROUTING", f"-s {address} -j MARK --set-mark 0x7"))
        self.rule("forward-last", f"meta mark 0x7 udp dport {port} accept", (0, "filter", "FORWARD", f"-m mark --mark 0x7 -p udp --dport {port} -j ACCEPT"))

    def rule_timestamp(self):
        self.rule("forward-last", 'iifname "br0" oifname "eno1" icmp type 13 accept', (4, "filter", "FORWARD", "-i br0 -o eno1 -p icmp --icmp-type 13 -j ACCEPT"))
        self.rule("input-last", "icmp type 13 accept", (4, "filter", "INPUT", "-p icmp --icmp-type 13 -j ACCEPT"))

    def rule_dnat(self):
        _, address = self.internal()
        port, to = self.some(*PORTS), self.some(*PORTS)
        self.rule("nat-prerouting", f"ip daddr 198.51.100.88 tcp dport {port} dnat to {address}:{to}",
                  (4, "nat", "PREROUTING", f"-d 198.51.100.88 -p tcp --dport {port} -j DNAT --to-destination {address}:{to}"))

    def rule_redirect(self):
        self.rule("nat-prerouting-last", 'iifname "eno1" ip daddr 198.51.100.250 tcp dport 2222 redirect to :22',
                  (4, "nat", "PREROUTING", "-i eno1 -d 198.51.100.250 -p tcp --dport 2222 -j REDIRECT --to-ports 22"))

    def rule_snat(self):
        name, address = self.internal()
        self.rule("nat-postrouting", f'oifname "eno1" ip saddr {name} udp dport 8080 snat to 198.51.100.77',
                  (4, "nat", "POSTROUTING", f"-o eno1 -s {address} -p udp --dport 8080 -j SNAT --to-source 198.51.100.77"))

    def rule_input(self):
        for six, word in ((False, "ip"), (True, "ip6")):
            mine = [a for a in self.bad if is_six(a) == six]
            if mine:
                self.rule("input", f"{word} saddr @bad tcp dport 1-1024 drop",
                          *((6 if six else 4, "filter", "INPUT", f"-s {a} -p tcp --dport 1:1024 -j DROP") for a in mine))
        self.rule("input-last", "udp dport { 80, 443 } accept", (0, "filter", "INPUT", "-p udp -m multiport --dports 80,443 -j ACCEPT"))

    def rule_output(self):
        self.rule("output", "ip daddr 203.0.113.64/26 udp dport != 443 drop", (4, "filter", "OUTPUT", "-d 203.0.113.64/26 -p udp ! --dport 443 -j DROP"))
        self.rule("output-last", "tcp dport 8080 accept", (0, "filter", "OUTPUT", "-p tcp --dport 8080 -j ACCEPT"))

    def rule_zone(self):
        plain = [n for n, z in self.zones.items() if set(z) == {"networks"} and any(not is_six(a) for a in z["networks"])]
        if plain:
            name, port = self.some(*plain), self.some(*PORTS)
            self.rule("forward", f"ct state new ip saddr {name} tcp dport {port} accept",
                      *((4, "filter", "FORWARD", f"-m conntrack --ctstate NEW -s {a} -p tcp --dport {port} -j ACCEPT")
                        for a in self.zones[name]["networks"] if not is_six(a)))

    def rule_six(self):
        self.rule("forward", 'iifname "eno1" ip6 saddr 2001:db8:7::/64 tcp dport { 22, 25 } drop',
                  (6, "filter", "FORWARD", "-i eno1 -s 2001:db8:7::/64 -p tcp -m multiport --dports 22,25 -j DROP"))

    # Files

    def files(self):
        host = {"host": "gate", "release": "bookworm", "bridge": {"name": "br0", "ipv4": "10.0.0.1/24", "ipv6": "2001:db8:616:162:2::1/80"},
                "storage": {"backend": "dir", "path": "/var/lib/infra"}, **self.host}
        yield "host.yaml", host
        yield "zones.yaml", {"zones": self.zones}
        if self.firewall:
            yield "firewall.yaml", self.firewall
        for name, c in self.containers.items():
            yield f"containers/{name}.yaml", {"container": name, "release": "bookworm", **c}

    def write(self, place):
        for name, content in self.files():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content, indent=1) + "\n")  # JSON is YAML

    # Packets

    def spoken_of(self, six):
        nets = [*NETWORKS, *(a for a in self.firewall.get("sets", {}).get("bad", {}).get("addresses", []))]
        return [a for a in nets if is_six(a) == six]

    def outside(self, six):
        return self.some(*edges(self.some(*self.spoken_of(six)))) if self.maybe(0.8) else self.some(*(a for a in STRANGERS if is_six(a) == six))

    def own(self, six):
        """A container's address on the bridge, seldom one there that is nobody's."""
        addresses = [a for c in self.containers.values() if (a := c["addresses"].get("ipv6" if six else "internal"))]
        return self.some(*addresses) if addresses and self.maybe(0.9) else "2001:db8:616:162:2::99" if six else "10.0.0.99"

    def port_near(self, entry):
        """(protocol, port) at the edge of a service or of what is connected to; of None anything."""
        if not entry or self.maybe(0.05):
            return self.some(TCP, UDP), self.some(*PORTS) + self.some(-1, 0, 1)
        first, last, protocol = port_numbers(entry["port"])
        port = self.some(first, first, first, last, last, first - 1, last + 1, self.r.randint(first, last))
        return TCP if protocol == "tcp" else UDP, port

    def peer(self, who, six):
        """(interface or None, address) of somebody of them, or at the edge; None where they have no such address."""
        if isinstance(who, list):
            who = self.some(*who)
        if who in ("any", "local", "host"):
            return None, self.outside(six)
        if who in self.containers:
            address = self.containers[who]["addresses"].get("ipv6" if six else "internal")
            return ("br0", address) if address else None
        if who not in self.zones:
            return (None, self.some(*edges(who))) if is_six(who) == six else None
        zone = self.zones[who]
        within = zone.get("networks", []) + zone.get("members", [])
        found = self.peer(self.some(*within), six) if within else (None, self.own(six) if zone["interface"] == "br0" else self.outside(six))
        return found and (zone.get("interface", found[0]), found[1])

    def incoming(self, six):
        """(interface, source, destination, protocol, port) of a service: the host's, or a container's by one of its addresses or a
        public port."""
        container = self.some(None, *self.containers.values())
        services = container["services"] if container else self.host["services"]
        service = self.some(*services) if services else None
        protocol, port = self.port_near(service)
        found = self.peer(service["from"], six) if service and self.maybe(0.65) else None
        interface, source = found or (None, self.outside(six) if self.maybe(0.9) else self.own(six))
        interface = interface if interface and self.maybe(0.85) else self.some(packets.way_to(source), "eno1", "eno2", "br0", "host")
        local = packets.LOCAL6 if six else packets.LOCAL
        if interface == "host":
            source = self.some(*local)
        if not container:
            return interface, source, self.some(*local), protocol, port
        a = container["addresses"]
        if six:
            return interface, source, a.get("ipv6", "2001:db8:616:162:2::99"), protocol, port
        if "public-port" in (service or {}) and self.maybe(0.6):
            port += service["public-port"] - port_numbers(service["port"])[0]
            return interface, source, self.some(*local), protocol, port % 65536 or 1
        public = [a[zone] for zone in ("internet", "intranet") if zone in a] or [a["internal"]]
        to = self.some(*public, *public, a["internal"], *(FREE_ADDRESSES if self.maybe(0.3) else []))
        return interface, source, to, protocol, port

    def outgoing(self, six):
        """The same of what a container or the host may open."""
        name = self.some(None, *self.containers)
        entries = self.containers[name]["connects"] if name else self.host.get("connects", [])
        entry = self.some(*entries) if entries else None
        found = self.peer(entry["to"], six) if entry and self.maybe(0.7) else None
        to = found[1] if found else self.outside(six)
        if entry and entry["to"] == "host" or self.maybe(0.05):
            to = self.some(*(packets.LOCAL6 if six else packets.LOCAL))
        elif found and found[0] == "br0" and not six:  # a container is asked by a public address, so that a router sees it
            a = next((c["addresses"] for c in self.containers.values() if c["addresses"]["internal"] == to), {})
            to = a.get("internet", a.get("intranet", to))
        if not name:
            return "host", self.some(*(packets.LOCAL6 if six else packets.LOCAL)), to, *self.port_near(entry)
        source = self.containers[name]["addresses"].get("ipv6" if six else "internal") if self.maybe(0.9) else self.own(six)
        source = source or self.own(six)
        return "br0" if self.maybe(0.95) else "eno1", source if self.maybe(0.95) else self.outside(six), to, *self.port_near(entry)

    def packet(self, number):
        """(interface, protocol, source, sport, destination, dport). The source port makes each a connection of its own."""
        six = self.maybe(0.35)
        interface, source, to, protocol, port = self.outgoing(six) if self.maybe(0.35) else self.incoming(six)
        if self.maybe(0.1):
            return interface, ICMPV6 if six else ICMP, source, 0, to, 128 if six else self.some(8, 8, 13)
        return interface, protocol, source, 20000 + number, to, port

    def packets(self, n):
        made = []
        while len(made) < n:
            p = self.packet(len(made))
            if usable(p):
                made.append(p)
        return made

    def strays(self, n):
        """Answers that nobody asked for, and errors about nothing: no connection is known."""
        made = []
        for interface, protocol, source, sport, to, dport in self.packets(2 * n):
            if protocol == UDP or (interface == "host" and protocol == TCP):
                continue
            if protocol in (ICMP, ICMPV6):
                dport = self.some(0, 3, 11) if protocol == ICMP else self.some(1, 3, 129)
            made.append((interface, protocol, source, sport and sport + 10000, to, dport))
        return made[:n]


def usable(p):
    """Neither what routing refuses nor what the bridge switches: it never comes to a router."""
    interface, _, source, _, to, _ = p
    source, to = ipaddress.ip_address(source), ipaddress.ip_address(to)
    own = {ipaddress.ip_address(a) for a in packets.LOCAL + packets.LOCAL6}
    near = [ipaddress.ip_network(n) for n in (BRIDGE, BRIDGE6)]
    if interface == "host":
        return to not in own
    if source in own or source.packed[-1] in (0, 255) and source.version == 4 or to.packed[-1] in (0, 255) and to.version == 4:
        return False
    return not (interface == "br0" and to not in own and any(to in n for n in near))
