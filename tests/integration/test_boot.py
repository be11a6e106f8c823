# SPDX-License-Identifier: GPL-2.0-or-later
"""Both units under a real systemd, through real reboots: the ruleset is never empty, and a change nobody confirmed is none."""

import json
import subprocess
import threading

import pytest

import estates
import infrahost
import machine as machines
from machine import OPERATOR, STRANGER, reached, wait

KEPT, CLOSED = 8000, 8001  # open in both policies; only in the first
SERVER = f"""
import socket, threading
def serve(s):
    while True:
        s.accept()[0].close()
for port in ({KEPT}, {CLOSED}):
    threading.Thread(target=serve, args=(socket.create_server(("", port), backlog=1024),)).start()
"""
# As early as can be: before any firewall.
SERVER_UNIT = """[Unit]
DefaultDependencies=no
Before=infra-firewall.service
[Service]
ExecStart=/usr/bin/python3 /usr/local/bin/server
[Install]
WantedBy=sysinit.target
"""


class Machine(machines.Machine):
    def __init__(self):
        super().__init__()
        self.write("/usr/local/bin/server", SERVER)
        self.write("/etc/systemd/system/server.service", SERVER_UNIT)
        infrahost.run("systemctl", f"--root={self.root}", "enable", "server")
        self.state = self.path("/var/lib/infra/firewall")
        estates.put(self.path("/etc/infra/zones.yaml"), {"zones": {"internet": {"interface": "eth0"}, "operators": {"networks": [OPERATOR]}}})
        self.write("/etc/infra/firewall.yaml", "rescue: [operators]\n")
        self.want(KEPT, CLOSED)

    def want(self, *ports):
        services = [{"port": "22/tcp", "from": "operators", "probe": "none"}]
        services += [{"port": f"{p}/tcp", "from": "any", "probe": "none"} for p in ports]
        estates.put(self.path("/etc/infra/host.yaml"), {
            "host": "machine", "release": "bookworm", "bridge": {"name": "br0", "ipv4": "10.0.0.1/24", "ipv6": "2001:db8:616:162:2::1/80"},
            "storage": {"backend": "dir", "path": "/var/lib/infra/storage"}, "services": services})

    def firewall(self, *words, check=True):
        return self.run("infractl firewall " + " ".join(words), check=check)

    def status(self):
        return json.loads(self.firewall("status", "--json").stdout)

    def state_file(self, name):
        return json.loads((self.state / name).read_text())

    def waits(self):
        return (self.state / "pending").exists()

    def ruleset(self):
        return self.run("nft list ruleset").stdout

    def apply(self, *ports, confirm="0", local=False):
        self.want(*ports)
        self.firewall("apply", "--confirm", confirm, "--yes", *(["--local"] if local else []))


@pytest.fixture(scope="module")
def whole():
    m = Machine()
    m.start()
    yield m
    m.stop()


@pytest.fixture
def machine(whole):
    """With a confirmed generation that has both services, and infrad."""
    m = whole
    m.run("systemctl reset-failed; systemctl start infrad")
    wait(lambda: m.show("infrad", "ActiveState") == "active")
    if m.waits():
        m.firewall("revert")
    m.run("nft delete table inet infra; nft delete table bridge infra", check=False)
    m.apply(KEPT, CLOSED)
    assert reached(KEPT) and reached(CLOSED)
    return m


class Knocking(threading.Thread):
    """On a port that must never open, all the time."""

    def __init__(self, port, source):
        super().__init__(daemon=True)
        self.port, self.source, self.opened, self.asked, self.over = port, source, 0, 0, False

    def run(self):
        while not self.over:
            self.asked += 1
            self.opened += reached(self.port, self.source, 0.05)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.join()


def test_units_are_sound(machine):
    said = machine.run("systemd-analyze verify --man=no /lib/systemd/system/infrad.service /lib/systemd/system/infra-firewall.service")
    assert said.stdout == ""


def test_confirmed_generation_is_loaded_before_the_network(machine):
    machine.apply(KEPT)
    machine.reboot_itself()
    moments = {}
    for unit, moment in (("infra-firewall.service", "ActiveEnterTimestampMonotonic"), ("network-pre.target", "ActiveEnterTimestampMonotonic"),
                         ("networking.service", "InactiveExitTimestampMonotonic")):
        moments[unit] = int(machine.show(unit, moment))
    assert 0 < moments["infra-firewall.service"] <= moments["network-pre.target"] <= moments["networking.service"], moments
    assert machine.show("infra-firewall", "Result", "ExecMainStatus") == ["success", "0"]
    assert "is loaded" in machine.journal("infra-firewall")
    assert reached(KEPT) and not reached(CLOSED) and not machine.status()["drifted"]


def test_port_that_is_not_open_is_never_reached_while_it_boots(machine):
    machine.apply(KEPT)
    with Knocking(CLOSED, STRANGER) as knocking:
        machine.reboot()
        wait(lambda: reached(KEPT))
    assert knocking.opened == 0 and knocking.asked > 20
