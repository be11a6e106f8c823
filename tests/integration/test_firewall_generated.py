# SPDX-License-Identifier: GPL-2.0-or-later
"""Random policies, and rules for iptables that mean the same, written from the manual (policy_oracle.py): `firewall equal`
says so over all packets, and packets at their edges fare the same in the kernel with either, and as `explain` says. Answers
and errors come back translated, and what belongs to no connection fares alike. INFRA_LONG=1: ten times as many.
"""

import collections
import os

import pytest

import packets
import ways
from policy_generator import Generator
from policy_oracle import Oracle

LONG = bool(os.environ.get("INFRA_LONG"))
SETS, PER_SET, STRAYS, EXPLAINED = 200 if LONG else 20, 60, 15, 3
REDIRECTED = "198.51.100.250"  # to an address of the router that only the kernel chooses


@pytest.fixture(scope="module")
def routers():
    both = packets.Path(), packets.Path()
    yield both
    for p in both:
        p.close()


def assert_same(seen, sent, what):
    for n, p in enumerate(sent):
        answers = {name: a[n] for name, a in seen.items()}
        if p and p[4] == REDIRECTED:
            answers = {name: a and (*a[:3], a[4]) for name, a in answers.items()}
        assert len(set(answers.values())) == 1, f"{what}: {p}: {answers}"


class World:
    """One generated policy: its files, the same rules by hand, and both loaded."""

    def __init__(self, seed, place, routers):
        self.old, self.new = routers
        self.g, self.policy = Generator(seed), place / "policy"
        self.g.write(self.policy)
        texts = [Oracle(self.g, family).text() for family in (4, 6)]
        (place / "by-hand.v4").write_text(texts[0])
        (place / "by-hand.v6").write_text(texts[1])
        self.by_hand = f"{place}/by-hand.v4+{place}/by-hand.v6"
        self.what = f"seed {seed}, {place}"
        for path in routers:
            path.forget()
        ways.load_old(self.old, *texts)
        ways.load_new(self.new, self.policy)

    def same_over_all_packets(self):
        """Redirections, too: which address the kernel takes is open, but the same in both."""
        said = ways.run_infractl("firewall", "equal", self.by_hand, self.policy)
        assert said.startswith("equal: "), f"{self.what}: {said}"

    def fare(self, sent, state="", answer=False):
        """Of each packet what became of it, the same by all ways."""
        seen = {"by hand": self.old.observe(sent, answer), "ours": self.new.observe(sent, answer),
                "trace by hand": ways.trace(self.by_hand, sent, state), "trace of ours": ways.trace(self.policy, sent, state)}
        assert_same(seen, sent, self.what)
        return seen["ours"]

    def answers(self, sent, fared):
        """Answers to all that came out. How many came back."""
        pairs = [ways.answer_to(p, a) for p, a in zip(sent, fared, strict=True)]
        answers = [a for a, _ in pairs]
        seen = {"by hand": self.old.observe(answers, True), "ours": self.new.observe(answers, True)}
        if not self.g.only_rules:
            seen["expected"] = self.expected(seen["by hand"], pairs)
        assert_same(seen, answers, f"{self.what}, answer")
        # Of what was not translated the trace is told that it is an answer.
        plain = [(n, a) for n, (a, p) in enumerate(zip(answers, sent, strict=True)) if a and p[0] != "host" and (a[4], a[2]) == (p[2], p[4])]
        for source in (self.by_hand, self.policy):
            traced = ways.trace(source, [a for _, a in plain], "established")
            assert_same({"ours": [seen["ours"][n] for n, _ in plain], f"trace of {source}": traced}, [a for _, a in plain], f"{self.what}, answer")
        return sum(a is not None for a in seen["ours"])

    def errors(self, sent, fared):
        """That a packet is too big is told to who sent it, about the packet that he sent."""
        pairs = [ways.error_about(p, a) for p, a in zip(sent, fared, strict=True)]
        seen = {"by hand": self.old.observe_errors([e for e, _ in pairs]), "ours": self.new.observe_errors([e for e, _ in pairs])}
        if not self.g.only_rules:
            seen["expected"] = self.expected(seen["by hand"], pairs)
        assert_same(seen, sent, f"{self.what}, error")
        return sum(a is not None for a in seen["ours"])

    def expected(self, by_hand, pairs):
        """Answers pass, but from whom a rule refuses before it is known that they are answers."""
        refused = "raw-prerouting" in self.g.firewall.get("rules", {})
        return [old if sent and sent[0] == "eno1" and refused else wanted for old, (sent, wanted) in zip(by_hand, pairs, strict=True)]

    def explained(self, sent, fared):
        """Some packets, and `infractl firewall explain` of what the kernel has, and of the policy."""
        chosen = [(p, a) for p, a in zip(sent, fared, strict=True) if p[4] != REDIRECTED]
        for p, a in sorted(chosen, key=lambda pair: pair[1] is None)[:2] + chosen[:EXPLAINED - 2]:
            wanted = a and (a[0], ways.packet_text(p[1], *a[1:]))
            said = ways.explain("kernel", self.policy, p, self.new.router)
            assert said == wanted, f"{self.what}: explained in the kernel: {p}: {said}, not {wanted}"
            # A policy knows of the host's own addresses only that of the bridge.
            if a and a[0] != "host" and p[0] != "host" and p[4] not in set(packets.LOCAL + packets.LOCAL6) - {"10.0.0.1", "2001:db8:616:162:2::1"}:
                said = ways.explain(self.policy, self.policy, p, to=a[0])
                assert said == wanted, f"{self.what}: explained by policy: {p}: {said}, not {wanted}"


def kinds(sent, fared):
    """What a generated set is good for: which things happened."""
    for p, a in zip(sent, fared, strict=True):
        yield "IPv6" if ":" in p[2] else "IPv4"
        if not a:
            yield "dropped"
            continue
        yield "accepted IPv6" if ":" in p[2] else "accepted IPv4"
        if a[0] == "host":
            yield "to the host"
        elif p[0] == "host":
            yield "from the host, translated" if a[3] != p[4] else "from the host"
        elif p[0] == a[0] == "br0":
            yield "hairpin"
        if a[3] != p[4] and p[0] != "host":
            yield "destination and port translated" if a[4] != p[5] else "destination translated"
        if a[1] != p[2]:
            yield "masqueraded" if a[1] in packets.OWN.values() else "source translated"


@pytest.mark.limit(900)
def test_generated_policies_fare_as_written_by_hand(routers, tmp_path):
    told, happened = 0, collections.Counter()
    for seed in range(SETS):
        w = World(seed, tmp_path / str(seed), routers)
        w.same_over_all_packets()
        sent = w.g.packets(PER_SET)
        fared = w.fare(sent)
        happened.update(kinds(sent, fared))
        happened["errors"] += w.errors(sent, fared)
        happened["answers"] += w.answers(sent, fared)
        w.explained(sent, fared)
        strays = w.g.strays(STRAYS)
        happened["strays that passed"] += sum(a is not None for a in w.fare(strays, "invalid", True))
        told += len(sent)
    print(f"{SETS} rule sets, {told} packets: {dict(happened)}")
    assert SETS >= (200 if LONG else 20) and told >= (10000 if LONG else 1000)
    wanted = {"IPv4", "IPv6", "accepted IPv4", "accepted IPv6", "dropped", "to the host", "from the host", "from the host, translated", "hairpin",
              "destination translated", "destination and port translated", "masqueraded", "source translated", "errors", "answers", "strays that passed"}
    assert wanted <= set(happened), wanted - set(happened)
