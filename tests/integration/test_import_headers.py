# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules that look into headers or change them, in iptables and as the policy imported from them: the same packets leave two
routers, byte for byte, or do not. What iptables and nftables say of it is one thing, what their kernel modules do another.
"""

import os
import shutil
import socket
import struct
import threading
import time

import pytest

import packets
from ways import FIREWALL_TOOL, PROFILES, load_old, run_infractl

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("iptables-legacy"), reason="needs root and iptables-legacy")
AH, ESP, COMP, SCTP, DCCP = 51, 50, 108, 132, 33
SYN, ACK, FIN, RST, ECE, CWR = 2, 16, 1, 4, 64, 128
MSS, WINDOW, TIMESTAMP, SACK_PERMITTED = b"\2\4\5\x78", b"\3\3\7\1", b"\x08\x0a\0\0\0\1\0\0\0\2\1\1", b"\4\2\1\1"


class Maker:
    """Packets with numbers, from 203.0.113.7 to 10.0.0.17; each has a port of its own."""

    def __init__(self):
        self.made = []

    def ip(self, protocol, body, tos=0):
        head = struct.pack("!BBHHHBBH4s4s", 0x45, tos, 20 + len(body), 0, 0x4000, 64, protocol, 0, socket.inet_aton("203.0.113.7"), socket.inet_aton("10.0.0.17"))
        self.made.append(head[:10] + struct.pack("!H", packets.checksum(head)) + head[12:] + body)

    def mark(self):
        return packets.MARK + struct.pack("!I", len(self.made))

    def tcp(self, flags=SYN, options=b"", tos=0, port=25):
        body = struct.pack("!HHIIBBHHH", 20000 + len(self.made), port, 1, 0, (5 + len(options) // 4) << 4, flags, 1024, 0, 0) + options + self.mark()
        pseudo = socket.inet_aton("203.0.113.7") + socket.inet_aton("10.0.0.17") + struct.pack("!BBH", 0, packets.TCP, len(body))
        self.ip(packets.TCP, body[:16] + struct.pack("!H", packets.checksum(pseudo + body)) + body[18:], tos)

    def all(self):
        for flags in (SYN, ACK, SYN | ACK, FIN | ACK, SYN | ECE, SYN | CWR, SYN | ECE | CWR):
            self.tcp(flags)
        for options in (MSS, b"\2\4\5\x79", b"\2\4\0\1", WINDOW, TIMESTAMP, SACK_PERMITTED, MSS + WINDOW + TIMESTAMP + SACK_PERMITTED, b"\1\1\1\1", b"\x13\x12" + bytes(16) + b"\1\1"):
            self.tcp(options=options)
        for tos in (1, 2, 3, 0xb8, 0xbb):
            self.tcp(tos=tos)
        for spi in (0, 5, 499, 500, 501, 600, 601, 0xffffffff):
            self.ip(AH, struct.pack("!BBHII", 59, 2, 0, spi, 1) + self.mark())
            self.ip(ESP, struct.pack("!II", spi, 1) + self.mark())
            self.ip(COMP, struct.pack("!BBH", 59, 0, spi & 0xffff) + self.mark())
        for chunks in ((1,), (0,), (0, 3), (1, 0), (10,), (6,), (192,), (77,)):
            body = b"".join(struct.pack("!BBH", c, 0, 8) + b"\0\0\0\0" for c in chunks)
            self.ip(SCTP, struct.pack("!HHII", 20000 + len(self.made), 5, 0, 0) + body + struct.pack("!BBH", 77, 0, 4 + len(self.mark())) + self.mark())
        for kind in range(12):
            self.ip(DCCP, struct.pack("!HHBBHBBH", 20000 + len(self.made), 5, 4, 0, 0, kind << 1 | 1, 0, 0) + b"\0\0\0\0" + self.mark())
        return self.made


HOUR = time.gmtime().tm_hour
DAY = time.strftime("%a", time.gmtime())
RULES = [
    "filter -p tcp -m tcp --tcp-option 2 -j DROP", "filter -p tcp -m tcp ! --tcp-option 8 -j DROP", "filter -p tcp -m tcp --tcp-option 19 -j DROP",
    "filter -p tcp -m tcpmss --mss 1400:1500 -j DROP", "filter -p tcp -m tcpmss ! --mss 1400 -j DROP", "filter -p tcp -m tcpmss --mss 1:535 -j DROP",
    "filter -p tcp -m ecn --ecn-tcp-ece -j DROP", "filter -p tcp -m ecn ! --ecn-tcp-cwr -j DROP", "filter -m ecn --ecn-ip-ect 3 -j DROP", "filter -m ecn ! --ecn-ip-ect 0 -j DROP",
    "filter -p ah -m ah --ahspi 500:600 -j DROP", "filter -p ah -m ah ! --ahspi 500 -j DROP", "filter -p esp -m esp --espspi 500:600 -j DROP", "filter -p esp -m esp ! --espspi 1:500 -j DROP",
    "filter -p ipcomp -m ipcomp --ipcompspi 500:600 -j DROP", "filter -p ipcomp -m ipcomp ! --ipcompspi 65535 -j DROP",
    "filter -p sctp -m sctp --chunk-types any DATA,INIT -j DROP", "filter -p sctp -m sctp --chunk-types all DATA,INIT -j DROP",
    "filter -p sctp -m sctp ! --chunk-types any INIT,COOKIE_ECHO -j DROP", "filter -p sctp -m sctp ! --chunk-types all DATA,SACK -j DROP",
    "filter -p dccp -m dccp --dccp-types REQUEST,RESET -j DROP", "filter -p dccp -m dccp ! --dccp-types DATA,ACK -j DROP", "filter -p dccp -m dccp --dccp-types INVALID -j DROP",
    "filter -m statistic --mode nth --every 3 --packet 2 -j DROP", "filter -m statistic --mode nth ! --every 4 --packet 1 -j DROP",
    f"filter -p tcp -m time --timestart {HOUR:02}:00 --timestop {(HOUR + 2) % 24:02}:00 -j DROP", f"filter -p tcp -m time --timestart {(HOUR + 3) % 24:02}:00 --timestop {(HOUR + 4) % 24:02}:00 -j DROP",
    f"filter -p tcp -m time --weekdays {DAY} -j DROP", f"filter -p tcp -m time ! --weekdays {DAY} -j DROP", "filter -p tcp -m time --datestart 2020-01-01T00:00:00 --datestop 2021-01-01T00:00:00 -j DROP",
    "filter -m conntrack --ctproto 6 -j DROP", "filter -m conntrack ! --ctrepldst 192.0.2.0/24 -j DROP", "filter -p tcp -m conntrack --ctreplsrcport 25 --ctrepldstport 20003:20005 -j DROP",
    "filter -m addrtype --src-type UNICAST -j DROP", "filter -m policy --dir out --pol none -j DROP", "filter -m policy --dir out --pol ipsec -j DROP",
    "filter -p tcp -m connbytes --connbytes 1 --connbytes-dir original --connbytes-mode packets -j DROP", "filter -m connbytes ! --connbytes 0:60 --connbytes-dir both --connbytes-mode avgpkt -j DROP",
    "mangle -p tcp -j TCPOPTSTRIP --strip-options mss,sack-permitted,timestamp", "mangle -p tcp -j ECN --ecn-tcp-remove", "mangle -j TTL --ttl-set 9", "mangle -p tcp -j DSCP --set-dscp 46",
    "mangle -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1200",
]


def both_say(routers, tmp_path, text, sent):
    old, new = routers
    rules, policy = tmp_path / "rules.v4", tmp_path / "policy"
    rules.write_text(text)
    load_old(old, text)
    run_infractl("import", "iptables", rules, "--into", policy)
    new.router.run(FIREWALL_TOOL, "load", policy, PROFILES)
    for path in routers:
        path.router.run("sysctl", "-qw", "net.netfilter.nf_conntrack_acct=1")
        path.router.run("conntrack", "-F") if shutil.which("conntrack") else None
    return old.forward(sent), new.forward(sent)


@pytest.mark.parametrize("rule", RULES)
def test_the_same_bytes_leave(routers, tmp_path, rule):
    table, rest = rule.split(" ", 1)
    text = "# Generated by iptables-save v1.8.9\n"
    for name in ("mangle", "filter"):
        text += f"*{name}\n:FORWARD ACCEPT [0:0]\n" + (f"-A FORWARD {rest}\n" if name == table else "") + "COMMIT\n"
    sent = Maker().all()
    old, new = both_say(routers, tmp_path, text, sent)
    for n, data in enumerate(sent):
        assert old[n] == new[n], f"{rule}: packet {n}, {data.hex()}: {old[n] and old[n].hex()}, {new[n] and new[n].hex()}"
    if table == "mangle" or "-m time" not in rule:
        assert any(x != y for x, y in zip(old, unchanged(sent), strict=True)) or "ipsec" in rule, "the rule does nothing to any packet"


def unchanged(sent):
    """Forwarded: one hop less."""
    out = []
    for data in sent:
        head = data[:8] + bytes([63]) + data[9:10] + b"\0\0" + data[12:20]
        out.append(head[:10] + struct.pack("!H", packets.checksum(head)) + head[12:] + data[20:])
    return out


@pytest.mark.parametrize("bits", ["--save-mark --nfmask 0xf --ctmask 0xff", "--save-mark --mask 0x3c", "--save-mark"])
def test_bits_of_marks(routers, tmp_path, bits):
    """A mark saved in part, restored in part, and asked for: of every value the same ports get through."""
    lines = ["# Generated by iptables-save v1.8.9", "*mangle", ":PREROUTING ACCEPT [0:0]"]
    lines += [f"-A PREROUTING -p tcp -m tcp --dport {n} -j MARK --set-xmark {n * 37 & 0xff:#x}/0xffffffff" for n in range(1, 17)]
    lines += ["-A PREROUTING -j CONNMARK --set-xmark 0xa5/0xffffffff", f"-A PREROUTING -j CONNMARK {bits}", "-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xf0 --ctmask 0x3f",
              "COMMIT", "*filter", ":FORWARD ACCEPT [0:0]"]
    lines += ["-A FORWARD -m connmark --mark 0x4/0x4 -j DROP", "-A FORWARD -m mark --mark 0x12/0x12 -j DROP"]
    maker = Maker()
    for port in range(1, 17):
        maker.tcp(port=port)
    old, new = both_say(routers, tmp_path, "\n".join([*lines, "COMMIT", ""]), maker.made)
    assert [x is None for x in old] == [x is None for x in new]
    assert any(x is None for x in old) and any(old)


def listen(namespace, address, transparent=False):
    with namespace.inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if transparent:
            s.setsockopt(socket.SOL_IP, 19, 1)  # IP_TRANSPARENT
        s.bind(address)
        s.listen()
    s.settimeout(5)
    return s


def connect(namespace, port):
    """Who answers a connection to 10.0.0.17; None: nobody."""
    with namespace.inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(1.5)
    try:
        s.connect(("10.0.0.17", port))
        return s.recv(100).decode()
    except OSError:
        return None
    finally:
        s.close()


def answer(listener, text, times):
    def serve():
        for _ in range(times):
            try:
                s, _ = listener.accept()
            except OSError:
                return
            s.sendall(f"{text} {s.getsockname()[0]}:{s.getsockname()[1]}".encode())
            s.close()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


@pytest.fixture
def ends(routers):
    for p in routers:
        p.client.run("ip", "route", "replace", "10.0.0.0/24", "via", "10.254.0.1")
        p.server.run("ip", "address", "replace", "10.0.0.17/32", "dev", "out")
        p.server.run("ip", "route", "replace", "default", "via", "10.255.0.1")
        p.router.run("ip", "rule", "add", "fwmark", "1", "lookup", "100")
        p.router.run("ip", "route", "replace", "local", "default", "dev", "lo", "table", "100")
    yield
    for p in routers:
        p.router.run("ip", "rule", "del", "fwmark", "1", "lookup", "100")


def test_a_proxy_takes_connections(routers, ends, tmp_path):
    """To the proxy with a socket, nowhere without one; other ports are left alone."""
    text = ("# Generated by iptables-save v1.8.9\n*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m socket --transparent -j MARK --set-xmark 0x1/0xffffffff\n"
            "-A PREROUTING -i eno1 -p tcp -m tcp --dport 80:81 -j TPROXY --on-port 8080 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1\nCOMMIT\n*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n")
    both_say(routers, tmp_path, text, [])
    for p in routers:
        server = [listen(p.server, ("10.0.0.17", port)) for port in (80, 82)]
        threads = [answer(s, "server", 1) for s in server]
        assert connect(p.client, 80) is None, "without a proxy the packet is dropped"
        proxy = listen(p.router, ("0.0.0.0", 8080), transparent=True)
        threads.append(answer(proxy, "proxy", 2))
        assert connect(p.client, 80) == "proxy 10.0.0.17:80"
        assert connect(p.client, 81) == "proxy 10.0.0.17:81"
        assert connect(p.client, 82) == "server 10.0.0.17:82"
        for s in (*server, proxy):
            s.close()
        for t in threads:
            t.join(6)


def test_a_synproxy_answers_first(routers, ends, tmp_path):
    text = ("# Generated by iptables-save v1.8.9\n*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eno1 -p tcp -m tcp --dport 90 --tcp-flags FIN,SYN,RST,ACK SYN -j CT --notrack\nCOMMIT\n"
            "*mangle\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n"
            "-A FORWARD -i eno1 -p tcp -m tcp --dport 90 -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460\n"
            "-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n")
    both_say(routers, tmp_path, text, [])
    for p in routers:
        p.router.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0", "net.ipv4.tcp_syncookies=1", "net.ipv4.tcp_timestamps=1")
        server = listen(p.server, ("10.0.0.17", 90))
        thread = answer(server, "server", 1)
        assert connect(p.client, 90) == "server 10.0.0.17:90"
        server.close()
        thread.join(6)
    counted = [p.router.run("cat", "/proc/net/stat/synproxy").stdout.splitlines()[1:] for p in routers]
    received = [sum(int(line.split()[1], 16) for line in lines) for lines in counted]
    assert all(n >= 1 for n in received), received


def call_back(path):
    """Whether an FTP server at port 2121 gets through to the port that its client told it."""
    server = listen(path.server, ("10.0.0.17", 2121))
    waiting = listen(path.client, ("10.254.0.2", 0))
    with path.client.inside():
        control = socket.create_connection(("10.0.0.17", 2121), timeout=2)
    answering, _ = server.accept()
    port = waiting.getsockname()[1]
    control.sendall(b"USER anonymous\r\n")  # the helper looks at what stands behind a line
    answering.recv(100)
    control.sendall(f"PORT 10,254,0,2,{port >> 8},{port & 255}\r\n".encode())
    answering.recv(100)
    with path.server.inside():
        data = socket.socket()
        data.bind(("10.0.0.17", 0))
    data.settimeout(1.5)
    try:
        data.connect(("10.254.0.2", port))
        return True
    except OSError:
        return False
    finally:
        for s in (server, waiting, control, answering, data):
            s.close()


@pytest.mark.parametrize("before, through", [("", True), ("-A PREROUTING -s 192.0.2.0/24 -j DROP\n", True), ("-A PREROUTING -s 10.254.0.2/32 -j ACCEPT\n", False)])
def test_a_helper_lets_the_server_call_back(routers, ends, tmp_path, before, through):
    text = ("# Generated by iptables-save v1.8.9\n*mangle\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"
            f"*raw\n:PREROUTING ACCEPT [0:0]\n{before}-A PREROUTING -p tcp -m tcp --dport 2121 -j CT --helper ftp\nCOMMIT\n*filter\n:FORWARD DROP [0:0]\n"
            "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A FORWARD -p tcp -m tcp --dport 2121 -j ACCEPT\n"
            "-A FORWARD -m conntrack --ctstate RELATED -m helper --helper ftp -j ACCEPT\nCOMMIT\n")
    both_say(routers, tmp_path, text, [])
    assert [call_back(p) for p in routers] == [through, through]


def test_labels(routers, tmp_path):
    """Put on one connection, asked for and asked against."""
    text = ("# Generated by iptables-save v1.8.9\n*mangle\n:FORWARD ACCEPT [0:0]\nCOMMIT\n*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n"
            "-A FORWARD -p tcp -m tcp --dport 105:110 -m connlabel --label 77 --set\n-A FORWARD -p tcp -m tcp --dport 108:112 -m connlabel --label 5 --set\n"
            "-A FORWARD -m connlabel --label 77 -m connlabel --label 5 -j DROP\n-A FORWARD -p tcp -m tcp --dport 114 -m connlabel ! --label 77 -j DROP\nCOMMIT\n")
    maker = Maker()
    for port in range(100, 120):
        maker.tcp(port=port)
    old, new = both_say(routers, tmp_path, text, maker.made)
    assert [x is None for x in old] == [x is None for x in new] == [100 + n in (108, 109, 110, 114) for n in range(20)]


HEADERS = {"hop": 0, "dst": 60, "route": 43, "frag": 44}
RULES6 = [
    "-m hbh -j DROP", "-m hbh --hbh-len 16 -j DROP", "-m dst --dst-len 8 -j DROP", "-m dst ! --dst-len 8 -j DROP", "-m frag -j DROP", "-m frag --fragid 1:42 -j DROP",
    "-m frag ! --fragid 7 -j DROP", "-m rt --rt-type 2 -j DROP", "-m rt ! --rt-type 2 -j DROP", "-m rt --rt-segsleft 1:3 -j DROP",
    "-m rt ! --rt-len 24 -j DROP", "-m ipv6header --header hop,dst --soft -j DROP", "-m ipv6header ! --header dst --soft -j DROP", "-m ipv6header ! --header route,hop --soft -j DROP",
    "-p mobility-header -m mh --mh-type 5 -j DROP", "-p mobility-header -m mh ! --mh-type 1:4 -j DROP", "-p esp -m esp --espspi 5 -j DROP", "-m ecn ! --ecn-ip-ect 0 -j DROP",
]


def six(number, *headers, last=59, body=b"", tos=0):
    """A packet of IPv6 with those headers: ("hop", 8 bytes), ("route", 24 bytes with type and segments) and so on."""
    kinds = [HEADERS[kind] for kind, _ in headers] + [last]
    data = b"".join(bytes([kinds[n + 1]]) + content[1:] for n, (_, content) in enumerate(headers)) + body + packets.MARK + struct.pack("!I", number)
    source, destination = (socket.inet_pton(socket.AF_INET6, a) for a in ("2001:db8:1::2", "2001:db8:2::2"))
    return struct.pack("!IHBB", 6 << 28 | tos << 20, len(data), kinds[0], 64) + source + destination + data


def sixes():
    options, more = b"\0\0\1\4\0\0\0\0", b"\0\1\1\x0c" + bytes(12)
    shapes = [(), (("hop", options),), (("hop", more),), (("dst", options),), (("dst", more),), (("hop", options), ("dst", options)), (("hop", more), ("dst", options))]
    for kind in (2, 4):
        shapes += [(("route", b"\0\2" + bytes([kind, left]) + bytes(20)),) for left in (0, 1)]
    shapes += [(("hop", options), ("route", b"\0\4\2\1" + bytes(36)))]
    shapes += [(("frag", b"\0\0\0\0" + struct.pack("!I", number)),) for number in (1, 7, 42, 43)]
    made = [six(n, *shape) for n, shape in enumerate(shapes)]
    made += [six(len(made) + n, last=135, body=bytes([59, 0, n, 0, 0, 0, 0, 0])) for n in (0, 1, 4, 5, 8)]
    made += [six(100 + n, last=50, body=struct.pack("!II", n, 1)) for n in (4, 5, 6)]
    return made + [six(200 + n, tos=n) for n in range(4)]


@pytest.fixture(scope="module")
def routers6(routers):
    for p in routers:
        p.router.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.all.accept_source_route=1", "net.ipv6.conf.eno1.accept_source_route=1")
        for side, interface, address in ((p.router, "eno1", "2001:db8:1::1/64"), (p.router, "br0", "2001:db8:2::1/64"), (p.server, "out", "2001:db8:2::2/64")):
            side.run("ip", "-6", "address", "replace", address, "dev", interface, "nodad")
        hardware = p.server.run("ip", "-o", "link", "show", "dev", "out").stdout.split("link/ether ")[1].split()[0]
        p.router.run("ip", "-6", "neighbour", "replace", "2001:db8:2::2", "lladdr", hardware, "dev", "br0", "nud", "permanent")
    return routers


def forward6(path, sent):
    """What left by br0 of each packet that came by eno1."""
    ends = []
    for side in (path.client, path.server):
        with side.inside():
            s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x86dd))
            s.bind(("out", 0x86dd))
            s.setblocking(False)
            ends.append(s)
    time.sleep(0.05)
    for data in sent:
        ends[0].sendto(data, ("out", 0x86dd, 0, 0, path.sockets["eno1"][1]))
    time.sleep(0.15)
    seen = set()
    try:
        while True:
            data, address = ends[1].recvfrom(4096)
            if address[2] != socket.PACKET_OUTGOING and packets.MARK in data:
                seen.add(data[data.find(packets.MARK):][:len(packets.MARK) + 4])
    except BlockingIOError:
        pass
    for s in ends:
        s.close()
    return [data[data.find(packets.MARK):] in seen for data in sent]


@pytest.mark.parametrize("rule", RULES6)
def test_headers_of_ipv6(routers6, tmp_path, rule):
    old, new = routers6
    # Connections are tracked here as they are by a policy: both put fragments together.
    text = f"# Generated by ip6tables-save v1.8.9\n*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m conntrack --ctstate UNTRACKED -j DROP\n-A FORWARD {rule}\nCOMMIT\n"
    rules, policy, sent = tmp_path / "rules.v6", tmp_path / "policy", sixes()
    rules.write_text(text)
    old.router.run("ip6tables-legacy-restore", input=text)
    run_infractl("import", "iptables", rules, "--into", policy)
    new.router.run(FIREWALL_TOOL, "load", policy, PROFILES)
    a, b = forward6(old, sent), forward6(new, sent)
    for n, data in enumerate(sent):
        assert a[n] == b[n], f"{rule}: {data.hex()}: {a[n]}, {b[n]}"
    assert any(a) and (not all(a) or "frag" in rule), "the rule lets everything through, or nothing"
