# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules for iptables that a careful person would write for a policy, by what docs/explanation/firewall.md and
infra.policy(5) say and not by how the compiler does it: one rule for each opening, in the order of the manual.
"""

from policy_generator import BRIDGE, BRIDGE6, is_six, port_numbers

ERRORS_AND_ECHO = {4: [("icmp", "icmp-type", t) for t in (3, 8, 11, 12)],
                   6: [("ipv6-icmp", "icmpv6-type", t) for t in (1, 2, 3, 4, 128, 129, 133, 134, 135, 136)]}
ANSWERS = "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
CHAINS = {"raw": ["PREROUTING"], "mangle": ["PREROUTING", "FORWARD"], "nat": ["PREROUTING", "OUTPUT", "POSTROUTING"], "filter": ["INPUT", "FORWARD", "OUTPUT"]}


class Oracle:
    def __init__(self, policy, family):
        self.p, self.family = policy, family
        self.bridge = BRIDGE6 if family == 6 else BRIDGE
        self.by_itself = not policy.only_rules
        self.rules = {(t, c): [] for t, chains in CHAINS.items() for c in chains}
        self.spoofing()
        if family == 4:
            self.translations()
        self.marks()
        self.input()
        self.forward()
        self.output()

    def add(self, table, chain, *words):
        self.rules.setdefault((table, chain), []).append(" ".join(w for w in words if w))

    def own_rules(self, place):
        for where, family, table, chain, rule in self.p.by_hand:
            if where == place and family in (0, self.family):
                self.add(table, chain, rule)

    def address(self, container):
        return self.p.containers[container]["addresses"].get("ipv6" if self.family == 6 else "internal")

    def peers(self, who):
        """Whom a word means: pairs of an interface and a network, each None where it does not matter."""
        if isinstance(who, list):
            return [pair for one in who for pair in self.peers(one)]
        if who in ("local", "host"):
            return []
        if who == "any":
            return [(None, None)]
        if who in self.p.containers:
            return [(None, self.address(who))] if self.address(who) else []
        if who not in self.p.zones:
            return [(None, who)] if is_six(who) == (self.family == 6) else []
        zone = self.p.zones[who]
        interface, within = zone.get("interface"), zone.get("networks", []) + zone.get("members", [])
        if not within:
            return [(interface, None)]
        # With networks or members the zone is only those of what comes in or leaves there.
        pairs = [pair for one in within for pair in self.peers(one)]
        return [(interface or i, net) for i, net in pairs if not interface or i in (None, interface)]

    @staticmethod
    def port(text):
        numbers, protocol = text.split("/")
        return f"-p {protocol} --dport {numbers.replace('-', ':')}"

    def open(self, chain, who, option, side, rest):
        """@option: -i or -o of the peer's interface; @side: -s or -d of its address."""
        for interface, net in self.peers(who):
            self.add("filter", chain, interface and f"{option} {interface}", net and f"{side} {net}", rest, "-j ACCEPT")

    def outside_interfaces(self):
        return dict.fromkeys(z["interface"] for z in self.p.zones.values() if z.get("interface") not in (None, "br0"))

    def spoofing(self):
        if self.p.firewall.get("anti-spoofing", True):
            for interface in self.outside_interfaces():
                self.add("raw", "PREROUTING", f"-i {interface} -s {self.bridge} -j DROP")
            self.add("raw", "PREROUTING", f"-i br0 ! -s {self.bridge} -j strange")
            if self.family == 6:  # without these no neighbour is found and no address is taken
                self.add("raw", "strange", "-s fe80::/10 -j RETURN")
                self.add("raw", "strange", "-s ::/128 -j RETURN")
            self.add("raw", "strange", "-j DROP")
        self.own_rules("raw-prerouting")

    def pairs(self, zone):
        return [(c["addresses"]["internal"], c["addresses"][zone]) for c in self.p.containers.values() if zone in c["addresses"]]

    def translations(self):
        self.own_rules("nat-prerouting")
        pairs = self.pairs("internet") + self.pairs("intranet")
        for rule in (f"-d {public} -j DNAT --to-destination {internal}" for internal, public in pairs):
            self.add("nat", "PREROUTING", rule)
            if self.by_itself:
                self.add("nat", "OUTPUT", rule)
        for c in self.p.containers.values():
            for s in c["services"]:
                self.public_port(c["addresses"]["internal"], s)
        self.own_rules("nat-prerouting-last")
        self.own_rules("nat-postrouting")
        if self.by_itself and self.leads_elsewhere(pairs):
            self.add("nat", "POSTROUTING", f"-s {BRIDGE} -o br0 -m conntrack --ctstate DNAT -j MASQUERADE")
        self.leaving()

    def leads_elsewhere(self, pairs):
        """Whether any destination is exchanged: otherwise nobody has to be answered through the host."""
        return bool(pairs or any("public-port" in s for c in self.p.containers.values() for s in c["services"]) or
                    any(line[0].startswith(("nat-prerouting", "nat-output")) for line in self.p.by_hand))

    def public_port(self, internal, service):
        if "public-port" not in service:
            return
        first, last, protocol = port_numbers(service["port"])
        for n in range(last - first + 1):
            self.add("nat", "PREROUTING", f"-p {protocol} --dport {service['public-port'] + n} -m addrtype --dst-type LOCAL",
                     f"-j DNAT --to-destination {internal}:{first + n}")

    def told_by_networks(self, name):
        """A zone of containers' addresses that has no interface or shares it."""
        zone = self.p.zones[name]
        shared = [z for n, z in self.p.zones.items() if n != name and z.get("interface") == zone.get("interface")]
        return "interface" not in zone or (bool(shared) and "networks" in zone)

    def leaving(self):
        named = [n for n in self.p.zones if n in ("internet", "intranet")]
        by_networks = [n for n in named if self.told_by_networks(n)]
        for name in by_networks + [n for n in named if n not in by_networks]:
            zone = self.p.zones[name]
            nets = [f"-d {n}" for n in zone["networks"] if not is_six(n)] if name in by_networks else [""]
            for internal, public in self.pairs(name):
                for net in nets:
                    out = f"-o {zone['interface']}" if "interface" in zone else ""
                    self.add("nat", "POSTROUTING", out, net, f"-s {internal} -j SNAT --to-source {public}")
        for name in by_networks:
            if "interface" not in self.p.zones[name]:
                for net in self.p.zones[name]["networks"]:
                    if not is_six(net):
                        self.add("nat", "POSTROUTING", f"-s {BRIDGE} -d {net} -j MASQUERADE")
        for interface in self.outside_interfaces():
            translate = next(z.get("translate", "masquerade") for z in self.p.zones.values() if z.get("interface") == interface)
            if translate != "none":
                target = "MASQUERADE" if translate == "masquerade" else f"SNAT --to-source {translate}"
                self.add("nat", "POSTROUTING", f"-s {BRIDGE} -o {interface} -j {target}")

    def marks(self):
        self.own_rules("mangle-prerouting")
        self.own_rules("chains")

    def icmp(self, chain):
        for protocol, option, kind in ERRORS_AND_ECHO[self.family]:
            self.add("filter", chain, f"-p {protocol} --{option} {kind} -j ACCEPT")

    def answers(self, chain):
        self.add("filter", chain, ANSWERS)
        self.add("filter", chain, "-m conntrack --ctstate INVALID -j DROP")

    def input(self):
        if self.by_itself:
            self.add("filter", "INPUT", "-i lo -j ACCEPT")
            self.icmp("INPUT")
            self.answers("INPUT")
        self.own_rules("input")
        for s in self.p.host["services"]:
            self.open("INPUT", s["from"], "-i", "-s", self.port(s["port"]))
        for name, c in self.p.containers.items():
            for k in c["connects"]:
                if k["to"] == "host" and self.address(name):
                    self.add("filter", "INPUT", f"-s {self.address(name)} {self.port(k['port'])} -j ACCEPT")
        self.own_rules("input-last")

    def forward(self):
        if self.by_itself:
            self.answers("FORWARD")
        self.own_rules("forward")
        if self.by_itself:
            self.icmp("FORWARD")
        for name, c in self.p.containers.items():
            own = self.address(name)
            for s in c["services"] if own else []:
                self.open("FORWARD", s["from"], "-i", "-s", f"-d {own} {self.port(s['port'])}")
            for k in c["connects"] if own else []:
                self.open("FORWARD", k["to"], "-o", "-d", f"-s {own} {self.port(k['port'])}")
        self.own_rules("forward-last")

    def output(self):
        if "connects" in self.p.host and self.by_itself:
            self.add("filter", "OUTPUT", "-o lo -j ACCEPT")
            self.icmp("OUTPUT")
            self.add("filter", "OUTPUT", "-o br0 -j ACCEPT")  # its containers
            self.add("filter", "OUTPUT", ANSWERS)
        self.own_rules("output")
        for k in self.p.host.get("connects", []):
            self.open("OUTPUT", k["to"], "-o", "-d", self.port(k["port"]))
        self.own_rules("output-last")

    def text(self):
        """What iptables-restore or ip6tables-restore loads."""
        drops = {"INPUT", "FORWARD"} | ({"OUTPUT"} if "connects" in self.p.host else set())
        lines = ["# Generated by ip6tables-save v1.8.9" if self.family == 6 else "# Generated by iptables-save v1.8.9"]
        for table, chains in CHAINS.items():
            own = [c for t, c in self.rules if t == table and c not in chains]
            lines += [f"*{table}", *(f":{c} {'DROP' if table == 'filter' and c in drops else 'ACCEPT'} [0:0]" for c in chains)]
            lines += [f":{c} - [0:0]" for c in own]
            lines += [f"-A {c} {rule}" for c in [*chains, *own] for rule in self.rules[table, c]]
            lines.append("COMMIT")
        return "\n".join(lines + [""])
