# SPDX-License-Identifier: GPL-2.0-or-later
"""A router between neighbours, all network namespaces: packets with any header, IPv4 and IPv6, are sent from one side or
by the router itself, and where they come out and with which addresses is seen on the other side, on the same side again, or
by the router itself.

    internet  10.254.0.2 fd00:254::2 --- eno1 [router] br0  --- 10.255.0.2 fd00:255::2  containers
    intranet  10.253.0.2 fd00:253::2 --- eno2
              10.252.0.2 fd00:252::2 --- other0

10.0.0.0/24 and 2001:db8:616:162:2::/80 are behind br0, 172.16.2.0/24 and 2001:db8:172::/64 behind eno2, nothing behind other0,
all else behind eno1. Nobody answers by himself: every packet is the first of its connection, and answers are sent like others.
"""

import contextlib
import ctypes
import ipaddress
import os
import select
import socket
import struct
import subprocess
import time

CLONE_NEWNET = 0x40000000
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
NEIGHBOURS = {"eno1": 254, "eno2": 253, "other0": 252, "br0": 255}
OWN = {i: f"10.{n}.0.1" for i, n in NEIGHBOURS.items()}
OWN6 = {i: f"fd00:{n}::1" for i, n in NEIGHBOURS.items()}
LOCAL = [*OWN.values(), "10.0.0.1", "198.51.100.1"]
LOCAL6 = [*OWN6.values(), "2001:db8:616:162:2::1", "2001:db8:198::1"]
ROUTED = {"10.0.0.0/24": "br0", "10.255.0.0/30": "br0", "172.16.2.0/24": "eno2", "10.253.0.0/30": "eno2", "10.252.0.0/30": "other0", "0.0.0.0/0": "eno1",
          "2001:db8:616:162:2::/80": "br0", "fd00:255::/64": "br0", "2001:db8:172::/64": "eno2", "fd00:253::/64": "eno2", "fd00:252::/64": "other0",
          "::/0": "eno1"}
ROUTES = [f"local={a}" for a in LOCAL + LOCAL6] + [f"{interface}={net}" for net, interface in ROUTED.items()]
MARK, ANSWER = b"infra-packet-", b"infra-answer-"
TOO_BIG, MTU = {ICMP: (3, 4), ICMPV6: (2, 0)}, 1401  # nobody else's: the router says such things, too
ETHER, ETHER6, ETHER_ALL = 0x0800, 0x86dd, 0x0003
SENTINEL = 0x88b5  # for local experiments (IEEE 802): no firewall for IP sees it
SOL_PACKET, PACKET_IGNORE_OUTGOING, SO_RCVBUFFORCE = 263, 23, 33
AT_ONCE = 64
libc = ctypes.CDLL(None, use_errno=True)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def aton(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def way_to(address):
    """The interface that the router sends it by."""
    return next(i for net, i in ROUTED.items() if (":" in net) == (":" in address) and ipaddress.ip_address(address) in ipaddress.ip_network(net))


def transport(protocol, sport, dport, number, answer):
    """The header without its checksum, where that stands, and what follows."""
    payload = (ANSWER if answer else MARK) + struct.pack("!I", number)
    if protocol in (ICMP, ICMPV6):
        return struct.pack("!BBHHH", dport, 0, 0, number & 0xffff, 1), 2, payload
    if protocol == TCP:
        return struct.pack("!HHIIBBHHH", sport, dport, 2 if answer else 1, 2 if answer else 0, 5 << 4, 0x12 if answer else 2, 1024, 0, 0), 16, payload
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0), 6, payload


def packet(protocol, source, sport, destination, dport, number, answer=False):
    """The bytes from the IP header on; of ICMP dport is the type. TCP begins a connection or, as an answer, agrees to one."""
    source, destination = aton(source), aton(destination)
    head, at, payload = transport(protocol, sport, dport, number, answer)
    pseudo = b"" if protocol == ICMP else source + destination + struct.pack("!II", len(head) + len(payload), protocol)
    return whole(protocol, source, destination, head[:at] + struct.pack("!H", checksum(pseudo + head + payload)) + head[at + 2:] + payload)


def whole(protocol, source, destination, body):
    if len(source) == 16:
        return struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + source + destination + body
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0, source, destination)
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + body


def too_big(protocol, source, sport, destination, dport, number):
    """What @destination says to @source about a packet that it got from there."""
    about = packet(protocol, source, sport, destination, dport, number)
    source, destination = aton(source), aton(destination)
    if len(source) == 4:
        head = struct.pack("!BBHHH", *TOO_BIG[ICMP], 0, 0, MTU)
        return whole(ICMP, destination, source, head[:2] + struct.pack("!H", checksum(head + about)) + head[4:] + about)
    head = struct.pack("!BBHI", *TOO_BIG[ICMPV6], 0, MTU)
    pseudo = destination + source + struct.pack("!II", len(head) + len(about), ICMPV6)
    return whole(ICMPV6, destination, source, head[:2] + struct.pack("!H", checksum(pseudo + head + about)) + head[4:] + about)


def read_body(protocol, body, source, destination):
    if TOO_BIG.get(protocol) == tuple(body[:2]) and struct.unpack("!I", body[4:8])[0] & 0xffff == MTU:
        about = read(body[8:])
        return about and (about[0], source, 0, destination, body[0], *about[1:])
    offset = {TCP: 20, UDP: 8, ICMP: 8, ICMPV6: 8}.get(protocol)
    mark = body[offset:offset + len(MARK)] if offset else b""
    # An echo that the router itself answers comes back with what it was asked.
    if mark not in (MARK, ANSWER) or (mark == MARK and (protocol, body[0]) in ((ICMP, 0), (ICMP, 14), (ICMPV6, 129))):
        return None
    number, = struct.unpack("!I", body[offset + len(MARK):offset + len(MARK) + 4])
    if protocol in (ICMP, ICMPV6):
        return number, source, 0, destination, body[0]
    sport, dport = struct.unpack("!HH", body[:4])
    return number, source, sport, destination, dport


def read(data):
    """(number, source, sport, destination, dport) of one of ours, of an error with the same of what it is about; None for anything
    else."""
    if len(data) >= 48 and data[0] >> 4 == 6:
        return read_body(data[6], data[40:], socket.inet_ntop(socket.AF_INET6, data[8:24]), socket.inet_ntop(socket.AF_INET6, data[24:40]))
    if len(data) < 28 or data[0] >> 4 != 4:
        return None
    return read_body(data[9], data[(data[0] & 15) * 4:], socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20]))


def note(seen, where, found):
    if found:
        seen[found[0]] = (where, *found[1:])


class Namespace:
    """A network namespace, kept by its descriptor alone: a new one, or the one of @descriptor."""

    def __init__(self, descriptor=None):
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        if descriptor is None:
            assert libc.unshare(CLONE_NEWNET) == 0
            descriptor = os.open("/proc/self/ns/net", os.O_RDONLY)
            assert libc.setns(home, CLONE_NEWNET) == 0
        os.close(home)
        self.descriptor = descriptor
        self.path = f"/proc/{os.getpid()}/fd/{self.descriptor}"

    @contextlib.contextmanager
    def inside(self):
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        assert libc.setns(self.descriptor, CLONE_NEWNET) == 0
        try:
            yield
        finally:
            assert libc.setns(home, CLONE_NEWNET) == 0
            os.close(home)

    def run(self, *argv, **options):
        return subprocess.run(["nsenter", f"--net={self.path}", *map(str, argv)], check=True, capture_output=True, text=True, **options)

    def close(self):
        os.close(self.descriptor)


def hardware_of(namespace, interface):
    link = namespace.run("ip", "-o", "link", "show", "dev", interface).stdout
    return link.split("link/ether ")[1].split()[0]


def listening(interface, ether):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ether))
    s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    s.bind((interface, ether))
    s.setblocking(False)
    return s


class Path:
    """The router with its neighbours."""

    def __init__(self):
        self.router = Namespace()
        self.sides = {interface: Namespace() for interface in NEIGHBOURS}
        self.client, self.server = self.sides["eno1"], self.sides["br0"]
        self.sockets, self.sentinels, self.serial, self.arrived = {}, {}, 0, set()
        self.router.run("ip", "link", "set", "lo", "up")
        for side, interface in ((s, i) for i, s in self.sides.items()):
            self.router.run("ip", "link", "add", interface, "type", "veth", "peer", "name", "out", "netns", side.path)
        self.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=0", "net.ipv4.icmp_ratelimit=0",
                        "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.lo.rp_filter=0",
                        *(f"net.ipv4.conf.{i}.{k}=0" for i in self.sides for k in ("rp_filter", "send_redirects")))
        for interface, side in self.sides.items():
            self.plug(interface, side, NEIGHBOURS[interface])
        for address in set(LOCAL + LOCAL6) - {*OWN.values(), *OWN6.values()}:
            self.router.run("ip", "address", "add", address, "dev", "lo")
        for net, interface in ROUTED.items():
            n = NEIGHBOURS[interface]
            if not net.startswith(("10.25", "fd00")):
                self.router.run("ip", "route", "add", net, "via", f"fd00:{n}::2" if ":" in net else f"10.{n}.0.2", "dev", interface)
        self.open()

    def plug(self, interface, side, n):
        """Addresses of both ends; nobody has to ask for a neighbour, so that no rule is in the way of that."""
        side.run("ip", "address", "add", f"10.{n}.0.2/30", "dev", "out")
        side.run("ip", "address", "add", f"fd00:{n}::2/64", "dev", "out", "nodad")
        side.run("ip", "link", "set", "out", "up")
        side.run("sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1")
        self.router.run("ip", "address", "add", f"10.{n}.0.1/30", "dev", interface)
        self.router.run("ip", "address", "add", f"fd00:{n}::1/64", "dev", interface, "nodad")
        self.router.run("ip", "link", "set", interface, "up")
        for neighbour in (f"10.{n}.0.2", f"fd00:{n}::2"):
            self.router.run("ip", "neighbour", "replace", neighbour, "lladdr", hardware_of(side, "out"), "dev", interface, "nud", "permanent")

    def open(self):
        for interface, side in self.sides.items():
            with side.inside():
                s = listening("out", ETHER_ALL)
            self.sockets[interface] = (s, bytes.fromhex(hardware_of(self.router, interface).replace(":", "")))
            with self.router.inside():
                s = listening(interface, SENTINEL)
            self.sentinels[interface] = (s, bytes.fromhex(hardware_of(side, "out").replace(":", "")))
        with self.router.inside():
            self.own = {p: socket.socket(socket.AF_INET, socket.SOCK_RAW, p) for p in (TCP, UDP, ICMP)}
            self.own6 = {p: socket.socket(socket.AF_INET6, socket.SOCK_RAW, p) for p in (TCP, UDP, ICMPV6)}
            self.sending = {4: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
                            6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)}
        for s in (*self.own.values(), *self.own6.values()):
            s.setblocking(False)
        for s in self.own6.values():
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)

    def forget(self):
        """The router knows no connection any more."""
        delete = struct.pack("=IHHII", 20, 1 << 8 | 2, 5, 1, 0) + bytes(4)  # IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST | NLM_F_ACK
        with self.router.inside(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as s:  # NETLINK_NETFILTER
            s.send(delete)
            assert struct.unpack("=i", s.recv(4096)[16:20]) == (0,)

    def send(self, interface, data):
        six = data[0] >> 4 == 6
        if interface != "host":
            s, hardware = self.sockets[interface]
            s.sendto(data, ("out", ETHER6 if six else ETHER, 0, 0, hardware))
            return
        to = socket.inet_ntop(socket.AF_INET6, data[24:40]) if six else socket.inet_ntoa(data[16:20])
        with contextlib.suppress(PermissionError):  # what one may not send is refused at once
            self.sending[6 if six else 4].sendto(data, (to, 0))

    def drain_sides(self, seen):
        for interface, (s, _) in self.sockets.items():
            with contextlib.suppress(BlockingIOError):
                while True:
                    data, address = s.recvfrom(4096)
                    if address[1] == SENTINEL:
                        self.arrived.add((interface, data[:8]))
                    else:
                        note(seen, interface, read(data))

    def drain(self, seen):
        """What came out since: {number: (where, source, sport, destination, dport)}."""
        self.drain_sides(seen)
        for s in self.own.values():
            with contextlib.suppress(BlockingIOError):
                while True:
                    note(seen, "host", read(s.recv(4096)))
        for protocol, s in self.own6.items():
            with contextlib.suppress(BlockingIOError):
                while True:
                    data, extra, _, address = s.recvmsg(4096, 256)
                    to = socket.inet_ntop(socket.AF_INET6, extra[0][2][:16])
                    note(seen, "host", read_body(protocol, data, address[0].partition("%")[0], to))

    def settle(self, seen):
        """Until all that is under way has arrived: a processor takes packets in the order in which they came, so what is sent
        behind them to the router, and from there to the neighbours, comes last."""
        self.serial += 1
        self.arrived = set()
        serial = struct.pack("!Q", self.serial)
        for s, hardware in self.sockets.values():
            s.sendto(serial.ljust(46, b"\0"), ("out", SENTINEL, 0, 0, hardware))
        for s, _ in self.sentinels.values():
            until = time.monotonic() + 1
            while time.monotonic() < until:
                if select.select([s], [], [], 0.1)[0] and s.recv(64)[:8] == serial:
                    break
        for interface, (s, hardware) in self.sentinels.items():
            s.sendto(serial.ljust(46, b"\0"), (interface, SENTINEL, 0, 0, hardware))
        until = time.monotonic() + 1
        while time.monotonic() < until and self.arrived != {(i, serial) for i in self.sides}:
            self.drain(seen)
        self.drain(seen)

    def observe(self, packets, answer=False):
        """packets: (interface, protocol, source, sport, destination, dport), or None for none; the interface "host" is the router
        itself. One answer each: None, or what came out, as (interface or "host", source, sport, destination, dport)."""
        return self.exchange([one and (one[0], packet(*one[1:], n, answer)) for n, one in enumerate(packets)])

    def observe_errors(self, packets):
        """The same with errors about @packets, each sent by who got it where it got it: (interface, protocol, source, sport,
        destination, dport) as it came there."""
        return self.exchange([one and (one[0], too_big(*one[1:], n)) for n, one in enumerate(packets)])

    def exchange(self, packets):
        """packets: (interface, bytes) or None."""
        seen, processors = {}, os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(processors)})
        try:
            for number, one in enumerate(packets):
                if one:
                    self.send(*one)
                if number % AT_ONCE == AT_ONCE - 1:
                    self.settle(seen)
            self.settle(seen)
        finally:
            os.sched_setaffinity(0, processors)
        return [seen.get(n) for n in range(len(packets))]

    def close(self):
        for s, _ in (*self.sockets.values(), *self.sentinels.values()):
            s.close()
        for s in (*self.own.values(), *self.own6.values(), *self.sending.values()):
            s.close()
        for n in (self.router, *self.sides.values()):
            n.close()
