# SPDX-License-Identifier: GPL-2.0-or-later
"""infractl firewall doctor and ban, each in a network namespace of its own with real rules of others."""

import json
import subprocess

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
    return subprocess.run(["unshare", "--net", "bash", "-c", PREPARE + script], capture_output=True, text=True, timeout=60, check=False)


def findings(tmp_path, script, root):
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


def test_iptables_legacy(tmp_path):
    code, found = findings(tmp_path, "iptables-legacy -A INPUT -p tcp --dport 99 -j DROP", tmp_path)
    assert code == 1 and set(found) == {"iptables-legacy table filter"}


def test_services_at_boot(tmp_path):
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "ferm.service").symlink_to("/lib/systemd/system/ferm.service")
    (tmp_path / "etc/rc2.d").mkdir()
    (tmp_path / "etc/rc2.d/S01netfilter-persistent").symlink_to("../init.d/netfilter-persistent")
    code, found = findings(tmp_path, "", tmp_path)
    assert code == 1 and set(found) == {"ferm.service", "netfilter-persistent.service"}
    assert found["ferm.service"]["mend"] == "systemctl disable --now ferm"


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
