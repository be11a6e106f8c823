# SPDX-License-Identifier: GPL-2.0-or-later
"""Random configurations of ferm from a grammar that has all of its constructs; the same seed gives the same text."""

import random

ADDRESSES = ["10.0.0.1", "10.0.0.0/24", "192.0.2.7", "198.51.100.0/24", "203.0.113.9", "2001:db8::1", "2001:db8:616::/48"]
INTERFACES = ["eth0", "eth1", "br0", "lo", "veth+", "eno1"]
PORTS = ["22", "25", "80", "443", "1024:65535", ":1023", "ssh", "domain"]
CHAINS = ["INPUT", "FORWARD", "OUTPUT", "badguys", "services", "PREROUTING", "POSTROUTING"]
TABLES = ["filter", "mangle", "raw", "nat"]
STATES = ["NEW", "ESTABLISHED", "RELATED", "INVALID"]
MATCHES = [
    "mod state state NEW", "mod state state ! INVALID", "mod conntrack ctstate (ESTABLISHED RELATED)",
    "mod conntrack ! ctstate (NEW INVALID)", "mod limit limit 3/second limit-burst 5", "mod comment comment \"a b\"",
    "comment 'it; is'", "mod mark mark 42", "mod mark ! mark 0x1/0xff", "mod iprange src-range 10.0.0.1-10.0.0.9",
    "mod recent set name bad rsource", "mod recent ! rcheck seconds 60", "mod owner uid-owner (0 1000)", "mod mac mac-source ! 00:11:22:33:44:55",
    "mod set set blocked src", "mod set ! match-set blocked (src dst)", "mod physdev physdev-is-bridged", "mod pkttype pkt-type broadcast",
    "mod addrtype dst-type LOCAL", "mod length length 100:200", "mod time timestart 08:00 days (Mon Tue)", "mod u32 u32 ('6&0xFF=1' '4=2')",
    "mod hashlimit hashlimit 5/hour hashlimit-mode (srcip dstport) hashlimit-name h", "fragment", "! fragment", "module (state tos) state NEW",
    "mod cgroup cgroup (10:1 5)", "mod rpfilter invert", "mod policy dir in pol ipsec", "mod statistic mode random probability 0.5", "mod nosuch",
    "mod tcpmss mss 1:500", "mod string algo bm string \"a \\b\"", "mod connlimit connlimit-above 5 connlimit-mask 32",
]
ACTIONS = [
    "ACCEPT", "DROP", "RETURN", "QUEUE", "NOP", "REJECT", "REJECT reject-with icmp-net-unreachable", "REJECT reject-with icmp-port-unreachable",
    "LOG", "LOG log-prefix \"in $CHAIN: \" log-level info", "LOG log-prefix 'no $CHAIN'", "jump badguys", "goto services", "realgoto services",
    "MARK set-mark 5", "CONNMARK save-mark", "NFLOG nflog-group 2 nflog-prefix \"x y\"", "MASQUERADE", "MASQUERADE to-ports 1000-2000 random",
    "REDIRECT to-ports 3128", "SNAT to 198.51.100.7", "DNAT to (10.0.0.1 10.0.0.2)", "DNAT to 10.0.0.17:22 persistent", "NETMAP to 10.1.0.0/24",
    "NOTRACK", "CT helper ftp", "CT ctevents (new destroy)", "TRACE", "SET add-set bad (src dst) exist", "TTL ttl-set 5", "TEE gateway 10.0.0.1",
    "CLASSIFY set-class 1:2", "TPROXY tproxy-mark 0x1/0x1 on-port 50", "jump \"badguys\"", "DSCP set-dscp 0x10", "NFQUEUE queue-num 3 queue-bypass",
]


class Grammar:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.names = 0
        self.variables = [{}]  # by scope: name -> kind
        self.functions = []
        self.files = {}

    def chance(self, p):
        return self.random.random() < p

    def pick(self, items):
        return self.random.choice(items)

    def name(self, prefix):
        self.names += 1
        return f"{prefix}{self.names}"

    def known(self, kind):
        return [n for scope in self.variables for n, k in scope.items() if k == kind]

    def atom(self, kind):
        pool = {"address": ADDRESSES, "interface": INTERFACES, "port": PORTS}[kind]
        value = self.pick(pool)
        roll = self.random.random()
        if roll < 0.1:
            return f'"{value}"'
        if roll < 0.15:
            return f"'{value}'"
        if roll < 0.2:
            half = self.random.randrange(len(value))
            return f'@cat("{value[:half]}", \'{value[half:]}\')'
        if roll < 0.23:
            return f'@substr("xx{value}", 2, {len(value)})'
        return value

    def value(self, kind, depth=0):
        names = self.known(kind)
        roll = self.random.random()
        if names and roll < 0.25:
            return "$" + self.pick(names)
        if depth < 2 and roll < 0.5:
            count = self.random.randint(0 if self.chance(0.05) else 1, 3)
            return "(" + " ".join(self.value(kind, depth + 1) for _ in range(count)) + ")"
        return self.atom(kind)

    def address(self):
        roll = self.random.random()
        if roll < 0.15:
            return f"! {self.pick(ADDRESSES)}"
        if roll < 0.3:
            return f"@ipfilter({self.value('address')})"
        return self.value("address")

    def protocol(self):
        roll = self.random.random()
        if roll < 0.5:
            proto = self.pick(["tcp", "udp", "(tcp udp)", "tcp"])
            parts = [f"proto {proto}"]
            if self.chance(0.6):
                parts.append(f"{self.pick(['dport', 'sport'])} {'! 22' if self.chance(0.1) else self.value('port')}")
            if self.chance(0.15):
                ports = " ".join(str(p) for p in range(1, self.random.randint(2, 40)))
                parts.append(f"{self.pick(['dports', 'mod multiport source-ports'])} ({ports} 100:200)")
            if proto == "tcp" and self.chance(0.2):
                parts.append(self.pick(["syn", "! syn", "tcp-flags (SYN ACK) SYN", "tcp-flags ! ALL (SYN RST)", "tcp-option 7"]))
            return " ".join(parts)
        if roll < 0.7:
            return self.pick(["proto icmp", "protocol icmp icmp-type echo-request", "proto ipv6-icmp icmpv6-type (1 2)",
                              "proto icmp icmp-type ! redirect"])
        return self.pick(["proto ! udp", "proto esp", "proto (icmp esp)", "protocol 47", "proto sctp chunk-types any (INIT DATA)"])

    def interface(self):
        value = "! " + self.pick(INTERFACES) if self.chance(0.15) else self.value("interface")
        return f"{self.pick(['interface', 'outerface', 'if', 'of'])} {value}"

    def match(self):
        return self.pick([
            self.interface,
            lambda: f"{self.pick(['saddr', 'daddr', 'source'])} {self.address()}",
            self.protocol,
            lambda: self.pick(MATCHES),
        ])()

    def matches(self, least=0):
        return " ".join(self.match() for _ in range(self.random.randint(least, 3)))

    def define(self):
        kind = self.pick(["address", "interface", "port"])
        name = self.name("v")
        text = f"@def ${name} = {self.value(kind)};"
        self.variables[-1][name] = kind
        return text

    def function(self):
        name = self.name("F")
        kind = self.pick(["interface", "port", "address"])
        use = {"interface": "interface $p", "port": "proto tcp dport $p", "address": "saddr $p"}[kind]
        block = self.chance(0.6)
        if block:
            again = use.replace("proto tcp ", "")
            body = (f"{{ {use} {{ {self.matches()} {self.pick(ACTIONS)}; {again} ACCEPT; }} "
                    f"{self.match()} LOG log-prefix \"{name} $CHAIN\"; }}")
        else:
            body = f"{use} {self.pick(['ACCEPT', 'NOP', 'DROP'])};"
        self.functions.append((name, kind))
        return f"@def &{name}($p) = {body}"

    def condition(self):
        known = self.known("address") + ["CHAIN", "nothing"]
        return self.pick(["@eq($CHAIN, INPUT)", "@ne($DOMAIN, ip)", "@not(@eq($TABLE, filter))", f"@defined(${self.pick(known)})",
                          "1", "0", '""', "()", '@eq("$CHAIN-$TABLE", "INPUT-filter")', "@length($DOMAIN)", "@defined(&nothing)"])

    def rule(self, depth):
        roll = self.random.random()
        if roll < 0.08:
            return self.define()
        if roll < 0.18 and self.functions:
            name, kind = self.pick(self.functions)
            return f"{self.matches() if self.chance(0.3) else ''} &{name}({self.value(kind)});"
        if roll < 0.26:
            branch = f"@if {self.condition()} {self.rule_or_block(depth + 1)}"
            return branch + (f" @else {self.rule_or_block(depth + 1)}" if self.chance(0.5) else "")
        if roll < 0.34 and depth < 3:
            name = self.pick(["", f'"{self.name("sub")}"', f"'{self.name('sub')}'", f'@cat("c", {self.name("x")})', self.name("plain")])
            return f"{self.matches(1)} {self.pick(['@subchain', 'subchain', '@gotosubchain'])} {name} {self.block(depth + 1)}"
        if roll < 0.5 and depth < 3:
            return f"{self.matches()} {self.block(depth + 1)}"
        return f"{self.matches()} {self.pick(ACTIONS)}; {'# a comment ; {' if self.chance(0.05) else ''}\n"

    def rule_or_block(self, depth):
        return self.block(depth) if self.chance(0.5) and depth < 3 else f"{self.matches()} {self.pick(ACTIONS)};"

    def block(self, depth):
        self.variables.append({})
        text = "{\n" + "\n".join(self.rule(depth) for _ in range(self.random.randint(1, 3))) + "\n}"
        self.variables.pop()
        return text

    def some(self, items):
        n = self.random.randint(1, 3)
        return self.pick(items) if n == 1 else "(" + " ".join(self.random.sample(items, n)) + ")"

    def place(self):
        parts = []
        if self.chance(0.6):
            parts.append("domain " + self.pick(["ip", "ip6", "(ip ip6)", "(ip6)", "(ip ip6)"]))
        if self.chance(0.6):
            parts.append("table " + self.some(TABLES))
        parts.append("chain " + self.some(CHAINS))
        return " ".join(parts)

    def statement(self):
        roll = self.random.random()
        if roll < 0.15:
            return self.define()
        if roll < 0.25:
            return self.function()
        if roll < 0.35:
            return f"{self.place()} policy {self.pick(['ACCEPT', 'DROP'])};"
        if roll < 0.42:
            name = self.name("part") + ".conf"
            self.files[name] = self.statement() + "\n"
            return self.pick([f'@include "{name}";', f"include {name};", f"@include @glob('{name[:-5]}.*');",
                              f"{self.place()} {{ @include '{self.rules_file()}'; }}"])
        return f"{self.place()} {self.block(0) if self.chance(0.8) else self.rule_or_block(0)}"

    def rules_file(self):
        name = self.name("rules") + ".conf"
        self.variables.append({})
        self.files[name] = "".join(f"{self.matches()} {self.pick(ACTIONS)};\n" for _ in range(2))
        self.variables.pop()
        return name

    def configuration(self):
        """The text of the main file; self.files has those it includes."""
        return "\n".join(self.statement() for _ in range(self.random.randint(3, 10))) + "\n"
