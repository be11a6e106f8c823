# SPDX-License-Identifier: GPL-2.0-or-later
"""infractl firewall doctor and ban, each in a network namespace of its own with real rules of others."""

import json
import subprocess

import pytest

import infrahost

INFRACTL = infrahost.BUILD / "infractl" / "infractl"
TOOL = infrahost.BUILD / "tests" / "integration" / "firewall-tool"
POLICY = infrahost.SOURCE / "policies" / "examples" / "complete"
PROFILES = infrahost.SOURCE / "policies" / "profiles"
PREPARE = f"""
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
{TOOL} load {POLICY} {PROFILES} || exit 99
"""


def infractl(tmp_path, *words):
    return " ".join([str(INFRACTL), "--local", "--json", f"--policy={POLICY}", f"--profiles={PROFILES}", f"--state={tmp_path}/state", *words])


def in_namespace(script):
    return subprocess.run(["unshare", "--net", "--mount", "bash", "-c", PREPARE + script], capture_output=True, text=True, timeout=60, check=False)


def enable(root, *services):
    """As systemctl does it."""
    wants = root / "etc/systemd/system/sysinit.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    for service in services:
        (wants / f"{service}.service").symlink_to(f"/lib/systemd/system/{service}.service")


def findings(tmp_path, script, root):
    enable(root, "infra-firewall")
    done = in_namespace(script + "\n" + infractl(tmp_path, "firewall", "doctor", f"--root={root}"))
    return done.returncode, {f["subject"]: f for f in json.loads(done.stdout)["findings"] if f["severity"] != "note"}


def test_nothing_else(tmp_path):
    assert findings(tmp_path, "", tmp_path) == (0, {})


def test_our_table_is_gone(tmp_path):
    code, found = findings(tmp_path, "nft delete table inet infra", tmp_path)
    assert code == 1 and set(found) == {"table inet infra"}


def test_chains_of_others(tmp_path):
    code, found = findings(tmp_path, """
        iptables-nft -N DOCKER
        iptables-nft -P FORWARD DROP
        iptables-nft -t nat -A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE
        ip6tables-nft -N ufw6-user-input
        ip6tables-nft -A INPUT -p tcp --dport 99 -j REJECT
        nft add table inet mine
        nft add chain inet mine f '{ type filter hook forward priority 10; policy accept; }'
        nft add chain inet mine harmless '{ type filter hook input priority 10; policy accept; }'
        nft add chain inet mine deeper
        nft add rule inet mine f tcp dport 25 jump deeper
        nft add rule inet mine deeper drop
        nft add rule inet mine harmless tcp dport 25 accept
        """, tmp_path)
    assert code == 1
    assert {s: (f["severity"], f["by"]) for s, f in found.items() if "harmless" not in s} == {
        "table ip filter chain FORWARD": ("error", "docker"),
        "table ip nat chain POSTROUTING": ("warning", "iptables (nft variant)"),
        "table ip6 filter chain INPUT": ("warning", "ufw"),
        "table inet mine chain f": ("warning", "somebody"),
    }
    assert found["table ip filter chain FORWARD"]["look"] == "nft list table ip filter"


def test_what_a_map_decides_may_be_a_drop(tmp_path):
    code, found = findings(tmp_path, """
        nft add table inet mine
        nft add chain inet mine f '{ type filter hook forward priority 10; policy accept; }'
        nft add rule inet mine f ct state vmap '{ invalid : drop, established : accept }'
        nft add chain inet mine marks '{ type filter hook forward priority 10; policy accept; }'
        nft add rule inet mine marks meta mark set tcp dport map '{ 25 : 1, 80 : 2 }'
        """, tmp_path)
    assert code == 1 and set(found) == {"table inet mine chain f"}


@pytest.mark.parametrize("rules, severity, text", [
    ("-A INPUT -p tcp --dport 99 -j DROP", "warning", "may refuse packets"),
    ("-A FORWARD -p tcp --dport 99 -j REJECT", "warning", "may refuse packets"),
    ("-N deeper; iptables-legacy -A deeper -j DROP", "warning", "may refuse packets"),
    ("-P FORWARD DROP", "error", "drops what its rules do not accept"),
    ("-t nat -A POSTROUTING -j MASQUERADE", "warning", "translates addresses"),
    ("-t nat -A PREROUTING -p tcp --dport 99 -j DNAT --to 10.0.0.9", "warning", "translates addresses"),
])
def test_iptables_legacy(tmp_path, rules, severity, text):
    code, found = findings(tmp_path, f"iptables-legacy {rules}", tmp_path)
    table = "nat" if "-t nat" in rules else "filter"
    assert code == 1 and set(found) == {f"iptables-legacy table {table}"}
    assert found[f"iptables-legacy table {table}"]["severity"] == severity and text in found[f"iptables-legacy table {table}"]["text"]


def test_iptables_legacy_of_ipv6(tmp_path):
    code, found = findings(tmp_path, "ip6tables-legacy -A INPUT -s 2001:db8::/32 -p tcp --dport 99 -j REJECT", tmp_path)
    assert code == 1 and set(found) == {"ip6tables-legacy table filter"}


def test_legacy_table_that_somebody_has_looked_at_decides_nothing(tmp_path):
    """`iptables-legacy -L` makes the table, and it stays."""
    script = "(iptables-legacy -L; iptables-legacy -t nat -S; ip6tables-legacy -A INPUT -p tcp --dport 99 -j ACCEPT) > /dev/null"
    assert findings(tmp_path, script, tmp_path) == (0, {})


# What dockerd 20.10 loads for its bridge and one published port (iptables-save).
DOCKER = """
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
"""
# What libvirt 9 loads for its default network.
LIBVIRT = """
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:LIBVIRT_FWI - [0:0]
:LIBVIRT_FWO - [0:0]
:LIBVIRT_INP - [0:0]
-A INPUT -j LIBVIRT_INP
-A FORWARD -j LIBVIRT_FWI
-A FORWARD -j LIBVIRT_FWO
-A LIBVIRT_FWI -d 192.168.122.0/24 -o virbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A LIBVIRT_FWI -o virbr0 -j REJECT --reject-with icmp-port-unreachable
-A LIBVIRT_FWO -s 192.168.122.0/24 -i virbr0 -j ACCEPT
-A LIBVIRT_FWO -i virbr0 -j REJECT --reject-with icmp-port-unreachable
-A LIBVIRT_INP -i virbr0 -p udp -m udp --dport 53 -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:LIBVIRT_PRT - [0:0]
-A POSTROUTING -j LIBVIRT_PRT
-A LIBVIRT_PRT -s 192.168.122.0/24 -d 224.0.0.0/24 -j RETURN
-A LIBVIRT_PRT -s 192.168.122.0/24 ! -d 192.168.122.0/24 -j MASQUERADE
COMMIT
"""


@pytest.mark.parametrize("rules, by, expected", [
    (DOCKER, "docker", {"ip filter chain FORWARD": "error", "ip nat chain PREROUTING": "warning", "ip nat chain OUTPUT": "warning",
                        "ip nat chain POSTROUTING": "warning"}),
    (LIBVIRT, "libvirt", {"ip filter chain INPUT": "warning", "ip filter chain FORWARD": "warning", "ip nat chain POSTROUTING": "warning"}),
], ids=["docker", "libvirt"])
def test_rules_as_they_are_written(tmp_path, rules, by, expected):
    code, found = findings(tmp_path, f"iptables-nft-restore << 'EOF'\n{rules}\nEOF", tmp_path)
    assert code == 1 and {s: f["severity"] for s, f in found.items()} == {f"table {s}": severity for s, severity in expected.items()}
    assert {f["by"] for f in found.values()} == {by}


LXC_NET = "/usr/libexec/lxc/lxc-net"


@pytest.mark.parametrize("nft", ["true", "false"])
def test_lxc_net(tmp_path, nft):
    """The real script, in both of its ways; its name server is of no interest here."""
    (tmp_path / "dnsmasq").write_text("#!/bin/sh\n")
    (tmp_path / "dnsmasq").chmod(0o755)
    (tmp_path / "settings").write_text(f"USE_LXC_BRIDGE=true\nLXC_USE_NFT={nft}\n")
    (tmp_path / "iptables").symlink_to("/usr/sbin/iptables-nft")
    code, found = findings(tmp_path, f"""
        mount -t tmpfs tmpfs /run
        mount --bind {tmp_path}/settings /etc/default/lxc-net
        PATH={tmp_path}:$PATH {LXC_NET} start || exit 98
        """, tmp_path)
    assert code == 1
    assert {s: (f["severity"], f["by"]) for s, f in found.items()} == (
        {"table ip lxc chain postrouting": ("warning", "lxc-net")} if nft == "true" else
        {"table ip nat chain POSTROUTING": ("warning", "iptables (nft variant)")})


def test_services_at_boot(tmp_path):
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "ferm.service").symlink_to("/lib/systemd/system/ferm.service")
    (tmp_path / "etc/rc2.d").mkdir()
    (tmp_path / "etc/rc2.d/S01netfilter-persistent").symlink_to("../init.d/netfilter-persistent")
    code, found = findings(tmp_path, "", tmp_path)
    assert code == 1 and set(found) == {"ferm.service", "netfilter-persistent.service"}
    assert found["ferm.service"]["mend"] == "systemctl disable --now ferm"


def put(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_service_that_is_enabled_but_switched_off(tmp_path):
    """Debian enables ufw.service with the package, which does nothing until `ufw enable`."""
    enable(tmp_path, "ufw", "ferm")
    put(tmp_path, "etc/ufw/ufw.conf", "# ENABLED=yes\nENABLED=no\n")
    put(tmp_path, "etc/default/ferm", 'ENABLED="no"\n')
    assert findings(tmp_path, "", tmp_path) == (0, {})
    put(tmp_path, "etc/ufw/ufw.conf", "ENABLED=yes\n")
    (tmp_path / "etc/systemd/system/sysinit.target.wants/infra-firewall.service").unlink()
    code, found = findings(tmp_path, "", tmp_path)
    assert code == 1 and set(found) == {"ufw.service"}


def test_what_nftables_service_does(tmp_path):
    enable(tmp_path, "nftables")
    put(tmp_path, "etc/nftables.conf", "#!/usr/sbin/nft -f\nflush ruleset\n")
    assert "each restart and reload of it takes ours away" in findings(tmp_path, "", tmp_path)[1]["nftables.service"]["text"]


def test_our_unit_is_not_enabled(tmp_path):
    done = in_namespace(infractl(tmp_path, "firewall", "doctor", f"--root={tmp_path}"))
    assert done.returncode == 1
    assert [f["subject"] for f in json.loads(done.stdout)["findings"] if f["severity"] != "note"] == ["infra-firewall.service"]


def test_bans(tmp_path):
    done = in_namespace(infractl(tmp_path, "firewall ban 203.0.113.7 --for 1h --zone internet") + " && " +
                        infractl(tmp_path, "firewall ban 2001:db8:7::/48"))
    bans = json.loads(done.stdout[done.stdout.rindex('{\n  "bans"'):])["bans"]
    assert [(b["address"], b["zone"], b["left_ms"] > 3500000) for b in bans] == [
        ("203.0.113.7", "internet", True), ("2001:db8:7::/48", "", False)]
    for words, said in (("ban 10.0.0.0/8", "the bridge of this host"), ("ban 127.0.0.1", "this host itself"),
                        ("ban 192.0.2.1 --zone nowhere", "no zone 'nowhere'"), ("ban 192.0.2.1 --zone monitor", "has no interface"),
                        ("ban mailer", "neither an address"), ("unban 192.0.2.1", "nobody of that is banned")):
        done = in_namespace(infractl(tmp_path, "firewall", words))
        assert done.returncode != 0 and said in done.stderr
