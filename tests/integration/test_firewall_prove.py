# SPDX-License-Identifier: GPL-2.0-or-later
"""Old rules in the kernel, the policy made of them in the kernel, and what is said of both: the same packets must fare the
same. Generated rule sets of iptables and ip6tables, and boundary packets; INFRA_LONG=1: ten times as many.
"""

import ipaddress
import os
import random

import pytest

import packets
import ways

LONG = bool(os.environ.get("INFRA_LONG"))
SETS, PER_SET = 200 if LONG else 20, 60
TCP, UDP, ICMP, ICMPV6 = packets.TCP, packets.UDP, packets.ICMP, packets.ICMPV6

PORTS = [22, 25, 80, 443, 1024, 8080]
INSIDE = {4: ["10.0.0.17", "10.0.0.18", "10.0.0.32/28", "10.0.0.0/24", "10.0.0.128/25"],
          6: ["2001:db8:616:162:2::17", "2001:db8:616:162:2::18", "2001:db8:616:162:2::20/124", "2001:db8:616:162:2::/80",
              "2001:db8:616:162:2:8000::/81"]}
OUTSIDE = {4: ["203.0.113.7", "203.0.113.0/24", "192.0.2.0/25", "192.0.2.200", "0.0.0.0/0"],
           6: ["2001:db8:7::7", "2001:db8:7::/64", "2001:db8:9::/121", "2001:db8:9::200", "::/0"]}
PUBLIC = {4: ["198.51.100.231", "198.51.100.232", "198.51.100.1", "198.51.100.224/28"],
          6: ["2001:db8:198::231", "2001:db8:198::232", "2001:db8:198::1", "2001:db8:198::230/124"]}
EVERYBODY = {4: "203.0.113.99", 6: "2001:db8:7::99"}
# Words of iptables and of ip6tables.
WORDS = {
    4: {
        "icmp": ("icmp", "icmp", "--icmp-type", ("8", "3", "11", "8/0")),
        "ranges": ("10.0.0.10-10.0.0.40", "203.0.113.3-203.0.113.9"),
        "length": "40:60",
        "reject": "icmp-port-unreachable",
        "prohibit": "icmp-host-prohibited",
        "to": ["10.0.0.17", "10.0.0.18", "10.0.0.40"],
        "netmap": "NETMAP --to 10.0.0.0/28",
        "source": "198.51.100.231",
    },
    6: {
        "icmp": ("ipv6-icmp", "icmp6", "--icmpv6-type", ("128", "1", "3", "128/0")),
        "ranges": ("2001:db8:616:162:2::10-2001:db8:616:162:2::40", "2001:db8:7::3-2001:db8:7::9"),
        "length": "60:80",
        "reject": "icmp6-port-unreachable",
        "prohibit": "icmp6-adm-prohibited",
        "to": ["2001:db8:616:162:2::17", "2001:db8:616:162:2::18", "2001:db8:616:162:2::40"],
        "netmap": "NETMAP --to 2001:db8:616:162:2::/124",
        "source": "2001:db8:198::231",
    },
}


class Generator:
    """A rule set in the form of iptables-save or ip6tables-save that says something about a small world."""

    def __init__(self, seed, family):
        self.r = random.Random(seed * 10 + family)
        self.family, self.words = family, WORDS[family]
        self.inside, self.outside, self.public = INSIDE[family], OUTSIDE[family], PUBLIC[family]

    def some(self, *choices):
        return self.r.choice(choices)

    def negated(self):
        return "! " if self.r.random() < 0.15 else ""

    def of(self, option, addresses):
        address = self.some(*addresses)
        return f"{'' if address.endswith('/0') else self.negated()}{option} {address}"

    def ports(self):
        first = self.some(*PORTS)
        return self.some(str(first), f"{first}:{first + self.some(1, 10, 500)}", f":{first}", f"{first}:")

    def protocol(self):
        kind = self.some("tcp", "udp", "icmp", "multiport", "none")
        if kind == "icmp":
            protocol, module, option, types = self.words["icmp"]
            return f"-p {protocol} -m {module} {self.negated()}{option} {self.some(*types)}"
        if kind == "multiport":
            return f"-p {self.some('tcp', 'udp')} -m multiport {self.negated()}--dports {self.some('22,25', '80,443,8000:8100', '1:1023')}"
        if kind == "none":
            return ""
        flags = " --syn" if kind == "tcp" and self.r.random() < 0.1 else ""
        side = self.some("--dport", "--dport", "--dport", "--sport")
        return f"-p {kind} -m {kind} {self.negated()}{side} {self.ports()}{flags}"

    def match(self, hook):
        words = []
        if self.r.random() < 0.5:
            words.append(self.of("-s", self.inside + self.outside))
        if self.r.random() < 0.6:
            words.append(self.of("-d", self.inside + self.outside + (self.public if hook == "PREROUTING" else [])))
        if self.r.random() < 0.3 and hook not in ("POSTROUTING", "user"):
            words.append(f"{self.negated()}-i {self.some('eno1', 'br0', 'eno+', 'br+')}")
        if self.r.random() < 0.3 and hook in ("FORWARD", "POSTROUTING"):
            words.append(f"{self.negated()}-o {self.some('eno1', 'br0')}")
        words.append(self.protocol())
        if self.r.random() < 0.2:
            source, destination = self.words["ranges"]
            words.append(self.some("-m conntrack --ctstate NEW", "-m conntrack --ctstate NEW,ESTABLISHED", "-m conntrack ! --ctstate INVALID",
                                   "-m state --state ESTABLISHED", "-m mark --mark 0x1", "-m mark ! --mark 0x1/0x3",
                                   f"-m iprange --src-range {source}", f"-m iprange --dst-range {destination}",
                                   "-m addrtype --dst-type LOCAL", f"-m length --length {self.words['length']}"))
        return " ".join(w for w in words if w)

    def target(self, hook):
        if hook == "user":
            return self.some("ACCEPT", "DROP", "RETURN", f"REJECT --reject-with {self.words['reject']}")
        return self.some("ACCEPT", "ACCEPT", "DROP", "RETURN", "one", f"REJECT --reject-with {self.words['prohibit']}") if self.r.random() < 0.9 else "two"

    def destination(self):
        address = self.some(*self.words["to"])
        if self.r.random() < 0.5:
            whole = f"[{address}]" if self.family == 6 else address
            return f"-p {self.some('tcp', 'udp')} --dport {self.ports()} -j DNAT --to-destination {whole}:{self.some(*PORTS)}"
        return f"-j {self.some(f'DNAT --to-destination {address}', f'DNAT --to-destination {address}', self.words['netmap'])}"

    def text(self):
        lines = [f"# Generated by ip{'6' if self.family == 6 else ''}tables-save v1.8.9", "*mangle", ":PREROUTING ACCEPT [0:0]"]
        for _ in range(self.some(0, 1, 2)):
            lines.append(f"-A PREROUTING {self.match('PREROUTING')} -j MARK --set-xmark {self.some('0x1/0xffffffff', '0x2/0x3', '0x3/0x0')}")
        lines += ["COMMIT", "*nat", ":PREROUTING ACCEPT [0:0]", ":POSTROUTING ACCEPT [0:0]"]
        for _ in range(self.some(1, 2, 4)):
            lines.append(f"-A PREROUTING -d {self.some(*self.public)} {self.destination()}")
        for _ in range(self.some(0, 1, 3)):
            lines.append(f"-A POSTROUTING {self.match('POSTROUTING')} -j {self.some('SNAT --to-source ' + self.words['source'], 'MASQUERADE', 'ACCEPT')}")
        lines += ["COMMIT", "*filter", f":INPUT {self.some('ACCEPT', 'DROP')} [0:0]", f":FORWARD {self.some('ACCEPT', 'DROP')} [0:0]",
                  ":OUTPUT ACCEPT [0:0]", ":one - [0:0]", ":two - [0:0]"]
        for hook, most in (("one", 4), ("two", 3), ("INPUT", 6), ("FORWARD", 10)):
            for _ in range(self.r.randint(1, most)):
                kind = "user" if hook in ("one", "two") else hook
                jump = "-g two" if kind != "user" and self.r.random() < 0.05 else f"-j {self.target(kind)}"
                lines.append(f"-A {hook} {self.match(kind)} {jump}")
        return "\n".join(lines + ["COMMIT", ""])

    def address(self, text):
        net = ipaddress.ip_network(text)
        if net.prefixlen == 0:
            return EVERYBODY[self.family]
        return str(self.some(net[0], net[-1], net[net.num_addresses // 2], net[0] + net.num_addresses, net[0] - 1))

    def packet(self, number):
        """At and beside what rules speak of. The source port makes each a connection of its own; of ICMP only what asks begins one."""
        six, interface = self.family == 6, self.some("eno1", "eno1", "br0")
        protocol = self.some(TCP, TCP, UDP, ICMPV6 if six else ICMP)
        source = self.address(self.some(*(self.outside if interface == "eno1" else self.inside), self.some(*self.inside, *self.outside)))
        to = self.address(self.some(*self.inside, *self.outside, *self.public)) if self.r.random() < 0.85 else self.some(*(packets.LOCAL6 if six else packets.LOCAL))
        if protocol in ways.ICMPS:
            return interface, protocol, source, 0, to, 128 if six else self.some(8, 13)
        sport = 20000 + number if self.r.random() < 0.8 else self.some(*PORTS)
        return interface, protocol, source, sport, to, self.some(*PORTS) + self.some(-1, 0, 0, 0, 1, 7)


def usable(p):
    """Packets that routing itself refuses say nothing about rules."""
    source, to = ipaddress.ip_address(p[2]), ipaddress.ip_address(p[4])
    own = {ipaddress.ip_address(a) for a in packets.LOCAL + packets.LOCAL6}
    if source in own or source.is_multicast or source.is_loopback or p[2].endswith(".255") or to.is_multicast:
        return False
    # The neighbours' own addresses, and the anycast address of routers.
    return to in own or not (p[4].startswith(("10.25", "fd00:")) or p[4] == "2001:db8:616:162:2::")


@pytest.fixture(scope="module")
def routers():
    both = packets.Path(), packets.Path()
    yield both
    for p in both:
        p.close()


def no_port(answer):
    """Where addresses collide, masquerading may take another source port."""
    return answer and (answer[0], answer[1], *answer[3:])


def assert_same(seen, sent, what):
    for n, p in enumerate(sent):
        answers = {name: no_port(a[n]) for name, a in seen.items()}
        assert len(set(answers.values())) == 1, f"{what}: {p}: {answers}"


@pytest.mark.limit(600)
def test_generated_rules_fare_the_same(routers, tmp_path):
    old, new = routers
    told = six = back = 0
    for seed in range(SETS):
        generators = [Generator(seed, family) for family in (4, 6)]
        texts = [g.text() for g in generators]
        rules, policy = [tmp_path / f"{seed}.v4", tmp_path / f"{seed}.v6"], tmp_path / f"{seed}"
        for path, text in zip(rules, texts, strict=True):
            path.write_text(text)
        ways.run_infractl("import", "iptables", *rules, "--into", policy, *(["--only-rules"] if seed % 2 else []))
        sent = [p for g, share in zip(generators, (0.6, 0.4), strict=True)
                for p in [p for p in (g.packet(n) for n in range(2 * PER_SET)) if usable(p)][:int(share * PER_SET)]]
        for path in routers:
            path.forget()
        ways.load_old(old, *texts)
        ways.load_new(new, policy)
        source, what = "+".join(map(str, rules)), f"seed {seed}\n{texts[0]}\n{texts[1]}"
        seen = {"iptables": old.observe(sent), "ours": new.observe(sent), "trace of the files": ways.trace(source, sent), "trace of the policy": ways.trace(policy, sent)}
        assert_same(seen, sent, what)
        answers = [ways.answer_to(p, a)[0] for p, a in zip(sent, seen["ours"], strict=True)]
        replied = {"iptables": old.observe(answers, True), "ours": new.observe(answers, True)}
        assert_same(replied, answers, what)
        told, six, back = told + len(sent), six + sum(":" in p[2] for p in sent), back + sum(a is not None for a in replied["ours"])
    print(f"{SETS} rule sets, {told} packets, {six} of IPv6, {back} answers")
    assert SETS >= (200 if LONG else 20) and told >= (10000 if LONG else 1000) and six > told / 3 and back > told / 50
