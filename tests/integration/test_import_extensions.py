# SPDX-License-Identifier: GPL-2.0-or-later
"""Every match and target of the installed package iptables: a rule that real iptables took and saved is imported, proven equal,
and loaded into a kernel; or it is refused at its line and column, with a reason. Which is which stands here, so that none is
forgotten: an extension that is installed and not in this table fails the test.
"""

import glob
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import infrahost
import packets

INFRACTL = infrahost.BUILD / "infractl" / "infractl"
FIREWALL_TOOL = infrahost.BUILD / "tests" / "integration" / "firewall-tool"
PROFILES = infrahost.SOURCE / "policies" / "profiles"
EQUAL, POLICY = 0, 3

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("iptables-legacy"), reason="needs root and iptables-legacy")

# Extension: rules; "6 " before one is for ip6tables.
TRANSLATED = {
    "standard": ["filter INPUT -i lo -j ACCEPT", "filter FORWARD ! -s 10.0.0.0/8 -o eth+ -j DROP", "6 filter INPUT -s 2001:db8::/64 -j RETURN"],
    "tcp": ["filter INPUT -p tcp --dport 25 --sport 1024: --syn -j ACCEPT", "filter INPUT -p tcp ! --tcp-flags SYN,ACK SYN -j DROP",
            "filter INPUT -p tcp --tcp-option 8 -j ACCEPT", "filter INPUT -p tcp ! --tcp-option 2 -j DROP"],
    "udp": ["filter INPUT -p udp --dport 53 -j ACCEPT", "6 filter INPUT -p udp ! --sport 1:1023 -j DROP"],
    "icmp": ["filter INPUT -p icmp --icmp-type echo-request -j ACCEPT", "filter INPUT -p icmp ! --icmp-type 3/4 -j DROP"],
    "icmp6": ["6 filter INPUT -p icmpv6 --icmpv6-type neighbour-solicitation -j ACCEPT", "6 filter INPUT -p icmpv6 ! --icmpv6-type 1/4 -j DROP"],
    "sctp": ["filter INPUT -p sctp --dport 5 -j ACCEPT", "filter INPUT -p sctp --chunk-types any INIT,DATA -j ACCEPT",
             "filter INPUT -p sctp --chunk-types all INIT,DATA -j ACCEPT", "filter INPUT -p sctp ! --chunk-types any INIT,COOKIE_ECHO -j DROP",
             "filter INPUT -p sctp ! --chunk-types all INIT,DATA -j DROP"],
    "dccp": ["filter INPUT -p dccp --dport 5 -j ACCEPT", "filter INPUT -p dccp --dccp-types REQUEST,RESPONSE -j ACCEPT",
             "filter INPUT -p dccp ! --dccp-types REQUEST,RESET -j DROP"],
    "ah": ["filter INPUT -p ah -m ah --ahspi 500:600 -j ACCEPT", "filter INPUT -p ah -m ah ! --ahspi 500 -j DROP"],
    "esp": ["filter INPUT -p esp -m esp --espspi 1:4294967295 -j ACCEPT", "6 filter INPUT -p esp -m esp ! --espspi 500 -j DROP"],
    "ipcomp": ["filter INPUT -p ipcomp -m ipcomp --ipcompspi 2:65535 -j ACCEPT", "6 filter INPUT -p ipcomp -m ipcomp ! --ipcompspi 7 -j DROP"],
    "dst": ["6 filter INPUT -m dst --dst-len 8 -j DROP", "6 filter INPUT -m dst ! --dst-len 16 -j DROP"],
    "hbh": ["6 filter INPUT -m hbh -j DROP", "6 filter INPUT -m hbh --hbh-len 16 -j DROP"],
    "frag": ["6 filter INPUT -m frag -j DROP", "6 filter INPUT -m frag --fragid 1:42 -j DROP", "6 filter INPUT -m frag ! --fragid 5 --fragmore -j DROP",
             "6 filter INPUT -m frag --fragres --fragfirst --fraglast -j DROP"],
    "rt": ["6 filter INPUT -m rt --rt-type 0 --rt-segsleft 1:23 --rt-len 24 -j DROP", "6 filter INPUT -m rt ! --rt-type 2 ! --rt-segsleft 3 ! --rt-len 24 -j DROP"],
    "mh": ["6 filter INPUT -p ipv6-mh -m mh --mh-type binding-update -j ACCEPT", "6 filter INPUT -p ipv6-mh -m mh ! --mh-type 1:3 -j DROP"],
    "ipv6header": ["6 filter INPUT -m ipv6header --header hop,dst --soft -j DROP", "6 filter INPUT -m ipv6header ! --header frag,route --soft -j ACCEPT"],
    "tcpmss": ["filter INPUT -p tcp --tcp-flags SYN,RST SYN -m tcpmss --mss 1:535 -j DROP", "filter INPUT -p tcp --syn -m tcpmss ! --mss 1460 -j DROP"],
    "ecn": ["filter INPUT -p tcp -m ecn --ecn-tcp-cwr -j ACCEPT", "filter INPUT -p tcp -m ecn ! --ecn-tcp-ece -j ACCEPT",
            "filter INPUT -m ecn --ecn-ip-ect 2 -j ACCEPT", "6 filter INPUT -m ecn ! --ecn-ip-ect 3 -j ACCEPT"],
    "multiport": ["filter INPUT -p tcp -m multiport --dports 22,80:90 -j ACCEPT", "filter INPUT -p udp -m multiport ! --ports 53,123 -j DROP"],
    "conntrack": ["filter INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "filter INPUT -m conntrack ! --ctstate NEW,DNAT -j ACCEPT",
                  "filter INPUT -m conntrack --ctproto 6 --ctorigsrc 10.0.0.0/24 --ctorigdstport 80:90 -j ACCEPT",
                  "filter INPUT -m conntrack --ctreplsrc 10.0.0.1 ! --ctrepldst 10.0.0.0/24 -j ACCEPT",
                  "filter INPUT -m conntrack --ctproto 17 --ctreplsrcport 22 --ctrepldstport 1000:2000 -j ACCEPT",
                  "filter INPUT -m conntrack --ctexpire 10:20 --ctdir REPLY -j ACCEPT", "filter INPUT -m conntrack --ctstatus EXPECTED,ASSURED -j ACCEPT",
                  "6 filter INPUT -m conntrack --ctreplsrc 2001:db8::/64 -j ACCEPT"],
    "state": ["filter INPUT -m state --state NEW -j ACCEPT", "6 filter INPUT -m state ! --state INVALID -j ACCEPT"],
    "helper": ["filter INPUT -m helper --helper ftp -j ACCEPT", "filter INPUT -m helper ! --helper ftp -j ACCEPT"],
    "connbytes": ["filter INPUT -m connbytes --connbytes 1000:2000 --connbytes-dir both --connbytes-mode bytes -j ACCEPT",
                  "filter INPUT -m connbytes ! --connbytes 1000:2000 --connbytes-dir reply --connbytes-mode avgpkt -j DROP",
                  "6 filter INPUT -m connbytes --connbytes 10 --connbytes-dir original --connbytes-mode packets -j DROP"],
    "connlabel": ["filter INPUT -m connlabel --label 77 -j ACCEPT", "filter INPUT -m connlabel ! --label 5 -j DROP", "filter INPUT -m connlabel --label 5 --set -j ACCEPT"],
    "connmark": ["filter INPUT -m connmark --mark 0x5/0xff -j ACCEPT", "filter INPUT -m connmark ! --mark 1 -j DROP"],
    "mark": ["filter INPUT -m mark --mark 0x5/0xff -j ACCEPT", "6 filter INPUT -m mark ! --mark 1 -j DROP"],
    "realm": ["filter INPUT -m realm --realm 5 -j ACCEPT"],
    "devgroup": ["filter FORWARD -m devgroup --src-group 1 ! --dst-group 0x2/0x3 -j ACCEPT"],
    "cpu": ["filter INPUT -m cpu --cpu 0 -j ACCEPT"],
    "cgroup": ["filter OUTPUT -m cgroup ! --cgroup 5 -j ACCEPT"],
    "length": ["filter INPUT -m length --length 100:200 -j ACCEPT"],
    "pkttype": ["filter INPUT -m pkttype --pkt-type multicast -j DROP"],
    "tos": ["filter INPUT -m tos --tos 0x10/0x3f -j ACCEPT", "6 filter INPUT -m tos ! --tos 0x10 -j ACCEPT"],
    "dscp": ["filter INPUT -m dscp --dscp-class EF -j ACCEPT", "6 filter INPUT -m dscp ! --dscp 10 -j ACCEPT"],
    "ttl": ["filter INPUT -m ttl --ttl-gt 5 -j ACCEPT"],
    "hl": ["6 filter INPUT -m hl --hl-eq 255 -j ACCEPT", "6 filter INPUT -m hl --hl-lt 5 -j DROP"],
    "owner": ["filter OUTPUT -m owner --uid-owner 0-99 -j ACCEPT", "filter OUTPUT -m owner ! --gid-owner 5 -j DROP"],
    "iprange": ["filter INPUT -m iprange --src-range 10.0.0.1-10.0.0.9 ! --dst-range 10.1.0.1-10.1.0.9 -j ACCEPT"],
    "mac": ["filter INPUT -m mac ! --mac-source 02:00:00:00:00:01 -j DROP"],
    "addrtype": ["filter INPUT -m addrtype --dst-type LOCAL,BROADCAST ! --src-type UNICAST -j DROP", "filter INPUT -m addrtype --dst-type LOCAL --limit-iface-in -j ACCEPT",
                 "filter OUTPUT -m addrtype --src-type LOCAL --limit-iface-out -j ACCEPT", "6 filter INPUT -m addrtype --dst-type LOCAL --limit-iface-in -j ACCEPT"],
    "rpfilter": ["raw PREROUTING -m rpfilter --invert -j DROP", "raw PREROUTING -m rpfilter --loose --validmark -j ACCEPT",
                 "raw PREROUTING -m rpfilter --validmark --invert -j DROP", "6 raw PREROUTING -m rpfilter --loose -j ACCEPT"],
    "policy": ["filter INPUT -m policy --dir in --pol ipsec -j ACCEPT", "filter FORWARD -m policy --dir out --pol none -j DROP",
               "6 filter FORWARD -m policy --dir out --pol ipsec -j ACCEPT", "filter INPUT -m policy --dir in --pol ipsec --reqid 5 -j ACCEPT",
               "filter FORWARD -m policy --dir out --pol ipsec --strict ! --reqid 5 --spi 0x100 -j DROP"],
    "socket": ["mangle PREROUTING -p tcp -m socket --transparent -j MARK --set-mark 1", "mangle PREROUTING -m socket -j ACCEPT",
               "6 mangle PREROUTING -p udp -m socket --transparent --nowildcard -j ACCEPT", "mangle PREROUTING -m socket --nowildcard -j ACCEPT", "mangle PREROUTING -p tcp -m socket --transparent --restore-skmark -m tcp --dport 80 -j ACCEPT"],
    "time": ["filter INPUT -m time --timestart 08:00 --timestop 18:00 --weekdays Mon,Tue,Fri -j ACCEPT", "filter INPUT -m time --timestart 22:00 --timestop 06:00 -j DROP",
             "filter INPUT -m time --timestart 22:00 --timestop 06:00 --weekdays Mon,Thu --contiguous -j DROP",
             "filter INPUT -m time --datestart 2026-01-01T00:00:00 --datestop 2027-01-01T00:00:00 -j ACCEPT",
             "6 filter INPUT -m time ! --weekdays Sat,Sun --kerneltz -j ACCEPT"],
    "comment": ['filter INPUT -m comment --comment "why it\'s here" -j ACCEPT'],
    "limit": ["filter INPUT -m limit --limit 5/min --limit-burst 7 -j ACCEPT"],
    "hashlimit": ["filter INPUT -p tcp -m hashlimit --hashlimit-upto 5/min --hashlimit-mode srcip,dstport --hashlimit-name a -j ACCEPT",
                  "filter INPUT -m hashlimit --hashlimit-above 10/sec --hashlimit-mode srcip,dstip --hashlimit-srcmask 24 --hashlimit-name b -j DROP",
                  "6 filter INPUT -m hashlimit --hashlimit-above 10/sec --hashlimit-mode srcip --hashlimit-srcmask 64 --hashlimit-name c -j DROP"],
    "connlimit": ["filter INPUT -p tcp --syn -m connlimit --connlimit-above 10 -j DROP", "filter INPUT -p tcp -m connlimit --connlimit-upto 10 --connlimit-mask 24 -j ACCEPT",
                  "6 filter INPUT -p tcp -m connlimit --connlimit-above 10 --connlimit-mask 64 --connlimit-daddr -j DROP"],
    "statistic": ["filter INPUT -m statistic --mode random --probability 0.25 -j DROP", "filter INPUT -m statistic --mode nth --every 3 --packet 2 -j ACCEPT",
                  "filter INPUT -m statistic --mode nth ! --every 3 -j ACCEPT"],
    "quota": ["filter INPUT -m quota --quota 100000 -j ACCEPT"],
    "REJECT": ["filter INPUT -j REJECT --reject-with icmp-host-prohibited", "filter INPUT -p tcp -j REJECT --reject-with tcp-reset",
               "6 filter INPUT -j REJECT --reject-with icmp6-adm-prohibited"],
    "LOG": ['filter INPUT -j LOG --log-prefix "no: " --log-level 6 --log-ip-options --log-uid'],
    "NFLOG": ["filter INPUT -j NFLOG --nflog-group 5 --nflog-prefix x --nflog-size 100"],
    "AUDIT": ["filter INPUT -j AUDIT --type drop", "6 filter INPUT -j AUDIT --type accept"],
    "MARK": ["mangle PREROUTING -j MARK --set-xmark 5/0xff", "mangle PREROUTING -j MARK --or-mark 4"],
    "CONNMARK": ["mangle PREROUTING -j CONNMARK --save-mark", "mangle PREROUTING -j CONNMARK --restore-mark --nfmask 0xf0 --ctmask 0x3",
                 "mangle PREROUTING -j CONNMARK --save-mark --mask 0xff", "6 mangle PREROUTING -j CONNMARK --set-xmark 3/0xff"],
    "CONNSECMARK": ["security INPUT -j CONNSECMARK --save", "security OUTPUT -j CONNSECMARK --restore"],
    "TCPMSS": ["mangle FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu", "mangle FORWARD -p tcp --syn -j TCPMSS --set-mss 1400"],
    "TCPOPTSTRIP": ["mangle PREROUTING -p tcp -j TCPOPTSTRIP --strip-options wscale,sack-permitted,30", "6 mangle PREROUTING -p tcp -j TCPOPTSTRIP --strip-options timestamp"],
    "TPROXY": ["mangle PREROUTING -p tcp --dport 80 -j TPROXY --on-port 8080 --on-ip 127.0.0.1 --tproxy-mark 0x1/0x1", "mangle PREROUTING -p udp -j TPROXY --on-port 8080",
               "6 mangle PREROUTING -p tcp -j TPROXY --on-port 8080 --on-ip ::1 --tproxy-mark 1"],
    "SYNPROXY": ["filter INPUT -p tcp -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460", "6 filter FORWARD -p tcp -j SYNPROXY --mss 1400"],
    "CLASSIFY": ["mangle POSTROUTING -j CLASSIFY --set-class 1:10"],
    "TOS": ["mangle PREROUTING -j TOS --set-tos 0x10/0x3f", "6 mangle PREROUTING -j TOS --or-tos 4"],
    "DSCP": ["mangle PREROUTING -j DSCP --set-dscp-class EF", "6 mangle PREROUTING -j DSCP --set-dscp 46"],
    "ECN": ["mangle PREROUTING -p tcp -j ECN --ecn-tcp-remove"],
    "TTL": ["mangle PREROUTING -j TTL --ttl-set 64"],
    "HL": ["6 mangle PREROUTING -j HL --hl-set 64"],
    "NOTRACK": ["raw PREROUTING -j NOTRACK"],
    "CT": ["raw PREROUTING -j CT --notrack", "raw PREROUTING -i eth0 -j CT --zone 5", "6 raw PREROUTING -j CT --zone-orig 7", "raw OUTPUT -j CT --zone-reply 7", "raw PREROUTING -p tcp --dport 2121 -j CT --helper ftp", "6 raw OUTPUT -p tcp --dport 21 -j CT --helper ftp"],
    "TRACE": ["raw PREROUTING -s 192.0.2.1 -j TRACE"],
    "NFQUEUE": ["filter INPUT -j NFQUEUE --queue-balance 0:3 --queue-bypass"],
    "DNAT": ["nat PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.1-10.0.0.5:80-90 --persistent", "6 nat PREROUTING -p tcp --dport 80 -j DNAT --to-destination [2001:db8::1]:80"],
    "SNAT": ["nat POSTROUTING -s 10.0.0.0/24 -p tcp -j SNAT --to-source 198.51.100.1:1024-65535 --random", "6 nat POSTROUTING -j SNAT --to-source 2001:db8::1"],
    "NAT": ["nat POSTROUTING -j SNAT --to-source 198.51.100.1"],
    "MASQUERADE": ["nat POSTROUTING -o eth0 -j MASQUERADE --random-fully"],
    "REDIRECT": ["nat PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 3128"],
    "NETMAP": ["nat PREROUTING -d 10.0.0.0/24 -j NETMAP --to 10.1.0.0/24", "6 nat POSTROUTING -s 2001:db8::/64 -j NETMAP --to 2001:db8:1::/64"],
}

# Extension: a rule, the word that is pointed at, and what the reason speaks of.
REFUSED = {
    "ah": [("6 filter INPUT -m ah --ahspi 500 -j ACCEPT", "ah", "AH")],
    "bpf": [('filter INPUT -m bpf --bytecode "4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0" -j ACCEPT', "bpf", "bpf")],
    "cgroup": [("filter OUTPUT -m cgroup --path / -j ACCEPT", "--path", "number")],
    "cluster": [("filter INPUT -m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 1 -j ACCEPT", "cluster", "another one announced")],
    "conntrack": [("filter INPUT -m conntrack --ctstate INVALID --ctproto 6 -j DROP", "--ctstate", "forgets the other options"),
                  ("filter INPUT -m conntrack --ctstatus NONE -j ACCEPT", "NONE", "status")],
    "dccp": [("filter INPUT -p dccp --dccp-option 5 -j ACCEPT", "--dccp-option", "everywhere")],
    "dst": [("6 filter INPUT -m dst --dst-opts 149:92,12:12 -j ACCEPT", "--dst-opts", "length")],
    "eui64": [("6 filter INPUT -m eui64 -j ACCEPT", "eui64", "two fields")],
    "frag": [("6 filter INPUT -m frag --fraglen 42 -j ACCEPT", "--fraglen", "no effect")],
    "hbh": [("6 filter INPUT -m hbh --hbh-opts 5 -j ACCEPT", "--hbh-opts", "length")],
    "ipv6header": [("6 filter INPUT -m ipv6header --header hop -j ACCEPT", "--header", "no others"),
                   ("6 filter INPUT -m ipv6header --header auth --soft -j ACCEPT", "ah", "no header")],
    "ipvs": [("filter INPUT -m ipvs --ipvs -j ACCEPT", "ipvs", "IPVS")],
    "nfacct": [("filter INPUT -m nfacct --nfacct-name x -j ACCEPT", "nfacct", "counters")],
    "osf": [("filter INPUT -p tcp -m osf --genre Linux --ttl 2 -j ACCEPT", "osf", "first system")],
    "owner": [("filter OUTPUT -m owner --socket-exists -j ACCEPT", "--socket-exists", "user or group"),
              ("filter OUTPUT -m owner --gid-owner 5 --suppl-groups -j ACCEPT", "--suppl-groups", "user or group")],
    "physdev": [("filter FORWARD -m physdev --physdev-is-bridged -j ACCEPT", "physdev", "bridge")],
    "policy": [("filter FORWARD -m policy --dir in --pol ipsec --proto esp -j ACCEPT", "--proto", "IPsec")],
    "rateest": [("filter INPUT -m rateest --rateest x --rateest-lt --rateest-bps 1 -j ACCEPT", "rateest", "rates")],
    "recent": [("filter INPUT -m recent --set --name x -j ACCEPT", "recent", "oldest of 100"),
               ("filter INPUT -m recent --update --seconds 60 --hitcount 4 --name x -j DROP", "recent", "oldest of 100")],
    "rpfilter": [("raw PREROUTING -m rpfilter --accept-local -j ACCEPT", "--accept-local", "own addresses")],
    "rt": [("6 filter INPUT -m rt --rt-type 0 --rt-0-res -j ACCEPT", "--rt-0-res", "type")],
    "sctp": [("filter INPUT -p sctp --chunk-types only INIT -j ACCEPT", "only", "no others"), ("filter INPUT -p sctp --chunk-types any DATA:Be -j ACCEPT", "DATA:Be", "without flags")],
    "set": [("filter INPUT -m set --match-set x src -j ACCEPT", "set", "zone")],
    "srh": [("6 filter INPUT -m srh --srh-segs-left-eq 2 -j ACCEPT", "srh", "two fields")],
    "string": [('filter INPUT -m string --string x --algo bm -j DROP', "string", "texts")],
    "time": [("filter INPUT -m time --monthdays 1,15 -j ACCEPT", "--monthdays", "days of the month"),
             ("filter INPUT -m time --timestart 08:00 --kerneltz -j ACCEPT", "--timestart", "UTC")],
    "u32": [('filter INPUT -m u32 --u32 "6&0xFF=0x6" -j ACCEPT', "u32", "matches of nftables")],
    "CHECKSUM": [("mangle POSTROUTING -j CHECKSUM --checksum-fill", "CHECKSUM", "offloading")],
    "CLUSTERIP": [("filter INPUT -d 10.0.0.5 -i eth0 -j CLUSTERIP --new --hashmode sourceip --clustermac 01:00:5e:00:00:20 --total-nodes 2 --local-node 1", "CLUSTERIP", "keepalived")],
    "CT": [("raw PREROUTING -p tcp -m mark --mark 1 -j CT --helper ftp", "--helper", "behind table raw"),
           ("raw PREROUTING -j CT --ctevents new", "--ctevents", "behind table raw"),
           ("raw PREROUTING -j CT --zone mark", "mark", "zone of a mark")],
    "DNPT": [("6 mangle PREROUTING -d 2001:db8:1::/64 -j DNPT --src-pfx 2001:db8:1::/64 --dst-pfx 2001:db8::/64", "DNPT", "NETMAP")],
    "HL": [("6 mangle PREROUTING -j HL --hl-dec 1", "--hl-dec", "hl-set")],
    "HMARK": [("mangle PREROUTING -j HMARK --hmark-tuple src,dst --hmark-mod 10 --hmark-rnd 1 --hmark-offset 100", "HMARK", "hash")],
    "IDLETIMER": [("filter INPUT -j IDLETIMER --timeout 60 --label x", "IDLETIMER", "timers")],
    "LED": [("filter INPUT -j LED --led-trigger-id x", "LED", "blinks")],
    "RATEEST": [("mangle PREROUTING -j RATEEST --rateest-name x --rateest-interval 250ms --rateest-ewmalog 500ms", "RATEEST", "rates")],
    "SECMARK": [("security INPUT -j SECMARK --selctx system_u:object_r:httpd_packet_t:s0", "SECMARK", "SELinux")],
    "SET": [("filter INPUT -j SET --add-set x src", "SET", "ban")],
    "SNPT": [("6 mangle POSTROUTING -s 2001:db8::/64 -j SNPT --src-pfx 2001:db8::/64 --dst-pfx 2001:db8:1::/64", "SNPT", "NETMAP")],
    "SYNPROXY": [("filter INPUT -p tcp -j SYNPROXY --ecn", "--ecn", "ECN")],
    "TEE": [("mangle PREROUTING -j TEE --gateway 10.0.0.9", "TEE", "tables of one family"), ("6 mangle PREROUTING -j TEE --gateway 2001:db8::9", "TEE", "tables of one family")],
    "TTL": [("mangle PREROUTING -j TTL --ttl-inc 1", "--ttl-inc", "ttl-set")],
    "ULOG": [("filter INPUT -j ULOG --ulog-nlgroup 1", "ULOG", "NFLOG")],
}


def split(rule):
    six = rule.startswith("6 ")
    table, chain, rest = rule.removeprefix("6 ").split(" ", 2)
    return six, table, chain, rest


@pytest.fixture(scope="module")
def namespace():
    n = packets.Namespace()
    n.run("ip", "link", "set", "lo", "up")
    yield n
    n.close()


def saved(namespace, rule):
    """The rule as iptables-save writes it; as it was given where this kernel has no such extension."""
    six, table, chain, rest = split(rule)
    tool = "ip6tables-legacy" if six else "iptables-legacy"
    inside = ["nsenter", f"--net={namespace.path}"]
    subprocess.run([*inside, tool, "-t", table, "-F"], check=True)
    # Words as the shell has them, no more.
    done = subprocess.run([*inside, "sh", "-c", f"{tool} -t {table} -A {chain} {rest}"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"-A {chain} {rest}"
    text = subprocess.run([*inside, f"{tool}-save", "-t", table], capture_output=True, text=True, check=True).stdout
    subprocess.run([*inside, tool, "-t", table, "-F"], check=True)
    line, = (x for x in text.splitlines() if x.startswith("-A"))
    return line


def write(tmp_path, rule, line):
    six, table, chain, _ = split(rule)
    path = tmp_path / ("rules.v6" if six else "rules.v4")
    path.write_text(f"# Generated by {'ip6' if six else 'ip'}tables-save v1.8.9\n*{table}\n:{chain} ACCEPT [0:0]\n{line}\nCOMMIT\n")
    return path


def infractl(*words):
    return subprocess.run([INFRACTL, f"--profiles={PROFILES}", *map(str, words)], capture_output=True, text=True, timeout=120, check=False)


def kernel_takes(namespace, statement):
    rules = f"add table inet probe; add chain inet probe c; add rule inet probe c {statement}"
    return subprocess.run(["nsenter", f"--net={namespace.path}", "nft", "-c", rules], capture_output=True, check=False).returncode == 0


def test_every_installed_extension_is_here():
    installed = set()
    for path in glob.glob("/usr/lib/*/xtables/lib*.so"):
        name = re.fullmatch(r"lib(?:xt|ipt|ip6t)_(\w+)\.so", pathlib.Path(path).name)
        if name:
            installed.add(name[1])
    assert installed, "no extensions of iptables found"
    assert not installed - set(TRANSLATED) - set(REFUSED)


@pytest.mark.parametrize("rule", [pytest.param(r, id=f"{name}-{i}") for name, rules in TRANSLATED.items() for i, r in enumerate(rules)])
def test_translated(namespace, tmp_path, rule):
    line = saved(namespace, rule)
    old, policy = write(tmp_path, rule, line), tmp_path / "policy"
    done = infractl("--json", "import", "iptables", old, "--into", policy)
    assert done.returncode == EQUAL, f"{line}\n{done.stderr}"
    assert json.loads(done.stdout)["equal"]
    if "NFQUEUE" in rule and not kernel_takes(namespace, "queue"):
        pytest.skip("this kernel has no queues for nftables")
    namespace.run(FIREWALL_TOOL, "load", policy, PROFILES)
    assert namespace.run(FIREWALL_TOOL, "diff", policy, PROFILES).stdout == ""
    assert "# [" not in namespace.run(FIREWALL_TOOL, "kernel", policy, PROFILES).stdout
    namespace.run("nft", "list", "ruleset")
    namespace.run(FIREWALL_TOOL, "unload", policy, PROFILES)


@pytest.mark.parametrize("rule, word, reason", [pytest.param(*r, id=f"{name}-{i}") for name, rules in REFUSED.items() for i, r in enumerate(rules)])
def test_refused(namespace, tmp_path, rule, word, reason):
    line = saved(namespace, rule)
    done = infractl("import", "iptables", write(tmp_path, rule, line), "--into", tmp_path / "policy")
    assert done.returncode == POLICY, done.stdout + done.stderr
    where = re.search(r"rules\.v[46]:4:(\d+): error", done.stderr)
    assert where and line[int(where[1]) - 1:].startswith(word), f"{line}\n{done.stderr}"
    assert reason in done.stderr
    assert not (tmp_path / "policy").exists()
