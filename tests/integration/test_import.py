# SPDX-License-Identifier: GPL-2.0-or-later
"""Old rules imported with the real infractl, and proven equal. Needs no root."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("INFRA_BUILD", SOURCE / "build"))
ESTATE = SOURCE / "tests/golden/ferm/infra02/ferm.conf"
RECORDED = SOURCE / "tests/golden/ferm/infra02.rules"
EQUAL, DIFFERENT, POLICY, UNDECIDED = 0, 1, 3, 10

RULES = """\
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -d 198.51.100.231/32 -j DNAT --to-destination 10.0.0.17
-A POSTROUTING -s 10.0.0.17/32 -o eno1 -j SNAT --to-source 198.51.100.231
-A POSTROUTING -s 10.0.0.0/24 -o eno1 -j MASQUERADE
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -s 203.0.113.12/32 -p tcp -m tcp --dport 22 -m limit --limit 6/min -j ACCEPT
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -d 10.0.0.17/32 -p tcp -m tcp --dport 25 -j ACCEPT
-A FORWARD -d 10.0.0.17/32 -i eno2 -o br0 -p tcp -m tcp --dport 587 -j ACCEPT
-A FORWARD -s 10.0.0.17/32 -o eno1 -p tcp -m multiport --dports 25,80,443 -j ACCEPT
-A FORWARD -j LOG --log-prefix "it's dropped: "
COMMIT
"""


def infractl(*words):
    return subprocess.run([BUILD / "infractl" / "infractl", f"--profiles={SOURCE}/policies/profiles", *map(str, words)],
                          capture_output=True, text=True, timeout=120, check=False)


def imported(tmp_path, kind, path, *more):
    done = infractl("--json", "import", kind, path, "--into", tmp_path / "policy", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def save(tmp_path, text=RULES, name="rules.v4"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_shapes_become_containers(tmp_path):
    answer = imported(tmp_path, "iptables", save(tmp_path))
    assert answer["equal"] and answer["recognised"]
    assert "containers/c-10-0-0-17.yaml" in answer["files"]
    assert "10.0.0.1/24 is reached by br0 alone" in answer["assumed"]
    container = (tmp_path / "policy/containers/c-10-0-0-17.yaml").read_text()
    assert "internet: 198.51.100.231" in container
    assert "{ port: 25/tcp, from: [any] }" in container and "{ port: 587/tcp, from: [at-eno2] }" in container
    rules = (tmp_path / "policy/firewall.yaml").read_text()
    assert "it''s dropped: " in rules and "--dport" not in rules
    assert infractl("--policy", tmp_path / "policy", "check").returncode == 0


def test_all_of_it_as_rules_is_the_same_file(tmp_path):
    old = save(tmp_path)
    answer = imported(tmp_path, "iptables", old, "--only-rules")
    assert answer["equal"] and not answer["recognised"]
    done = infractl("firewall", "equal", old, tmp_path / "policy")
    assert done.returncode == EQUAL, done.stdout


@pytest.mark.parametrize("old, new", [
    ("--dport 25 -j", "--dport 26 -j"), ("10.0.0.17/32 -p tcp -m tcp --dport 25", "10.0.0.16/31 -p tcp -m tcp --dport 25"),
    ("INVALID -j DROP", "INVALID -j ACCEPT"), (":FORWARD DROP", ":FORWARD ACCEPT"), ("-A INPUT -i lo -j ACCEPT\n", ""),
    ("--to-source 198.51.100.231", "--to-source 198.51.100.232"), ("-i eno2 ", ""), ("25,80,443", "25,443"),
])
def test_one_change_is_found(tmp_path, old, new):
    one, other = save(tmp_path), save(tmp_path, RULES.replace(old, new, 1), "other.v4")
    done = infractl("--json", "firewall", "equal", one, other)
    assert done.returncode == DIFFERENT, done.stdout + done.stderr
    for d in json.loads(done.stdout)["differences"]:
        assert d["a_says"] != d["b_says"] and d["example"]


def test_the_estate_of_ferm(tmp_path):
    answer = imported(tmp_path, "ferm", ESTATE)
    assert answer["equal"] and answer["recognised"]
    assert sum(f.startswith("containers/") for f in answer["files"]) >= 20


def test_the_estate_is_what_ferm_makes_of_it(tmp_path):
    """Against ferm's own output, recorded, and where ferm is installed made now."""
    imported(tmp_path, "ferm", ESTATE, "--only-rules")
    assert infractl("firewall", "equal", RECORDED, tmp_path / "policy").returncode == EQUAL
    if shutil.which("ferm"):
        lines = subprocess.run(["ferm", "--noexec", "--lines", ESTATE], capture_output=True, text=True, check=True).stdout
        made = save(tmp_path, lines.replace("ip6tables-restore", "#").replace("iptables-restore", "#"), "made.rules")
        assert infractl("firewall", "equal", made, tmp_path / "policy").returncode == EQUAL


def test_what_cannot_be_expressed_is_an_error_with_its_line(tmp_path):
    text = RULES.replace("-A FORWARD -j LOG", '-A FORWARD -m string --string "x" --algo bm -j DROP\n-A FORWARD -j LOG')
    done = infractl("import", "iptables", save(tmp_path, text), "--into", tmp_path / "policy")
    assert done.returncode == POLICY
    assert f"rules.v4:{text[:text.index('-m string')].count(chr(10)) + 1}:" in done.stderr and "string" in done.stderr
    assert not (tmp_path / "policy").exists()
    # Compared, it is not taken for something else.
    assert infractl("firewall", "equal", tmp_path / "rules.v4", tmp_path / "rules.v4").returncode == UNDECIDED


def test_a_policy_in_the_way_stays(tmp_path):
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy/host.yaml").write_text("mine")
    done = infractl("import", "iptables", save(tmp_path), "--into", tmp_path / "policy")
    assert done.returncode != 0 and "in the way" in done.stderr
    assert (tmp_path / "policy/host.yaml").read_text() == "mine" and len(list(tmp_path.iterdir())) == 2


def test_explained_by_lines_of_the_file(tmp_path):
    done = infractl("--json", "firewall", "explain", "203.0.113.7 > 198.51.100.231:25/tcp", "--in", save(tmp_path), "--from", "eno1", "--to", "br0")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["verdict"] == "accept" and answer["after"].endswith("> 10.0.0.17:25/tcp")
    assert [s["where"].rsplit(":", 1)[1] for s in answer["steps"] if "rules.v4" in s["where"]][-1] == str(RULES.split("--dport 25")[0].count("\n") + 1)
    done = infractl("--json", "firewall", "explain", "203.0.113.7 > 198.51.100.231:26/tcp", "--in", tmp_path / "rules.v4", "--from", "eno1", "--to", "br0")
    assert done.returncode == 1 and json.loads(done.stdout)["verdict"] == "drop"


RULES6 = """\
# Generated by ip6tables-save v1.8.9
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -m hl --hl-eq 255 -j ACCEPT
-A FORWARD ! -s 2001:db8::/64 -i br0 -j REJECT --reject-with icmp6-adm-prohibited
-A FORWARD -m iprange --src-range 2001:db8::10-2001:db8::20 -j DROP
-A FORWARD -d 2001:db8::17/128 -p tcp -m multiport --dports 25,465,587 -j ACCEPT
-A FORWARD -p tcp -j REJECT --reject-with tcp-reset
COMMIT
"""


@pytest.mark.parametrize("packet, interface, verdict, rule", [
    ("[2001:db8:7::7]:40000 > [2001:db8::17]:587/tcp", "eno1", "accept", "th dport"),
    ("[2001:db8:7::7]:40000 > [2001:db8::17]:588/tcp", "eno1", "reject", "tcp reset"),
    ("[2001:db8::15]:40000 > [2001:db8::17]:25/tcp", "eno1", "drop", "2001:db8::10-2001:db8::20"),
    ("[2001:db8:7::7]:40000 > [2001:db8::17]:25/tcp", "br0", "reject", "icmpv6 type admin-prohibited"),
    ("[2001:db8:7::7]:40000 > [2001:db8::17]:25/udp", "eno1", "drop", "policy"),
])
def test_ipv6(tmp_path, packet, interface, verdict, rule):
    """As ip6tables has it, in the file and in the policy made of both families."""
    six, four = save(tmp_path, RULES6, "rules.v6"), save(tmp_path)
    done = infractl("--json", "import", "iptables", four, six, "--only-rules", "--into", tmp_path / "policy")
    assert done.returncode == 0 and json.loads(done.stdout)["equal"], done.stderr
    assert infractl("firewall", "equal", f"{four}+{six}", tmp_path / "policy").returncode == EQUAL
    for source in (six, tmp_path / "policy"):
        done = infractl("--json", "firewall", "explain", packet, "--in", source, "--from", interface, "--to", "br0")
        answer = json.loads(done.stdout)
        assert answer["verdict"] == verdict, answer
        assert any(rule in s["rule"] or rule in s["says"] for s in answer["steps"]), answer
