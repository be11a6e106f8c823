# SPDX-License-Identifier: GPL-2.0-or-later
"""Single changes of rule files: each is found by `firewall equal`, with a packet that fares differently in the kernel, too. A
change that is said to change nothing for first packets of connections is not counted, and such packets aimed at the line must
fare the same.

The files: rules of which each matters; what ferm makes of a real estate; what policy_oracle.py writes for random policies.
INFRA_LONG=1: four times as many changes.
"""

import collections
import ipaddress
import json
import os
import random
import re

import pytest

import infrahost
import packets
import ways
from policy_generator import Generator
from policy_oracle import Oracle

TIMES = 4 if os.environ.get("INFRA_LONG") else 1
ESTATE = infrahost.SOURCE / "tests" / "golden" / "ferm" / "infra02.rules"
PROTOCOLS = {"tcp": packets.TCP, "udp": packets.UDP, "icmp": packets.ICMP, "icmpv6": packets.ICMPV6}
INTERFACES = ["eno1", "eno2", "br0"]
PORT = re.compile(r"(?<=--dport )\d+|(?<=--dports )\d+")
NETWORK = re.compile(r"(?<= -s )\S+|(?<= -d )\S+|(?<=--source )\S+|(?<=--destination )\S+")
INTERFACE = re.compile(r" (?:-i|-o|--in-interface|--out-interface) \S+")
TARGET = re.compile(r"(?<=--to-source )[0-9.]+|(?<=--to-destination )[0-9.]+")
VERDICT = re.compile(r"(?<=-j )(ACCEPT|DROP)|(?<=--jump )(ACCEPT|DROP)")
# No first packet from outside tells: states, logs, the loopback, errors and neighbour discovery.
UNTOLD = re.compile("-[io] lo |--(in|out)-interface lo |ctstate|LOG|strange|--icmp-type (3|11|12|dest|time|param)|--icmpv6-type (?!128|echo-request)")


def each_matters():
    """Rules of which each matters: no packet of one is taken by another before it."""
    lines = ["*nat", ":PREROUTING ACCEPT [0:0]", ":POSTROUTING ACCEPT [0:0]"]
    lines += [f"-A PREROUTING -d 198.51.100.{n}/32 -j DNAT --to-destination 10.0.0.{n}" for n in range(10, 30)]
    lines += ["COMMIT", "*filter", ":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]"]
    lines += [f"-A FORWARD -s 192.0.2.{n}/32 -d 10.0.0.{n}/32 -j DROP" for n in range(10, 30)]
    lines += [f"-A FORWARD -d 10.0.0.{n}/32 -i eno1 -p {'tcp' if n % 3 else 'udp'} --dport {1000 + 10 * n} -j ACCEPT" for n in range(10, 30)]
    lines += [f"-A INPUT -s 203.0.113.{n}/32 -p tcp --dport {n} -j ACCEPT" for n in range(20, 30)]
    return lines + ["COMMIT"]


def of_the_estate(family):
    four, six = ESTATE.read_text().split("# ip6tables\n")
    return (six if family == 6 else four).splitlines()


class Change:
    """One line changed in one way; the kinds that were @tried least come first, until one fits."""

    KINDS = ["port", "prefix", "verdict", "missing", "order", "interface", "target"]

    def __init__(self, r, lines, tried):
        self.r, self.lines = r, list(lines)
        self.at = r.choice([i for i, line in enumerate(lines) if line.startswith("-A") and not UNTOLD.search(line)])
        self.before = self.lines[self.at]
        kinds = self.KINDS.copy()
        r.shuffle(kinds)
        kinds.sort(key=tried.__getitem__)
        self.kind = next(k for k in kinds if getattr(self, k)())
        tried[self.kind] += 1

    def put(self, line):
        self.lines[self.at] = line
        return line != self.before

    def port(self):
        return self.put(PORT.sub(lambda m: str(int(m[0]) + 1), self.before, count=1))

    def prefix(self):
        """An address more than one, or a network that is half as large or twice."""
        def other(m):
            net = ipaddress.ip_network(m[0])
            return str(net.supernet() if net.prefixlen == net.max_prefixlen or self.r.random() < 0.5 else next(net.subnets()))

        return self.put(NETWORK.sub(other, self.before, count=1))

    def verdict(self):
        return self.put(VERDICT.sub(lambda m: "DROP" if m[0] == "ACCEPT" else "ACCEPT", self.before))

    def missing(self):
        del self.lines[self.at]
        return True

    def order(self):
        """A line of a chain that decides in several ways: what lets pass comes first, what does not last. But not past what asks for
        states: that tells no first packet."""
        chain = self.before.split()[1]
        table = max(i for i in range(self.at) if self.lines[i].startswith("*"))
        places = [i for i, line in enumerate(self.lines) if line.startswith(f"-A {chain} ") and table < i < self.lines.index("COMMIT", table)]
        states = [i for i in places if "ctstate" in self.lines[i]]
        places = [i for i in places if not states or (i > states[-1] if self.at > states[-1] else i < states[0])]
        verdicts = {re.search(r"(?:-j|--jump) (\S+)", self.lines[i])[1] for i in places} - {"LOG"}
        to = places[0] if re.search("ACCEPT|MASQUERADE", self.before) else places[-1]
        if len(verdicts) < 2 or to == self.at:
            return False
        self.lines.insert(to, self.lines.pop(self.at))
        return True

    def interface(self):
        """Another one, or wherever."""
        def other(m):
            option, name = m[0].split()
            return "" if self.r.random() < 0.5 else f" {option} {self.r.choice([i for i in INTERFACES if i != name])}"

        return self.put(INTERFACE.sub(other, self.before, count=1))

    def target(self):
        return self.put(TARGET.sub(lambda m: str(ipaddress.ip_address(m[0]) + 1), self.before))

    def aimed(self):
        """Packets at the edges of what the line says, before and after."""
        for line in {self.before, self.lines[min(self.at, len(self.lines) - 1)]}:
            words = dict(re.findall(r"(-[sdpi]|--source|--destination|--protocol|--in-interface|--dports?) (\S+)", line))
            said = {name: words.get(short) or words.get(long) for name, short, long in (
                ("source", "-s", "--source"), ("to", "-d", "--destination"), ("protocol", "-p", "--protocol"),
                ("in", "-i", "--in-interface"), ("port", "--dport", "--dports"))}
            six = any(":" in (said[k] or "") for k in ("source", "to"))
            for source in edges(said["source"], "2001:db8:7::7" if six else "203.0.113.7"):
                for to in edges(said["to"], "2001:db8:616:162:2::17" if six else "10.0.0.17"):
                    port = int(re.match(r"\d*", said["port"] or "80")[0] or 80)
                    for near in {port, port + 1}:
                        yield said["in"] or packets.way_to(source), PROTOCOLS.get(said["protocol"], packets.TCP), source, 40000, to, near


def edges(net, otherwise):
    net = ipaddress.ip_network(net or otherwise)
    return {str(net[0]), str(net[-1])}


def end(text):
    """(address, port or 0) of "[2001:db8::7]:25", "192.0.2.7:25", "2001:db8::7"."""
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        return address, int(port[1:] or 0)
    address, _, port = text.partition(":") if text.count(":") == 1 else (text, "", "")
    return address, int(port or 0)


def ends(text):
    """(protocol, source, sport, to, dport) of a packet as infractl has it; of ICMP dport is the type, of others than we send None."""
    source, to = text.split(" > ")
    to, _, icmp = to.partition(" ")
    if icmp:
        protocol, kind = icmp.split(":")
        return PROTOCOLS[protocol], source, 0, to, int(kind)
    to, _, protocol = to.rpartition("/")
    return PROTOCOLS.get(protocol), *end(source), *end(to)


def begins(d):
    """Whether it is about first packets of connections, and not by the loopback. An example is one of these if any in the class is."""
    return d["comes_by"] != "lo" and ("new" in d["packets"] or not re.search("related|established|invalid|untracked", d["packets"]))


def parse(d):
    """The packet of a difference, for the routers; None where it is no packet that begins a connection."""
    protocol, source, sport, to, dport = ends(d["example"])
    interface = "host" if d["path"] == "from-host" else d["comes_by"]
    if d["if"] or not protocol or d["path"] == "switched" or interface not in (*packets.NEIGHBOURS, "host"):
        return None
    if protocol in ways.ICMPS:
        # Of a class of several types the example may be one that begins no connection.
        return interface, protocol, source, 0, to, dport if dport in ways.ECHOES else 128 if ":" in to else 8
    return interface, protocol, source, sport or 40000, to, dport


class Lead:
    """Routes of both routers for the packet of a difference: an example may go anywhere."""

    def __init__(self, routers, d, p):
        self.routers, self.added = routers, []
        own = packets.LOCAL + packets.LOCAL6
        after = [ends(d[side]["after"])[3] for side in ("a", "b")]
        if "fib daddr type 2" in d["packets"] and p[4] not in own:
            self.add(["local", p[4], "dev", "lo", "table", "local"])
        # What the host sends has a way before it is translated, too.
        for to in {*after, *([p[4]] if d["path"] == "from-host" else [])}:
            if d["path"] == "to-host" and to not in own:
                self.add(["local", to, "dev", "lo", "table", "local"])
            elif d["path"] != "to-host" and to not in own and d["leaves_by"] in {*packets.NEIGHBOURS} - {packets.way_to(to)}:
                n = packets.NEIGHBOURS[d["leaves_by"]]
                self.add([to, "via", f"fd00:{n}::2" if ":" in to else f"10.{n}.0.2", "dev", d["leaves_by"]])

    def add(self, words):
        if words not in self.added:
            self.added.append(words)

    def act(self, verb):
        for words in self.added:
            for path in self.routers:
                path.router.run("ip", "-6" if ":" in words[0] + words[1] else "-4", "route", verb, *words)

    def __enter__(self):
        self.act("replace")

    def __exit__(self, *_):
        self.act("del")


def sendable(p):
    source = ipaddress.ip_address(p[2])
    own = [ipaddress.ip_address(a) for a in packets.LOCAL + packets.LOCAL6]
    return p[0] == "host" or not (source in own or source.is_multicast or source.is_loopback or source.is_unspecified or source.is_link_local)


class Bench:
    """One file in the old router, changed in the new one."""

    def __init__(self, routers, place, name, lines, family):
        self.routers, self.lines, self.family = routers, lines, family
        self.one, self.other = place / f"{name}.v{family}", place / f"{name}-changed.v{family}"
        head = [f"# Generated by ip{'6' if family == 6 else ''}tables-save"]
        self.lines = head + lines
        self.one.write_text("\n".join(self.lines) + "\n")
        for path in routers:
            for six in ("", "6"):
                path.router.run(f"ip{six}tables-legacy-restore", input="".join(f"*{t}\nCOMMIT\n" for t in ("raw", "mangle", "nat", "filter")))
        self.load(0, self.one)

    def load(self, number, path):
        self.routers[number].router.run(f"ip{'6' if self.family == 6 else ''}tables-legacy-restore", path)

    def fare(self, sent):
        for path in self.routers:
            path.forget()
        return [path.observe(sent) for path in self.routers]

    def confirmed(self, differences):
        for d in differences:
            p = parse(d)
            if p and sendable(p):
                with Lead(self.routers, d, p):
                    before, after = self.fare([p])
                if before != after:
                    return True
        return False

    def change(self, r, tried):
        """The kind of a change that was found and confirmed; None where it changed nothing."""
        c = Change(r, self.lines, tried)
        self.other.write_text("\n".join(c.lines) + "\n")
        answer = json.loads(ways.run_infractl("--json", "firewall", "equal", self.one, self.other, codes=(0, 1)))
        what = f"{self.one}: {c.kind}: {c.before}"
        self.load(1, self.other)
        differences = [d for d in answer["differences"] if begins(d)]
        if not differences:
            sent = [(*p[:3], 30000 + n, *p[4:]) for n, p in enumerate(c.aimed()) if sendable(p)]
            before, after = self.fare(sent)
            assert before == after, f"{what}: said to change nothing for them, but {[(p, b, a) for p, b, a in zip(sent, before, after, strict=True) if a != b]}"
            return None
        shown = [{k: v for k, v in d.items() if isinstance(v, str)} for d in differences[:20]]
        assert self.confirmed(differences), f"{what}: no packet differs in the kernel: {json.dumps(shown, indent=1)}"
        return c.kind


@pytest.fixture(scope="module")
def routers():
    both = packets.Path(), packets.Path()
    yield both
    for p in both:
        p.close()


def benches(routers, place):
    """Each with how many changes of it are to be found."""
    yield Bench(routers, place, "each", each_matters(), 4), 50
    yield Bench(routers, place, "estate", of_the_estate(4), 4), 50
    yield Bench(routers, place, "estate", of_the_estate(6), 6), 30
    texts = ((seed, family, Oracle(Generator(1000 + seed), family).text()) for seed, family in zip(range(40), (4, 4, 6) * 14))
    for seed, family, text in [t for t in texts if "REDIRECT" not in t[2]][:14]:  # what that does to addresses only the kernel knows
        yield Bench(routers, place, f"generated{seed}", text.splitlines()[1:], family), 5


@pytest.mark.limit(900)
def test_single_changes_are_found_and_the_kernel_agrees(routers, tmp_path):
    r, tried, found, nothing = random.Random(1), collections.Counter(), collections.Counter(), collections.Counter()
    for bench, wanted in benches(routers, tmp_path):
        for _ in range(wanted * TIMES):
            while not (kind := bench.change(r, tried)):
                nothing[bench.one.name] += 1
                assert nothing[bench.one.name] < 10 * wanted * TIMES
            found[kind] += 1
            found[bench.family] += 1
    print(f"found: {dict(found)}; changed nothing: {dict(nothing)}")
    assert sum(found[k] for k in Change.KINDS) >= 200 and min(found[k] for k in Change.KINDS) >= 10 and found[6] >= 40, found
