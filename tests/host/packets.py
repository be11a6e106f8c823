# SPDX-License-Identifier: GPL-2.0-or-later
"""A router between two neighbours, all network namespaces: packets with any header are sent from one side, and where they
come out and with which addresses is seen on the other side, on the same side again, or by the router itself.

    client  10.254.0.2 --- 10.254.0.1 eno1 [router] br0 10.255.0.1 --- 10.255.0.2  server

Everything but 10.0.0.0/24 (behind br0) is behind eno1. Nobody answers, so that every packet is the first of its connection.
"""

import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import time

CLONE_NEWNET = 0x40000000
TCP, UDP, ICMP = 6, 17, 1
OWN = {"eno1": "10.254.0.1", "br0": "10.255.0.1"}
LOCAL = ["10.254.0.1", "10.255.0.1", "198.51.100.1"]
ROUTES = [f"local={a}" for a in LOCAL] + ["br0=10.0.0.0/24", "br0=10.255.0.0/30", "eno1=0.0.0.0/0"]
MARK = b"infra-packet-"
libc = ctypes.CDLL(None, use_errno=True)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def packet(protocol, source, sport, destination, dport, number):
    """The bytes from the IP header on; of ICMP dport is the type."""
    payload = MARK + struct.pack("!I", number)
    source, destination = socket.inet_aton(source), socket.inet_aton(destination)
    if protocol == ICMP:
        head = struct.pack("!BBHHH", dport, 0, 0, number & 0xffff, 1)
        body = struct.pack("!BBHHH", dport, 0, checksum(head + payload), number & 0xffff, 1) + payload
    else:
        if protocol == TCP:
            head = struct.pack("!HHIIBBHHH", sport, dport, 1, 0, 5 << 4, 2, 1024, 0, 0)
        else:
            head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
        pseudo = source + destination + struct.pack("!BBH", 0, protocol, len(head) + len(payload))
        at = 16 if protocol == TCP else 6
        body = head[:at] + struct.pack("!H", checksum(pseudo + head + payload)) + head[at + 2:] + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0, source, destination)
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + body


def read(data):
    """(number, source, sport, destination, dport) of one of ours; None for anything else."""
    if len(data) < 28 or data[0] >> 4 != 4:
        return None
    head = (data[0] & 15) * 4
    protocol, body = data[9], data[head:]
    offset = {TCP: 20, UDP: 8, ICMP: 8}.get(protocol)
    if offset is None or body[offset:offset + len(MARK)] != MARK:
        return None
    number, = struct.unpack("!I", body[offset + len(MARK):offset + len(MARK) + 4])
    source, destination = socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20])
    if protocol == ICMP:
        return number, source, 0, destination, body[0]
    sport, dport = struct.unpack("!HH", body[:4])
    return number, source, sport, destination, dport


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


class Path:
    """The router with its two neighbours."""

    def __init__(self):
        self.client, self.router, self.server = Namespace(), Namespace(), Namespace()
        self.sockets = {}
        for side, interface, n in ((self.client, "eno1", 254), (self.server, "br0", 255)):
            self.router.run("ip", "link", "add", interface, "type", "veth", "peer", "name", "out", "netns", side.path)
            self.router.run("ip", "address", "add", f"10.{n}.0.1/30", "dev", interface)
            self.router.run("ip", "link", "set", interface, "up")
            side.run("ip", "address", "add", f"10.{n}.0.2/30", "dev", "out")
            side.run("ip", "link", "set", "out", "up")
            side.run("sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1")
        self.router.run("ip", "link", "set", "lo", "up")
        self.router.run("ip", "address", "add", "198.51.100.1/32", "dev", "lo")
        self.router.run("ip", "route", "add", "10.0.0.0/24", "via", "10.255.0.2")
        self.router.run("ip", "route", "add", "default", "via", "10.254.0.2")
        self.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eno1.rp_filter=0",
                        "net.ipv4.conf.br0.rp_filter=0", "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.eno1.send_redirects=0",
                        "net.ipv4.conf.br0.send_redirects=0", "net.ipv4.icmp_ratelimit=0")
        self.open()

    def open(self):
        for side, interface in ((self.client, "eno1"), (self.server, "br0")):
            link = self.router.run("ip", "-o", "link", "show", "dev", interface).stdout
            hardware = bytes.fromhex(link.split("link/ether ")[1].split()[0].replace(":", ""))
            with side.inside():
                s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
                s.bind(("out", 0x0800))
            s.setblocking(False)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            self.sockets[interface] = (s, hardware)
        with self.router.inside():
            self.own = [socket.socket(socket.AF_INET, socket.SOCK_RAW, p) for p in (TCP, UDP, ICMP)]
        for s in self.own:
            s.setblocking(False)

    def send(self, interface, data):
        s, hardware = self.sockets[interface]
        s.sendto(data, ("out", 0x0800, 0, 0, hardware))

    def drain(self, seen):
        """What came out since: {number: (where, source, sport, destination, dport)}."""
        for where, s in [(i, s) for i, (s, _) in self.sockets.items()] + [("host", s) for s in self.own]:
            with contextlib.suppress(BlockingIOError):
                while True:
                    data, address = s.recvfrom(4096)
                    if where != "host" and address[2] == socket.PACKET_OUTGOING:
                        continue
                    found = read(data)
                    if found:
                        seen[found[0]] = (where, *found[1:])

    def observe(self, packets):
        """packets: (interface, protocol, source, sport, destination, dport). One answer each: None, or what came out."""
        seen = {}
        for number, (interface, *rest) in enumerate(packets):
            self.send(interface, packet(*rest, number))
            if number % 64 == 63:
                time.sleep(0.002)
                self.drain(seen)
        for _ in range(6):
            time.sleep(0.02)
            self.drain(seen)
        return [seen.get(n) for n in range(len(packets))]

    def forward(self, packets):
        """packets: bytes from the IP header on, with MARK and their number behind it. They come by eno1; what left by br0 of each, or None."""
        seen = {}
        for data in packets:
            self.send("eno1", data)
        time.sleep(0.1)
        with contextlib.suppress(BlockingIOError):
            while True:
                data, address = self.sockets["br0"][0].recvfrom(4096)
                at = data.find(MARK)
                if address[2] != socket.PACKET_OUTGOING and at > 0:
                    seen[data[at:at + len(MARK) + 4]] = data
        return [seen.get(data[data.find(MARK):][:len(MARK) + 4]) for data in packets]

    def close(self):
        for s in [s for s, _ in self.sockets.values()] + self.own:
            s.close()
        for n in (self.client, self.router, self.server):
            n.close()
