# SPDX-License-Identifier: GPL-2.0-or-later
"""infractl firewall explain and matrix on the policies of policies/examples. Needs no root and touches nothing of the machine."""

import contextlib
import json
import os
import pathlib
import pty
import shutil
import subprocess
import termios
import xml.dom.minidom

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("INFRA_BUILD", SOURCE / "build"))
INFRACTL = BUILD / "infractl" / "infractl"
EXAMPLES = SOURCE / "policies" / "examples"
PROFILES = SOURCE / "policies" / "profiles"


def infractl(*words, example="infra02"):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INFRA_")}
    return subprocess.run([INFRACTL, "--policy", EXAMPLES / example, "--profiles", PROFILES, "firewall", *words],
                          capture_output=True, text=True, env={**environment, "LC_ALL": "C.UTF-8"}, timeout=60)


def explain(*words, example="infra02"):
    done = infractl("explain", "--json", *words, example=example)
    assert done.returncode in (0, 1), done.stderr
    answer = json.loads(done.stdout)
    assert (answer["verdict"] == "accept") == (done.returncode == 0)
    return answer


def test_public_address():
    answer = explain("192.0.2.7 > 198.51.100.231:443/tcp")
    assert answer["verdict"] == "accept" and answer["path"] == "through"
    assert answer["nat"] == ["dnat to 10.0.0.17:443/tcp"]
    assert answer["comes_by"] == "eno1" and answer["leaves_by"] == "br0"
    assert answer["steps"][-2]["where"].startswith("containers/lists.yaml:")
    assert answer["unknown"] == ""


def test_names_and_people():
    done = infractl("explain", "any", "to", "lists:443/tcp")
    assert done.returncode == 0
    assert done.stdout.startswith("accept: ")
    assert "dnat to 10.0.0.17:443" in done.stdout
    assert "containers/lists.yaml:12" in done.stdout


@pytest.mark.parametrize("packet, verdict, path", [
    ("any > lists:3306/tcp", "drop", "through"),
    ("monitor > lists:5666/tcp", "accept", "switched"),
    ("blog > lists:4433/tcp", "drop", "switched"),
    ("lists > internet:25/tcp", "accept", "through"),
    ("any > host:22/tcp", "accept", "to-host"),
    ("any > host:23/tcp", "drop", "to-host"),
    ("any > host icmp:8", "accept", "to-host"),
    ("host > lists:22/tcp", "accept", "from-host"),
])
def test_verdicts(packet, verdict, path):
    answer = explain(packet)
    assert (answer["verdict"], answer["path"]) == (verdict, path), answer


def test_source_translation():
    answer = explain("lists > internet:25/tcp")
    assert answer["nat"][0].startswith("snat to 198.51.100.231:")
    assert answer["after"].startswith("198.51.100.231:")


def test_ipv6():
    answer = explain("2001:db8:ffff::7 > emailout:25/tcp", example="demo")
    assert answer["verdict"] == "accept" and answer["nat"] == []
    assert answer["after"].endswith("[2001:db8:616:162:2::239]:25/tcp")


def test_public_port_and_redirection():
    answer = explain("any > webstatic:80/tcp", example="demo")
    assert answer["verdict"] == "accept"
    assert answer["nat"] == ["dnat to 10.0.0.116:80/tcp"]
    assert ":18080/tcp" in answer["packet"]


def test_own_rules_and_limits():
    assert explain("192.168.3.4 > mailer:25/tcp", "--from", "internet", example="complete")["verdict"] == "drop"
    limited = explain("any > mailer:25/tcp", example="complete")
    assert limited["verdict"] == "accept"
    assert any("there is room" in line for line in limited["assumed"])


def test_state_and_interface():
    assert explain("any > lists:3306/tcp", "--connection", "established")["verdict"] == "accept"
    assert explain("any > lists:443/tcp", "--connection", "invalid")["verdict"] == "drop"
    assert explain("192.0.2.7 > lists:443/tcp", "--from", "intranet")["comes_by"] == "eno2"


def test_the_way_out_that_is_said():
    """Routes are more than a policy knows."""
    assert explain("lists > 203.0.113.9:25/tcp")["leaves_by"] == "eno1"
    answer = explain("lists > 203.0.113.9:25/tcp", "--to", "intranet")
    assert answer["leaves_by"] == "eno2" and answer["verdict"] == "drop", answer
    assert explain("host > 203.0.113.9:25/tcp", "--to", "eno2")["leaves_by"] == "eno2"


def test_an_established_connection_is_translated():
    """The kernel translates every packet as the first one of its connection was; its nat chains are not asked again."""
    answer = explain("192.0.2.7 > 198.51.100.231:443/tcp", "--connection", "established")
    assert (answer["verdict"], answer["after"]) == ("accept", "192.0.2.7:40000 > 10.0.0.17:443/tcp")
    assert answer["leaves_by"] == "br0" and answer["nat"] == ["dnat to 10.0.0.17:443/tcp"]
    assert any("were it the first" in line for line in answer["assumed"])
    answer = explain("10.0.0.17:443 > 192.0.2.7:50000/tcp", "--connection", "established")
    assert answer["after"] == "198.51.100.231:443 > 192.0.2.7:50000/tcp"


def test_an_interface_is_said():
    answer = explain("any > 203.0.113.99:443/tcp", "--to", "tun7")
    assert answer["leaves_by"] == "tun7" and answer["path"] == "through"
    assert any("tun7 is no zone" in line for line in answer["assumed"])
    assert explain("lists > internet:25/tcp", "--to", "intranet")["leaves_by"] == "eno2"
    assert any("tun8 is no zone" in line for line in explain("any > lists:443/tcp", "--from", "tun8")["assumed"])
    done = infractl("explain", "any > lists:443/tcp", "--from", "intrant")
    assert done.returncode == 2 and "did you mean 'intranet'" in done.stderr


def test_loopback():
    assert explain("127.0.0.1 > 127.0.0.1:25/tcp")["path"] == "from-host"


@pytest.mark.parametrize("words", [
    ["192.0.2.7", "->", "198.51.100.231:25/tcp"],
    ["192.0.2.7->198.51.100.231:25/tcp"],
    ["192.0.2.7 \u2192 198.51.100.231:25/tcp"],
    ["192.0.2.7 > 198.51.100.231:25/TCP"],
    ["192.0.2.7 > 198.51.100.231:smtp/tcp"],
    ["192.0.2.7", "to", "198.51.100.231", "25/tcp"],
    ["192.0.2.7", "to", "198.51.100.231", "tcp/25"],
    ["192.0.2.7", "to", "198.51.100.231", "tcp:25"],
    ["192.0.2.7", "to", "198.51.100.231", "tcp", "25"],
    ["192.0.2.7", "to", "198.51.100.231/tcp", "smtp"],
    ["192.0.2.7", "to", "198.51.100.231:25", "tcp"],
])
def test_every_way_to_say_it(words):
    assert explain(*words)["packet"] == "192.0.2.7:40000 > 198.51.100.231:25/tcp"


@pytest.mark.parametrize("words, packet", [
    ("192.0.2.7 > lists ping", "icmp:8"),
    ("192.0.2.7 > lists icmp:echo-request", "icmp:8"),
    ("192.0.2.7 > lists icmp:time-exceeded", "icmp:11"),
    ("2001:db8::7 > 2001:db8::8 icmp", "icmpv6:128"),
    ("2001:db8::7 > 2001:db8::8 icmp6:packet-too-big", "icmpv6:2"),
])
def test_icmp(words, packet):
    assert explain(words)["packet"].endswith(" " + packet)


@pytest.mark.parametrize("packet, column, says", [
    ("any", 4, "a shell takes > for itself"),
    ("any > lists", 12, "which protocol?"),
    ("any > lists/tcp", 7, "which port?"),
    ("any > 10.0.0.0/24:25/tcp", 7, "is a network"),
    ("10.0.0.0/24 > lists:25/tcp", 1, "is a network"),
    ("any > lists:25/tcp 26", 20, "second protocol"),
    ("any > lists icmp:neighbour-solicitation", 18, "no type"),
    ("any > lists:70000/tcp", 13, "no port"),
    ("any > lits:25/tcp", 7, "did you mean 'lists'"),
    ("any lists:25/tcp", 5, "expected"),
    ("any > lists:25", 7, "needs its protocol"),
    ("any > lists:25/tpc", 16, "no protocol"),
    ("192.0.2.7 > 2001:db8::7 icmp", 13, "IPv6"),
    ("any > lists icmp:400", 18, "no type"),
    ("any >", 6, "missing"),
])
def test_mistakes(packet, column, says):
    done = infractl("explain", packet)
    assert done.returncode == 2
    assert f"column {column}:" in done.stderr and says in done.stderr, done.stderr


def test_sources(tmp_path):
    rules = tmp_path / "rules.v4"
    rules.write_text("nothing of iptables\n")
    done = infractl("explain", "192.0.2.7 > 10.0.0.1 icmp", "--in", str(rules))
    assert done.returncode == 3 and "rules.v4:1:1:" in done.stderr
    assert infractl("explain", "any > host icmp", "--in", str(tmp_path / "none")).returncode == 10
    plus = tmp_path / "rules+v4"
    plus.write_text("# Generated by iptables-save v1.8.9\n*filter\n:INPUT DROP [0:0]\nCOMMIT\n")
    assert infractl("explain", "192.0.2.7 > 10.0.0.1 icmp", "--in", str(plus)).returncode == 1
    assert explain("any > wiki:80/tcp", "--in", str(EXAMPLES / "demo"))["verdict"] == "accept"


def test_zone_by_the_interface_of_a_member(tmp_path):
    """Who is in a zone comes in where the member is that he belongs to."""
    shutil.copytree(EXAMPLES / "demo", tmp_path / "demo")
    zones, wiki = tmp_path / "demo" / "zones.yaml", tmp_path / "demo" / "containers" / "wiki.yaml"
    zones.write_text(zones.read_text() + "  lan: { interface: eno7 }\n  staff: { members: [lan] }\n")
    wiki.write_text(wiki.read_text().replace("services:\n", "services:\n  - { port: 9999/tcp, from: staff, probe: none }\n", 1))
    wiki.write_text(wiki.read_text() + "connects:\n  - { to: lan, port: 9998/tcp }\n  - { to: staff, port: 9999/tcp }\n")
    answer = explain("staff > wiki:9999/tcp", "--in", str(tmp_path / "demo"))
    assert (answer["comes_by"], answer["verdict"]) == ("eno7", "accept"), answer
    for packet in ("wiki > lan:9998/tcp", "wiki > staff:9999/tcp", "host > lan:9998/tcp"):
        answer = explain(packet, "--in", str(tmp_path / "demo"))
        assert (answer["leaves_by"], answer["verdict"]) == ("eno7", "accept"), answer
    assert explain("wiki > internet:9998/tcp", "--in", str(tmp_path / "demo"))["verdict"] == "drop"


SAVED = """\
# Generated by iptables-save v1.8.9
*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -i eno1 -d 198.51.100.231/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.17:8080
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A FORWARD -d 10.0.0.17/32 -o br0 -p tcp -m tcp --dport 8080 -j ACCEPT
-A INPUT -m recent --name x -j DROP
COMMIT
"""


def saved(tmp_path, *words, policy):
    rules = tmp_path / "rules.v4"
    rules.write_text(SAVED)
    done = subprocess.run([INFRACTL, "--policy", policy, "--profiles", PROFILES, "firewall", "explain", "--json", "--in", rules, *words],
                          capture_output=True, text=True, timeout=60)
    return done, json.loads(done.stdout) if done.stdout else None


def test_saved_rules_alone(tmp_path):
    """What no route tells is assumed and said: a packet is for the host, unless it is translated."""
    none = tmp_path / "none"
    done, answer = saved(tmp_path, "9.9.9.9 > 192.0.2.1:22/tcp", policy=none)
    assert (done.returncode, answer["path"]) == (0, "to-host") and any("taken for a packet to the host" in line for line in answer["assumed"])
    done, answer = saved(tmp_path, "9.9.9.9 > 198.51.100.231:80/tcp", "--from", "eno1", policy=none)
    assert (done.returncode, answer["path"]) == (1, "through") and any("since it is translated" in line for line in answer["assumed"])
    done, answer = saved(tmp_path, "9.9.9.9 > 198.51.100.231:80/tcp", "--from", "eno1", "--to", "br0", policy=none)
    assert (done.returncode, answer["path"], answer["assumed"]) == (0, "through", [])
    done, answer = saved(tmp_path, "9.9.9.9 > 192.0.2.1:23/tcp", policy=none)
    assert done.returncode == 10 and "recent" in answer["unknown"]


def test_saved_rules_with_the_names_of_a_policy(tmp_path):
    done, answer = saved(tmp_path, "internet > lists:80/tcp", policy=EXAMPLES / "infra02")
    assert (done.returncode, answer["after"]) == (0, "192.0.2.7:40000 > 10.0.0.17:8080/tcp")
    assert (answer["comes_by"], answer["leaves_by"], answer["assumed"]) == ("eno1", "br0", [])
    assert "80/tcp" in ports(json.loads(matrix("--json", "--in", str(tmp_path / "rules.v4"))), "any", "any", "lists")


def test_words_keep_to_themselves():
    assert "did you mean 'explain'" in infractl("explan", "any > host").stderr
    assert infractl("show", "more").returncode == 2


def matrix(*words, example="infra02"):
    done = infractl("matrix", *words, example=example)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ports(answer, origin, kind, to):
    column = [item["name"] for item in answer["to"]].index(to)
    row = next(row for row in answer["from"] if (row["name"], row["kind"]) == (origin, kind))
    return {port["port"] for port in row["cells"][column]}


def test_matrix_says_what_explain_says():
    answer = json.loads(matrix("--json", example="demo"))
    assert {"any", "zone", "container", "network"} == {row["kind"] for row in answer["from"]}
    assert ports(answer, "any", "any", "emailout") == {"25/tcp"}
    assert ports(answer, "monitor", "zone", "emailout") == {"22/tcp", "25/tcp"}
    assert ports(answer, "any", "any", "infra02") == set()
    assert answer["from"][-1]["name"] == "10.0.0.0/24"
    for to, port in (("wiki", "80"), ("emailout", "22"), ("host", "22")):
        column = "infra02" if to == "host" else to
        got = explain(f"any > {to}:{port}/tcp", example="demo")["verdict"] == "accept"
        assert got == (f"{port}/tcp" in ports(answer, "any", "any", column))


def test_matrix_of_a_container_and_itself():
    answer = json.loads(matrix("--format", "json"))
    for row in answer["from"]:
        for column, cell in zip(answer["to"], row["cells"], strict=True):
            assert (cell is None) == (row["kind"] == "container" and column["kind"] == "container" and row["name"] == column["name"])


def test_matrix_table():
    text = matrix(example="demo")
    assert text.splitlines()[0].split() == ["TO", "PORTS", "THAT", "GET", "THROUGH", "FROM"]
    assert "25/tcp, 22/tcp" in text and "monitor (zone)" in text


@pytest.mark.parametrize("example", ["demo", "infra02", "complete"])
def test_matrix_drawings(example, tmp_path):
    target = tmp_path / "matrix.svg"
    assert matrix("--format", "svg", "--output", str(target), example=example) == ""
    svg = xml.dom.minidom.parse(str(target)).documentElement
    assert svg.tagName == "svg" and svg.getAttribute("role") == "img"
    assert svg.getElementsByTagName("title") and not svg.getElementsByTagName("script")
    html = matrix("--format", "html", example=example)
    assert html.startswith("<!DOCTYPE html>") and html.count("<td") == html.count("</td>")
    assert '<th scope="row">any' in html and "prefers-color-scheme:dark" in html
    assert "<script" not in html and "http" not in html and "src=" not in html


def test_long_names_have_room_in_the_drawing(tmp_path):
    policy = tmp_path / "policy"
    shutil.copytree(EXAMPLES / "infra02", policy)
    name = "a-container-with-a-very-long-name"
    (policy / "containers" / f"{name}.yaml").write_text(
        f"container: {name}\nrelease: bookworm\naddresses: {{ internal: 10.0.0.251 }}\n"
        "services:\n  - { port: 60000-61000/udp, from: monitor }\n")
    svg = xml.dom.minidom.parseString(matrix("--format", "svg", example=policy)).documentElement
    lines = sorted({int(line.getAttribute("x1")) for line in svg.getElementsByTagName("line") if line.getAttribute("x1") == line.getAttribute("x2")})
    texts = [t for t in svg.getElementsByTagName("text") if int(t.getAttribute("y")) > 50]
    assert any(t.firstChild.data == name for t in texts) and any(t.firstChild.data == "container" for t in texts)
    for t in texts:
        x = int(t.getAttribute("x"))
        end = min((line for line in [*lines, int(svg.getAttribute("width"))] if line > x))
        assert x + 8 * len(t.firstChild.data) <= end, t.firstChild.data


def test_matrix_fits_a_console():
    """Rows that are wider than a screen become blocks."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 80))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("INFRA_")}
    with subprocess.Popen([INFRACTL, "--policy", EXAMPLES / "infra02", "--profiles", PROFILES, "firewall", "matrix"], stdout=follower,
                          env={**environment, "TERM": "dumb", "LC_ALL": "C.UTF-8"}) as process:
        os.close(follower)
        text = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(leader, 4096):
                text += chunk
    os.close(leader)
    assert process.returncode == 0
    lines = text.decode().splitlines()
    assert max(map(len, lines)) <= 80 and "  any" in lines and "lists" in lines


def test_matrix_mistakes(tmp_path):
    assert infractl("matrix", "--format", "pdf").returncode == 2
    assert infractl("matrix", "--output", str(tmp_path / "x")).returncode == 2
    assert infractl("matrix", "--format", "svg", "--output", str(tmp_path / "no" / "x")).returncode == 1
