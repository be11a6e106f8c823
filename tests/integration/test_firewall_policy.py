# SPDX-License-Identifier: GPL-2.0-or-later
"""What firewall.yaml, limits, translations and bans do to packets in the kernel."""

import json
import shutil
import subprocess

import pytest

import infrahost
import packets

INFRACTL = infrahost.BUILD / "infractl" / "infractl"
TOOL = infrahost.BUILD / "tests" / "integration" / "firewall-tool"
PROFILES = infrahost.SOURCE / "policies" / "profiles"
TCP, UDP, ICMP = packets.TCP, packets.UDP, packets.ICMP

FILES = {
    "host.yaml": """\
host: gate
release: bookworm
bridge: { name: br0, ipv4: 10.0.0.1/24 }
storage: { backend: dir, path: /var/lib/infra }
services:
  - { port: 22/tcp, from: any, limit: 2/hour burst 2, probe: none }
connects:
  - { to: internet, port: 123/udp }
  - { to: 203.0.113.9, port: 514/udp }
""",
    "zones.yaml": """\
zones:
  internet: { interface: eno1, translate: 198.51.100.99 }
  friends: { members: [203.0.113.64/26, 198.51.100.7] }
  office: { interface: eno2, translate: 172.16.2.1, networks: [172.16.2.0/24], members: [friends, lan, web] }
  lan: { interface: br0 }
""",
    "firewall.yaml": """\
counters: true
icmp-limit: 2/hour burst 3
sets:
  bad: { addresses: [192.0.2.0/25, 192.0.2.200] }
chains:
  inner:
    - ip saddr 203.0.113.50 drop
    - return
rules:
  raw-prerouting:
    - iifname "eno1" ip saddr @bad drop
  forward:
    - ip daddr mail tcp dport { 25, 26 } jump inner
    - ip saddr web meta mark set 0x7
  forward-last:
    - meta mark 0x7 udp dport 9999 accept
  nat-prerouting:
    - ip daddr 198.51.100.88 tcp dport 2525 dnat to 10.0.0.19:25
""",
    "containers/mail.yaml": """\
container: mail
release: bookworm
addresses: { internal: 10.0.0.19, internet: 198.51.100.231 }
services:
  - { port: 25/tcp, from: any, probe: none }
  - { port: 587/tcp, from: any, limit: 3/hour burst 3, probe: none }
  - { port: 993/tcp, from: friends, probe: none }
  - { port: 995/tcp, from: office, probe: none }
connects:
  - { to: internet, port: 25/tcp }
  - { to: office, port: 389/tcp }
""",
    "containers/web.yaml": """\
container: web
release: bookworm
addresses: { internal: 10.0.0.26 }
services:
  - { port: 60000-60003/udp, from: internet, public-port: 61000, probe: none }
connects:
  - { to: internet, port: 443/tcp }
""",
}


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    place = tmp_path_factory.mktemp("policy")
    (place / "containers").mkdir()
    for name, text in FILES.items():
        (place / name).write_text(text)
    return place


@pytest.fixture
def path(policy):
    p = packets.Path()
    p.router.run(TOOL, "load", policy, PROFILES)
    yield p
    p.close()


def infractl(path, policy, *words):
    done = subprocess.run(["nsenter", f"--net={path.router.path}", INFRACTL, "--local", "--json", f"--policy={policy}", f"--profiles={PROFILES}",
                           f"--state={policy}/state", "firewall", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def through(path, *sent):
    """Where each came out, with both addresses and the port it goes to."""
    return [a and (a[0], a[1], a[3], a[4]) for a in path.observe(list(sent))]


def ask(source, to, port, protocol=TCP, sport=40000, interface="eno1"):
    return interface, protocol, source, sport, to, port


def test_members_of_a_zone(path):
    assert through(path, ask("203.0.113.65", "198.51.100.231", 993), ask("198.51.100.7", "198.51.100.231", 993), ask("203.0.113.1", "198.51.100.231", 993)) == [
        ("br0", "203.0.113.65", "10.0.0.19", 993), ("br0", "198.51.100.7", "10.0.0.19", 993), None]


def test_members_at_an_interface(path):
    """Of a zone with an interface is only what comes in or leaves there, however its addresses are given."""
    assert through(path, ask("172.16.2.5", "10.0.0.19", 995, interface="eno2"), ask("203.0.113.65", "10.0.0.19", 995, interface="eno2"),
                   ask("198.51.100.7", "10.0.0.19", 995, interface="eno2"), ask("203.0.113.1", "10.0.0.19", 995, interface="eno2")) == [
        ("br0", "172.16.2.5", "10.0.0.19", 995), ("br0", "203.0.113.65", "10.0.0.19", 995), ("br0", "198.51.100.7", "10.0.0.19", 995), None]
    assert through(path, ask("203.0.113.65", "198.51.100.231", 995), ask("172.16.2.5", "198.51.100.231", 995),
                   ask("10.0.0.26", "198.51.100.231", 995, interface="br0"), ask("10.0.0.99", "198.51.100.231", 995, interface="br0")) == [None] * 4
    path.router.run("ip", "route", "add", "203.0.113.64/26", "via", "10.253.0.2")
    assert through(path, ask("10.0.0.19", "203.0.113.65", 389, interface="br0"), ask("10.0.0.19", "198.51.100.7", 389, interface="br0")) == [
        ("eno2", "172.16.2.1", "203.0.113.65", 389), None]


def test_limit_of_each_source(path):
    one = [ask("203.0.113.7", "198.51.100.231", 587, sport=40000 + n) for n in range(6)]
    other = [ask("203.0.113.8", "198.51.100.231", 587, sport=40000 + n) for n in range(2)]
    unlimited = [ask("203.0.113.7", "198.51.100.231", 25, sport=40000 + n) for n in range(6)]
    seen = through(path, *one, *other, *unlimited)
    assert [bool(a) for a in seen] == [True] * 3 + [False] * 3 + [True] * 2 + [True] * 6
    host = through(path, *(ask("203.0.113.7", "198.51.100.1", 22, sport=41000 + n) for n in range(4)))
    assert [bool(a) for a in host] == [True, True, False, False]


def test_echo_is_limited_and_errors_are_not_asked_for(path):
    seen = through(path, *(ask(f"203.0.113.{n}", "198.51.100.1", 8, ICMP, 0) for n in range(6)))
    assert [bool(a) for a in seen] == [True] * 3 + [False] * 3


def test_nobody_lies_about_where_he_comes_from(path):
    assert through(path, ask("10.0.0.26", "198.51.100.231", 25), ask("203.0.113.7", "198.51.100.231", 25),
                   ask("203.0.113.7", "203.0.113.9", 25, interface="br0"), ask("10.0.0.19", "203.0.113.9", 25, interface="br0")) == [
        None, ("br0", "203.0.113.7", "10.0.0.19", 25), None, ("eno1", "198.51.100.231", "203.0.113.9", 25)]


def test_source_of_those_without_their_own(path):
    assert through(path, ask("10.0.0.26", "203.0.113.9", 443, interface="br0")) == [("eno1", "198.51.100.99", "203.0.113.9", 443)]


def test_ports_of_a_range(path):
    assert through(path, *(ask("203.0.113.7", "198.51.100.1", 61000 + n, UDP) for n in range(5))) == [
        ("br0", "203.0.113.7", "10.0.0.26", 60000 + n) for n in range(4)] + [None]


def test_rules_chains_and_sets(path):
    assert through(path, ask("192.0.2.5", "198.51.100.231", 25), ask("192.0.2.200", "198.51.100.231", 25), ask("192.0.2.201", "198.51.100.231", 25),
                   ask("203.0.113.50", "198.51.100.231", 25), ask("203.0.113.50", "198.51.100.231", 587), ask("203.0.113.7", "198.51.100.88", 2525),
                   ask("10.0.0.26", "203.0.113.9", 9999, UDP, interface="br0"), ask("10.0.0.19", "203.0.113.9", 9999, UDP, interface="br0")) == [
        None, None, ("br0", "192.0.2.201", "10.0.0.19", 25), None, ("br0", "203.0.113.50", "10.0.0.19", 587), ("br0", "203.0.113.7", "10.0.0.19", 25),
        ("eno1", "198.51.100.99", "203.0.113.9", 9999), None]


def test_what_the_host_may_open(path):
    seen = through(path, *(ask("198.51.100.1", to, port, UDP, interface="host") for to, port in (
        ("203.0.113.9", 123), ("203.0.113.9", 514), ("203.0.113.9", 515), ("203.0.113.10", 514), ("10.0.0.19", 4000))))
    assert [bool(a) for a in seen] == [True, True, False, False, True]


def test_a_host_that_may_open_nothing(path, policy, tmp_path):
    """An empty list is a list."""
    shutil.copytree(policy, tmp_path / "silent")
    host = tmp_path / "silent" / "host.yaml"
    host.write_text(host.read_text().split("connects:")[0] + "connects: []\n")
    path.router.run(TOOL, "load", tmp_path / "silent", PROFILES)
    assert through(path, ask("198.51.100.1", "203.0.113.9", 123, UDP, interface="host"), ask("198.51.100.1", "203.0.113.9", 8, ICMP, 0, "host"),
                   ask("198.51.100.1", "10.0.0.19", 25, interface="host")) == [
        None, ("eno1", "198.51.100.1", "203.0.113.9", 8), ("br0", "198.51.100.1", "10.0.0.19", 25)]


def test_a_ban_begins_at_once_and_ends(path, policy):
    first, second = ask("203.0.113.7", "198.51.100.231", 25), ask("203.0.113.8", "198.51.100.231", 25, sport=40001)
    assert all(through(path, first, second))
    infractl(path, policy, "ban", "203.0.113.7", "--for", "1h", "--zone", "internet")
    # The same connection, too: it is known to connection tracking, and was accepted before.
    assert through(path, first, second) == [None, ("br0", "203.0.113.8", "10.0.0.19", 25)]
    path.router.run(TOOL, "load", policy, PROFILES)
    assert through(path, first) == [None]
    assert infractl(path, policy, "unban", "203.0.113.7", "--zone", "internet") == {"bans": []}
    assert all(through(path, first))


def test_openings_are_counted(path, policy):
    through(path, *(ask("203.0.113.7", "198.51.100.231", 25, sport=40000 + n) for n in range(7)))
    text = infractl(path, policy, "show")["text"]
    assert "10.0.0.19 . tcp . 25 counter packets 7 bytes " in text
    path.router.run(TOOL, "load", policy, PROFILES)
    assert "10.0.0.19 . tcp . 25 counter packets 7 bytes " in infractl(path, policy, "show")["text"]
    assert infractl(path, policy, "diff") == {"diff": ""}
