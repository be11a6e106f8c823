# SPDX-License-Identifier: GPL-2.0-or-later
"""What the compiled rules do to packets. Network namespaces stand for containers: no LXC, no daemon, real nftables."""

import contextlib
import os
import socket
import threading
import time

import pytest

import infrahost
import packets

TOOL = infrahost.BUILD / "tests" / "integration" / "firewall-tool"
PROFILES = infrahost.SOURCE / "policies" / "profiles"
DROPPED = 0.3  # seconds of silence that count as refused
V6 = "2001:db8:616:162:2::"
CLIENT, MONITOR, CLIENT6 = "203.0.113.7", "203.0.113.12", "2001:db8:7::7"
HOST_PUBLIC, MAIL_PUBLIC = "198.51.100.2", "198.51.100.228"
BRIDGE_CALLS = [f"/proc/sys/net/bridge/bridge-nf-call-{t}" for t in ("iptables", "ip6tables")]

POLICY = {
    "host.yaml": """\
host: infra02
release: bookworm
bridge: { name: br0, ipv4: 10.0.0.1/24, ipv6: "2001:db8:616:162:2::1/80" }
storage: { backend: dir, path: /var/lib/infra }
packages: { proxy: "http://10.0.0.201:3128" }
resolvers: [10.0.0.201]
services:
  - { port: 22/tcp, from: monitor, probe: none }
  - { port: 2525/tcp, from: 10.0.0.0/24, probe: none }
""",
    "zones.yaml": """\
zones:
  internet: { interface: eno1 }
  intranet: { interface: eno2, networks: [172.16.2.0/24] }
  monitor: { networks: [203.0.113.12] }
""",
    "containers/mail.yaml": f"""\
container: mail
release: bookworm
addresses: {{ internal: 10.0.0.19, intranet: 172.16.2.19, internet: 198.51.100.228, ipv6: "{V6}19" }}
services:
  - {{ port: 25/tcp, from: any, probe: none }}
  - {{ port: 143/tcp, from: intranet, probe: none }}
  - {{ port: 5666/tcp, from: [monitor, web], probe: none }}
  - {{ port: 60000-60010/udp, from: any, probe: none }}
  - {{ port: 3306/tcp, from: local, probe: none }}
connects:
  - {{ to: internet, port: 25/tcp }}
  - {{ to: intranet, port: 8080/tcp }}
""",
    "containers/web.yaml": f"""\
container: web
release: bookworm
addresses: {{ internal: 10.0.0.26, ipv6: "{V6}26" }}
services:
  - {{ port: 22/tcp, from: internet, public-port: 11722, probe: none }}
connects:
  - {{ to: internet, port: 443/tcp }}
  - {{ to: proxy, port: 3130/tcp }}
""",
    "containers/proxy.yaml": """\
container: proxy
release: bookworm
addresses: { internal: 10.0.0.201 }
services:
  - { port: 3128/tcp, from: 10.0.0.0/24, probe: none }
""",
}


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


class Machine(packets.Namespace):
    """Sockets in a network namespace."""

    def __init__(self, descriptor=None):
        super().__init__(descriptor)
        self.servers = {}

    def ip(self, *arguments):
        infrahost.run("nsenter", f"--net={self.path}", "ip", *arguments)

    def socket(self, kind, address=None):
        with self.inside():
            s = socket.socket(socket.AF_INET6 if address and ":" in address else socket.AF_INET, kind)
        s.settimeout(DROPPED)
        return s

    def serve(self, *ports):
        """Answers every TCP connection with the address it sees, then echoes."""
        for port in ports:
            if port in self.servers:
                continue
            with self.inside():
                s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
            self.servers[port] = s
            threading.Thread(target=self.accept, args=(s,), daemon=True).start()

    def accept(self, server):
        with contextlib.suppress(OSError):
            while True:
                connection, peer = server.accept()
                threading.Thread(target=self.answer, args=(connection, peer[0].removeprefix("::ffff:")), daemon=True).start()

    @staticmethod
    def answer(connection, peer):
        with contextlib.suppress(OSError), connection:
            connection.sendall(peer.encode() + b"\n")
            while data := connection.recv(4096):
                connection.sendall(data)

    def open(self, address, port, source=None):
        """A connection and the address the server says it comes from."""
        s = self.socket(socket.SOCK_STREAM, address)
        try:
            if source:
                s.bind((source, 0))
            s.connect((address, port))
            return s, s.makefile().readline().strip()
        except OSError:
            s.close()
            raise

    def reach(self, address, port, source=None):
        """How the server sees this machine; None when nothing comes back."""
        try:
            s, seen = self.open(address, port, source)
        except OSError:
            return None
        s.close()
        return seen


class Network:
    def __init__(self, policy):
        self.policy = policy
        self.host = Machine(os.open("/proc/self/ns/net", os.O_RDONLY))
        self.internet = Machine(os.open(f"/run/netns/{infrahost.INTERNET}", os.O_RDONLY))
        self.host.ip("link", "add", "br0", "type", "bridge")
        self.host.ip("address", "add", "10.0.0.1/24", "dev", "br0")
        self.host.ip("address", "add", f"{V6}1/80", "dev", "br0", "nodad")
        self.host.ip("link", "set", "br0", "up")
        write("/proc/sys/net/ipv4/ip_forward", "1")
        write("/proc/sys/net/ipv6/conf/all/forwarding", "1")
        self.mail = self.container("mail", "10.0.0.19", f"{V6}19")
        self.web = self.container("web", "10.0.0.26", f"{V6}26")
        self.proxy = self.container("proxy", "10.0.0.201")
        self.office = self.plug("eno2")
        self.host.ip("address", "add", "172.16.2.1/24", "dev", "eno2")
        self.office.ip("address", "add", "172.16.2.50/24", "dev", "eth0")
        # The router there leads the containers' addresses to this host.
        self.office.ip("route", "add", "172.16.2.19/32", "via", "172.16.2.1")
        self.internet.ip("address", "add", f"{MONITOR}/32", "dev", "lo")
        self.guests = self.foreign_bridge()
        self.mail.serve(25, 80, 143, 3306, 5666)
        self.web.serve(22, 80)
        self.proxy.serve(3128, 3130, 3131)
        self.office.serve(8080, 8081)
        self.internet.serve(25, 443)
        self.host.serve(22, 2525, 9000)

    def plug(self, name):
        """A machine at the other end of a cable whose end here is called @name."""
        m = Machine()
        self.host.ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", m.path)
        self.host.ip("link", "set", name, "up")
        m.ip("link", "set", "lo", "up")
        m.ip("link", "set", "eth0", "up")
        return m

    def container(self, name, ipv4, ipv6=None):
        m = self.plug(f"v-{name}")
        self.host.ip("link", "set", f"v-{name}", "master", "br0")
        m.ip("address", "add", f"{ipv4}/24", "dev", "eth0")
        m.ip("route", "add", "default", "via", "10.0.0.1")
        if ipv6:
            m.ip("address", "add", f"{ipv6}/80", "dev", "eth0", "nodad")
            m.ip("-6", "route", "add", "default", "via", f"{V6}1")
        return m

    def foreign_bridge(self):
        """Two machines at a bridge of their own, as virtual machines are."""
        self.host.ip("link", "add", "virbr0", "type", "bridge")
        self.host.ip("link", "set", "virbr0", "up")
        guests = [self.plug(f"vnet{i}") for i in (2, 3)]
        for i, m in enumerate(guests, 2):
            self.host.ip("link", "set", f"vnet{i}", "master", "virbr0")
            m.ip("address", "add", f"192.168.50.{i}/24", "dev", "eth0")
            m.ip("address", "add", f"fd00:50::{i}/64", "dev", "eth0", "nodad")
        guests[1].serve(80)
        return guests

    @contextlib.contextmanager
    def changed(self, file, old, new):
        """The rules of a policy with one text replaced by another, for a while."""
        whole = (self.policy / file).read_text()
        assert old in whole
        (self.policy / file).write_text(whole.replace(old, new))
        try:
            self.firewall("load")
            yield
        finally:
            (self.policy / file).write_text(whole)
            self.firewall("load")

    def reach_link_local(self, port):
        """From web to mail, by the addresses that they gave themselves."""
        with self.mail.inside():
            local = [line.split()[0] for line in open("/proc/thread-self/net/if_inet6") if line.startswith("fe80")]
        address = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(local[0]))
        with self.web.inside():
            interface = socket.if_nametoindex("eth0")
        with self.web.socket(socket.SOCK_STREAM, address) as s:
            return s.connect_ex((address, port, 0, interface)) == 0

    def firewall(self, verb, *arguments):
        return infrahost.run(TOOL, verb, self.policy, PROFILES, *arguments).stdout.strip()


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    policy = tmp_path_factory.mktemp("policy")
    for name, text in POLICY.items():
        path = policy / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return Network(policy)


@pytest.fixture(scope="module", params=["switched", "br_netfilter"])
def net(request, network):
    """Both ways a host may be set up: where br_netfilter is loaded, inet rules see what the bridge switches, too."""
    network.filtered = request.param == "br_netfilter"
    if network.filtered and not os.path.exists(BRIDGE_CALLS[0]):
        pytest.skip("br_netfilter is not loaded here")
    for path in filter(os.path.exists, BRIDGE_CALLS):
        write(path, "1" if network.filtered else "0")
    # Everything can be reached before: what is refused later is refused by our rules. (IPv6 takes a while to come up.)
    assert any(network.internet.reach(f"{V6}19", 80, CLIENT6) == CLIENT6 for _ in range(20))
    assert any(network.web.reach(f"{V6}19", 80) == f"{V6}26" for _ in range(20))
    assert network.web.reach("10.0.0.19", 3306) == "10.0.0.26"
    assert network.mail.reach("10.0.0.1", 9000) == "10.0.0.19"
    assert any(network.reach_link_local(3306) for _ in range(20))
    network.firewall("load")
    assert network.firewall("diff") == ""
    yield network
    network.firewall("unload")


@pytest.fixture
def fenced(net):
    net.firewall("fence", "mail", "closed")
    yield net
    net.firewall("fence", "mail", "open")


def test_anybody(net):
    assert net.internet.reach(MAIL_PUBLIC, 25, CLIENT) == CLIENT
    assert net.internet.reach(f"{V6}19", 25, CLIENT6) == CLIENT6
    assert net.office.reach("172.16.2.19", 25) == "172.16.2.50"
    assert net.web.reach("10.0.0.19", 25) == "10.0.0.26"
    assert net.web.reach(f"{V6}19", 25) == f"{V6}26"
    assert net.host.reach("10.0.0.19", 25) == "10.0.0.1"


def test_nobody(net):
    """A port that listens and that no line of the policy opens."""
    assert net.internet.reach(MAIL_PUBLIC, 80, CLIENT) is None
    assert net.internet.reach(f"{V6}19", 80, CLIENT6) is None
    assert net.web.reach("10.0.0.19", 80) is None
    assert net.web.reach(f"{V6}19", 80) is None
    assert net.web.reach("10.0.0.19", 3306) is None
    assert net.office.reach("172.16.2.19", 80) is None


def test_zone_of_interface_and_network(net):
    assert net.office.reach("172.16.2.19", 143) == "172.16.2.50"
    assert net.internet.reach(MAIL_PUBLIC, 143, CLIENT) is None
    assert net.web.reach("10.0.0.19", 143) is None
    # The right address at the wrong interface.
    net.internet.ip("address", "replace", "172.16.2.51/32", "dev", "lo")
    assert net.internet.reach(MAIL_PUBLIC, 143, "172.16.2.51") is None


def test_zone_of_networks(net):
    assert net.internet.reach(MAIL_PUBLIC, 5666, MONITOR) == MONITOR
    assert net.internet.reach(MAIL_PUBLIC, 5666, CLIENT) is None


def test_from_container(net):
    assert net.web.reach("10.0.0.19", 5666) == "10.0.0.26"
    assert net.web.reach(f"{V6}19", 5666) == f"{V6}26"
    assert net.proxy.reach("10.0.0.19", 5666) is None


def test_host_services(net):
    assert net.internet.reach(HOST_PUBLIC, 22, MONITOR) == MONITOR
    assert net.internet.reach(HOST_PUBLIC, 22, CLIENT) is None
    assert net.mail.reach("10.0.0.1", 22) is None
    assert net.mail.reach("10.0.0.1", 9000) is None
    assert net.mail.reach(f"{V6}1", 9000) is None


def test_public_port(net):
    assert net.internet.reach(HOST_PUBLIC, 11722, CLIENT) == CLIENT
    assert net.office.reach("172.16.2.1", 11722) is None


def test_one_to_one_address_outward(net):
    assert net.mail.reach("203.0.113.7", 25) == MAIL_PUBLIC
    assert net.mail.reach(CLIENT6, 25) == f"{V6}19"
    assert net.mail.reach("172.16.2.50", 8080) == "172.16.2.19"
    assert net.mail.reach("203.0.113.7", 443) is None
    assert net.mail.reach(CLIENT6, 443) is None
    assert net.mail.reach("172.16.2.50", 8081) is None


def test_masquerade_outward(net):
    assert net.web.reach("203.0.113.7", 443) == HOST_PUBLIC
    assert net.web.reach("203.0.113.7", 25) is None
    assert net.web.reach("172.16.2.50", 8080) is None


def test_connects_to_container(net):
    assert net.web.reach("10.0.0.201", 3130) == "10.0.0.26"
    assert net.web.reach("10.0.0.201", 3131) is None
    assert net.mail.reach("10.0.0.201", 3130) is None


def test_link_local(net):
    """An address that no policy names opens nothing either."""
    assert not net.reach_link_local(25)
    assert not net.reach_link_local(3306)


def test_foreign_bridge(net):
    """What is switched between others' machines is not ours to judge."""
    # Under br_netfilter it is forwarded by the host, and judged as that.
    assert net.guests[0].reach("192.168.50.3", 80) == (None if net.filtered else "192.168.50.2")
    assert net.guests[0].reach("fd00:50::3", 80) == (None if net.filtered else "fd00:50::2")


def test_hairpin(net):
    """A public address of a container, from inside."""
    assert net.web.reach(MAIL_PUBLIC, 25) == "10.0.0.1"
    # Under br_netfilter the bridge does not send a packet back to the port it came from.
    assert net.mail.reach(MAIL_PUBLIC, 25) == (None if net.filtered else "10.0.0.1")
    assert net.web.reach(MAIL_PUBLIC, 80) is None


def test_host_to_public_address(net):
    assert net.host.reach(MAIL_PUBLIC, 25) == HOST_PUBLIC


def test_address_in_zone_without_interface(net):
    """Where a zone is told by its networks, so is the address that containers have there."""
    with net.changed("zones.yaml", "intranet: { interface: eno2, networks", "intranet: { networks"):
        assert net.mail.reach("172.16.2.50", 8080) == "172.16.2.19"
        assert net.office.reach("172.16.2.19", 143) == "172.16.2.50"
        with net.changed("containers/web.yaml", "to: internet", "to: intranet"):
            net.office.serve(443)
            assert net.web.reach("172.16.2.50", 443) == "172.16.2.1"
    assert net.web.reach("203.0.113.7", 443) == HOST_PUBLIC


def test_zones_at_one_interface(net):
    """Whichever comes first in the file: to its networks a zone's own address, else the internet's."""
    zones = """\
zones:
  monitor: { interface: eno1, networks: [203.0.113.12] }
  intranet: { interface: eno1, networks: [203.0.113.7] }
  internet: { interface: eno1 }
"""
    with net.changed("zones.yaml", POLICY["zones.yaml"], zones):
        assert net.mail.reach("203.0.113.12", 25) == MAIL_PUBLIC
        assert net.internet.reach(MAIL_PUBLIC, 5666, MONITOR) == MONITOR
        assert net.mail.reach("203.0.113.7", 25) == "172.16.2.19"


def test_open_connection_outlives_its_rule(net):
    """Whoever changes the rules over ssh can go on, and nobody new gets in."""
    connection, seen = net.internet.open(HOST_PUBLIC, 22, MONITOR)
    assert seen == MONITOR
    with connection, net.changed("host.yaml", "port: 22/tcp, from: monitor", "port: 22/tcp, from: web"):
        connection.sendall(b"still here")
        assert connection.recv(16) == b"still here"
        assert net.internet.reach(HOST_PUBLIC, 22, MONITOR) is None
        assert net.web.reach("10.0.0.1", 22) == "10.0.0.26"


def test_udp_range(net):
    def echo(port):
        server, client = net.mail.socket(socket.SOCK_DGRAM), net.internet.socket(socket.SOCK_DGRAM)
        with server, client:
            server.bind(("10.0.0.19", port))
            client.sendto(b"here", (MAIL_PUBLIC, port))
            try:
                data, peer = server.recvfrom(16)
                server.sendto(data, peer)
                return client.recvfrom(16) == (b"here", (MAIL_PUBLIC, port))
            except TimeoutError:
                return False

    assert [echo(port) for port in (59999, 60000, 60005, 60010, 60011)] == [False, True, True, True, False]


def test_answers_only_to_questions(net):
    """A service's port as source opens nothing towards others on the bridge."""
    s = net.mail.socket(socket.SOCK_STREAM)
    with s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            s.bind(("10.0.0.19", 5666))
        with pytest.raises(TimeoutError):
            s.connect(("10.0.0.26", 80))


def test_closed_fence(fenced):
    assert fenced.firewall("fence", "mail", "state") == "closed"
    assert fenced.internet.reach(MAIL_PUBLIC, 25, CLIENT) is None
    assert fenced.internet.reach(f"{V6}19", 25, CLIENT6) is None
    assert fenced.web.reach("10.0.0.19", 25) is None
    assert fenced.web.reach(f"{V6}19", 25) is None
    assert fenced.web.reach(MAIL_PUBLIC, 25) is None
    # Probes from the host get in, and packages come.
    assert fenced.host.reach("10.0.0.19", 25) == "10.0.0.1"
    assert fenced.host.reach(f"{V6}19", 25) == f"{V6}1"
    assert fenced.mail.reach("10.0.0.201", 3128) == "10.0.0.19"
    assert fenced.mail.reach("203.0.113.7", 25) is None
    assert fenced.mail.reach(CLIENT6, 25) is None
    # Nobody else notices.
    assert fenced.internet.reach(HOST_PUBLIC, 11722, CLIENT) == CLIENT
    assert fenced.web.reach("203.0.113.7", 443) == HOST_PUBLIC


@pytest.mark.parametrize("who, address", [("internet", MAIL_PUBLIC), ("internet", f"{V6}19"), ("web", "10.0.0.19")])
def test_fence_cuts_what_is_open(net, who, address):
    connection, _ = getattr(net, who).open(address, 25)
    with connection:
        connection.sendall(b"before")
        assert connection.recv(16) == b"before"
        net.firewall("fence", "mail", "closed")
        try:
            connection.sendall(b"meanwhile")
            with pytest.raises(TimeoutError):
                connection.recv(16)
        finally:
            net.firewall("fence", "mail", "open")
        connection.settimeout(5)
        assert connection.recv(16) == b"meanwhile"  # sent again by TCP, now let through


def test_fence_holds_against_ports_of_the_lifeline(fenced):
    """From the resolver's port may come answers, not questions."""
    for port in (25, 3306):
        with fenced.proxy.socket(socket.SOCK_STREAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("10.0.0.201", 53))
            with pytest.raises(TimeoutError):
                s.connect(("10.0.0.19", port))


def test_fence_cuts_the_way_to_the_host(net):
    connection, _ = net.mail.open("10.0.0.1", 2525)
    with connection:
        net.firewall("fence", "mail", "closed")
        try:
            connection.sendall(b"meanwhile")
            with pytest.raises(TimeoutError):
                connection.recv(16)
            assert net.mail.reach("10.0.0.1", 2525) is None
        finally:
            net.firewall("fence", "mail", "open")
        connection.settimeout(5)
        assert connection.recv(16) == b"meanwhile"


def test_reload_keeps_fence(fenced):
    fenced.firewall("load")
    assert fenced.firewall("fence", "mail", "state") == "closed"
    assert fenced.internet.reach(MAIL_PUBLIC, 25, CLIENT) is None


def test_reload_under_traffic(net):
    """No packet is lost or let through while the rules are replaced: every connection opens at once."""
    stop, failed, opened = threading.Event(), [], []
    streams = [net.internet.open(MAIL_PUBLIC, 25)[0], net.web.open("10.0.0.19", 25)[0]]

    def load():
        while not stop.is_set():
            net.firewall("load")
            opened.append("load")

    loader = threading.Thread(target=load)
    loader.start()
    try:
        until = time.monotonic() + 2
        n = 0
        while time.monotonic() < until:
            n += 1
            # A lost SYN is sent again after a second, later than the limit.
            if net.internet.reach(MAIL_PUBLIC, 25, CLIENT) != CLIENT:
                failed.append(f"connection {n}")
            if net.mail.reach("203.0.113.7", 25) != MAIL_PUBLIC:
                failed.append(f"outward connection {n}")
            for s in streams:
                s.sendall(b"%d" % n)
                if s.recv(16) != b"%d" % n:
                    failed.append(f"stream {n}")
    finally:
        stop.set()
        loader.join()
        for s in streams:
            s.close()
    assert len(opened) >= 5 and n >= 50
    assert not failed
