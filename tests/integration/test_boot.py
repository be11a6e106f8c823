# SPDX-License-Identifier: GPL-2.0-or-later
"""Both units under a real systemd, through real reboots: the ruleset is never empty, and a change nobody confirmed is none."""

import json
import subprocess
import threading
import time

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

    def confirmed(self):
        return self.state_file("confirmed")["number"]

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
    wait(lambda: reached(KEPT) and reached(CLOSED))
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

    def end(self):
        """After some tries: a boot may be over before there were any."""
        wait(lambda: self.asked > 5)
        self.over = True
        self.join()


def test_units_are_sound(machine):
    said = machine.run("systemd-analyze verify --man=no /lib/systemd/system/infrad.service /lib/systemd/system/infra-firewall.service")
    assert said.stdout == ""


@pytest.mark.parametrize("network, other", [("networking", "systemd-networkd"), ("systemd-networkd", "networking")])
def test_confirmed_generation_is_loaded_before_the_network(machine, network, other):
    machine.apply(KEPT)
    machine.write("/etc/systemd/network/eth0.network", f"[Match]\nName=eth0\n[Network]\nAddress={machines.ADDRESS}/24\n")
    machine.run(f"systemctl enable {network}; systemctl disable {other} systemd-networkd.socket")
    try:
        machine.reboot_itself()
        assert machine.run(f"systemctl is-active {network} {other}", check=False).stdout.split() == ["active", "inactive"]
        moments = [int(machine.show(unit, moment)) for unit, moment in (
            ("infra-firewall", "ActiveEnterTimestampMonotonic"), ("network-pre.target", "ActiveEnterTimestampMonotonic"),
            (network, "InactiveExitTimestampMonotonic"))]
        assert 0 < moments[0] and moments == sorted(moments)
        assert machine.show("infra-firewall", "Result", "ExecMainStatus") == ["success", "0"]
        assert "is loaded" in machine.journal("infra-firewall")
        assert "ordering cycle" not in machine.run("journalctl -b -o cat --no-pager").stdout
        wait(lambda: reached(KEPT))
        assert not reached(CLOSED) and not machine.status()["drifted"]
    finally:
        machine.run("systemctl enable networking; systemctl disable systemd-networkd systemd-networkd.socket")


def test_port_that_is_not_open_is_never_reached_while_it_boots(machine):
    machine.apply(KEPT)
    knocking = Knocking(CLOSED, STRANGER)
    machine.reboot(knocking.start)
    wait(lambda: reached(KEPT))
    knocking.end()
    assert knocking.opened == 0


def test_what_waits_at_a_reboot_goes_back(machine):
    before = machine.confirmed()
    machine.apply(KEPT, confirm="1h")
    assert not reached(CLOSED) and machine.waits()
    begun = time.monotonic()
    machine.reboot()
    assert time.monotonic() < begun + 20, "the dead-man does not hold up a reboot"
    wait(lambda: reached(KEPT))
    assert reached(CLOSED) and not machine.waits()
    status = machine.status()
    assert status["confirmed"] == before and status["last"]["outcome"] == "went back" and not status["drifted"]


def assert_rescued(machine, builtin):
    """ssh from the zones of `rescue`, and nothing else."""
    assert machine.show("infra-firewall", "ActiveState", "Result", "ExecMainStatus") == ["failed", "exit-code", "11"]
    assert "infra-firewall.service" in machine.run("systemctl --failed --plain --no-legend").stdout
    said = machine.journal("infra-firewall")
    assert ("built-in RESCUE" in said) == builtin and "RESCUE" in said, said
    wait(lambda: reached(22, OPERATOR))
    assert reached(22, STRANGER) == builtin
    for source in (OPERATOR, STRANGER):
        assert not reached(KEPT, source) and not reached(CLOSED, source)
    assert "policy drop" in machine.ruleset()
    assert machine.status()["rescued"]
    said = machine.firewall("status").stdout
    assert "The RESCUE ruleset is loaded, " + ("since no generation" if builtin else "not generation") in said and "Somebody else" not in said, said
    assert "the RESCUE ruleset is loaded" in machine.run("infractl status").stdout
    if not builtin:
        wait(lambda: "the rescue ruleset is loaded, not generation" in machine.journal("infrad"))


@pytest.mark.parametrize("how", ["damaged", "removed", "all removed"])
def test_without_its_generation_the_host_lets_operators_in(machine, how):
    path = machine.state / f"{machine.state_file('confirmed')['number']:06}.json"
    if how == "damaged":
        path.write_text(path.read_text().replace('"drops": true', '"drops": false', 1))
    elif how == "removed":
        path.unlink()
    else:
        for file in machine.state.iterdir():
            file.unlink()
    knocking = Knocking(KEPT, STRANGER)
    machine.reboot(knocking.start)
    knocking.end()
    assert knocking.opened == 0
    assert_rescued(machine, how == "all removed")


def test_state_that_cannot_be_mounted_is_no_reason_for_an_empty_ruleset(machine):
    """With nofail the host goes on without it, and so does the network."""
    machine.write("/etc/fstab", "nothing /var/lib/infra nosuchfs nofail 0 0\n")
    try:
        machine.reboot()
        assert machine.show("var-lib-infra.mount", "ActiveState") == "failed"
        assert machine.show("infra-firewall", "ExecMainStatus") in ("0", "11")
        assert "policy drop" in machine.ruleset()
    finally:
        machine.write("/etc/fstab", "")
        machine.run("systemctl daemon-reload")


def test_state_on_a_file_system_of_its_own_is_waited_for(machine):
    """Also with nofail, which takes it out of local-fs.target."""
    machine.run("mkdir -p /srv/state && cp -a /var/lib/infra/. /srv/state/")
    machine.write("/etc/fstab", "/srv/state /var/lib/infra none bind,nofail 0 0\n")
    machine.write("/etc/systemd/system/var-lib-infra.mount.d/slow.conf", "[Unit]\nAfter=slow.service\nWants=slow.service\n")
    machine.write("/etc/systemd/system/slow.service", "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=/bin/sleep 1\n")
    kept = machine.state.with_name("kept")
    machine.state.rename(kept)
    try:
        machine.reboot()
        assert machine.show("infra-firewall", "Result") == "success"
        wait(lambda: reached(KEPT))
        assert reached(CLOSED)
    finally:
        machine.write("/etc/fstab", "")
        machine.path("/etc/systemd/system/var-lib-infra.mount.d/slow.conf").unlink()
        machine.run("systemctl daemon-reload; systemctl stop infrad; umount -l /var/lib/infra; rm -rf /var/lib/infra/firewall")
        kept.rename(machine.state)


FERM = """domain (ip ip6) table filter {
    chain INPUT { policy DROP; mod state state (ESTABLISHED RELATED) ACCEPT; interface lo ACCEPT; proto tcp dport (22 8000 8001) ACCEPT; }
    chain FORWARD policy DROP;
}
"""


def test_others_that_load_rules_at_boot_do_not_take_ours_away(machine):
    """Debian's own /etc/nftables.conf begins with `flush ruleset`; whoever flushes last must not win."""
    machine.write("/etc/ferm/ferm.conf", FERM)
    machine.write("/etc/systemd/system/nftables.service.d/slow.conf", "[Unit]\nBefore=ferm.service\n[Service]\nExecStartPre=/bin/sleep 1\n")
    machine.run("systemctl enable nftables ferm")
    try:
        machine.apply(KEPT)
        machine.reboot()
        assert machine.run("systemctl is-active nftables ferm", check=False).stdout.split() == ["active", "active"]
        wait(lambda: reached(KEPT))
        assert not machine.status()["drifted"] and not reached(CLOSED)
        ruleset = machine.ruleset()
        assert "table inet infra" in ruleset and "table inet filter" in ruleset
        assert "policy DROP" in machine.run("iptables-legacy -L INPUT").stdout
        assert int(machine.show("infra-firewall", "ActiveEnterTimestampMonotonic")) <= \
            int(machine.show("networking", "InactiveExitTimestampMonotonic"))
        doctor = machine.firewall("doctor", "--json", check=False)
        found = {f["subject"]: f["severity"] for f in json.loads(doctor.stdout)["findings"]}
        assert doctor.returncode == 1
        assert found["nftables.service"] == found["ferm.service"] == "error" and "iptables-legacy table filter" in found, found
    finally:
        machine.run("systemctl disable nftables ferm")
        machine.path("/etc/systemd/system/nftables.service.d/slow.conf").unlink()
        machine.reboot()


def main_pid(machine):
    return int(machine.show("infrad", "MainPID"))


def test_infrad_is_ready_when_it_answers(machine):
    machine.run("systemctl restart infrad && infractl firewall status > /dev/null")
    assert machine.show("infrad", "Type", "ActiveState", "StatusText", "WatchdogUSec") == ["notify", "active", "Idle", "5min"]
    assert "READY" not in machine.journal("infrad") and "ready on /run/infra/infrad.socket" in machine.journal("infrad")


def test_infrad_comes_back(machine):
    """Killed, and stopped for longer than its watchdog waits."""
    machine.write("/etc/systemd/system/infrad.service.d/soon.conf", "[Service]\nWatchdogSec=2\nRestartSec=100ms\n")
    machine.run("systemctl daemon-reload; systemctl restart infrad")
    try:
        for signal, result in (("KILL", "signal"), ("STOP", "watchdog")):
            last = main_pid(machine)
            machine.run(f"kill -{signal} $(systemctl show --value -p MainPID infrad)")
            wait(lambda: main_pid(machine) not in (0, last) and machine.show("infrad", "ActiveState") == "active", 15)
            assert f"Failed with result '{result}'" in machine.run("journalctl -b -u infrad -o cat --no-pager | tail -n 30").stdout
        for _ in range(8):
            last = main_pid(machine)
            machine.run("kill -KILL $(systemctl show --value -p MainPID infrad)")
            wait(lambda: main_pid(machine) not in (0, last), 5, "it has been killed too often")
        last = main_pid(machine)
        machine.run("sleep 4.5")
        assert main_pid(machine) == last, "its own watchdog is content with it"
    finally:
        machine.path("/etc/systemd/system/infrad.service.d/soon.conf").unlink()
        machine.run("systemctl daemon-reload; systemctl restart infrad")


@pytest.mark.parametrize("what", ["systemctl stop infrad", "systemctl restart infrad", "systemctl kill -s KILL infrad; systemctl stop infrad",
                                  "echo 1 > /sys/fs/cgroup/system.slice/infrad.service/cgroup.kill; systemctl stop infrad"])
def test_change_goes_back_whatever_systemd_does_to_infrad(machine, what):
    machine.apply(KEPT, confirm="6s")
    assert not reached(CLOSED)
    guard = machine.state_file("pending")["guard"]
    machine.run(what)
    assert machine.run(f"cat /proc/{guard}/comm").stdout == "infra-deadman\n"
    wait(lambda: reached(CLOSED), 12)
    wait(lambda: not machine.waits())
    assert "nobody confirmed it in time; generation" in machine.state_file("last")["why"]
    machine.run("systemctl start infrad")
    assert not machine.status()["drifted"]


def test_change_goes_back_when_the_session_it_came_from_is_killed(machine):
    """As logind does it with KillUserProcesses=yes, or an administrator with a scope."""
    machine.run("systemctl stop infrad")
    machine.want(KEPT)
    machine.run("systemd-run --quiet --scope --unit=session-x sh -c 'infractl firewall apply --local --yes --confirm 6s; exec sleep 100' "
                "> /dev/null 2>&1 & for i in $(seq 100); do test -e /var/lib/infra/firewall/pending && break; sleep 0.05; done")
    # It waits from before the load on.
    wait(lambda: not reached(CLOSED), 4)
    machine.run("systemctl kill --kill-who=all -s KILL session-x.scope")
    wait(lambda: reached(CLOSED), 12)
    wait(lambda: not machine.waits())


CONFIRM = "infractl firewall confirm"


@pytest.fixture
def old(machine):
    """A connection that is older than the change: whatever is said over it."""
    options = ("-o", f"ControlPath={machine.directory}/control")
    machine.ssh("true", *options, "-o", "ControlMaster=yes", "-o", "ControlPersist=yes", "-f", check=True)
    machine.apply(KEPT, confirm="1m")
    # When a process began is known to a clock tick; one that began in that of the load is no new one.
    time.sleep(0.05)
    yield lambda script: machine.ssh(script, *options)
    machine.ssh("", *options, "-O", "exit")


@pytest.mark.parametrize("how, why", [
    (CONFIRM, "older than the rules"),
    ("busctl call org.infrad1 /org/infra1 org.infra1.Manager FirewallChange suxs confirm 0 0 ''", "older than the rules"),
    (f"setsid --wait {CONFIRM}", "older than the rules"),
    (f"setsid --fork {CONFIRM} > /tmp/said 2>&1; sleep 0.5; cat /tmp/said; false", "neither an ssh connection nor a console"),
    (f"systemd-run --quiet --wait --pipe {CONFIRM}", "neither an ssh connection nor a console"),
    (f"systemd-run --quiet --wait --pipe --pty {CONFIRM}", "neither an ssh connection nor a console"),
    (f"ssh localhost {CONFIRM}", "comes from the host itself"),
    (f"ssh {machines.ADDRESS} {CONFIRM}", "comes from the host itself"),
    (f"ssh -6 ::1 {CONFIRM}", "comes from the host itself"),
    (f"systemctl stop infrad; {CONFIRM} --local", "older than the rules"),
])
def test_what_proves_nothing_confirms_nothing(machine, old, how, why):
    before = machine.confirmed()
    said = old(how)
    assert said.returncode != 0 and why in said.stdout, said.stdout
    assert machine.confirmed() == before and machine.waits()


@pytest.mark.parametrize("how", [CONFIRM, "systemctl stop infrad; infractl firewall confirm --local", f"systemd-run --quiet --scope {CONFIRM}"])
def test_new_connection_confirms(machine, old, how):
    number = machine.state_file("pending")["number"]
    said = machine.ssh(how)
    assert said.returncode == 0, said.stdout
    assert machine.confirmed() == number and not machine.waits() and not reached(CLOSED)


def test_operator_who_is_not_root_confirms(machine, old):
    machine.run("getent group infra || groupadd -r infra; id mario || useradd -m -G infra mario; cp -r /root/.ssh /home/mario; chown -R mario: /home/mario")
    number = machine.state_file("pending")["number"]
    said = machine.ssh(CONFIRM, "-l", "mario")
    assert said.returncode == 0, said.stdout
    assert machine.confirmed() == number and not machine.waits()


def found_by(machine):
    """What the doctor blames on whom, with how bad it is at worst."""
    worst = {}
    for f in json.loads(machine.firewall("doctor", "--json", check=False).stdout)["findings"]:
        if f["subject"].startswith("table"):
            worst[f["by"]] = max(worst.get(f["by"], ""), f["severity"], key=["", "note", "warning", "error"].index)
    return worst


FAIL2BAN = """[DEFAULT]
banaction = nftables-multiport
[sshd]
enabled = true
backend = polling
logpath = /var/log/auth.log
"""


@pytest.mark.parametrize("begin, end, expected", [
    ("ufw --force enable", "ufw --force disable", {"ufw": "error"}),
    ("systemctl enable --now firewalld && firewall-cmd --zone=public --add-masquerade && firewall-cmd --zone=drop --change-interface=eth0",
     "systemctl disable --now firewalld", {"firewalld": "warning"}),
    ("touch /var/log/auth.log; systemctl start fail2ban; until fail2ban-client set sshd banip 203.0.113.99; do sleep 0.1; done",
     "systemctl stop fail2ban", {"fail2ban": "warning"}),
], ids=["ufw", "firewalld", "fail2ban"])
def test_doctor_knows_the_real_ones(machine, begin, end, expected):
    """And ours is not touched by them."""
    machine.write("/etc/fail2ban/jail.local", FAIL2BAN)
    assert found_by(machine) == {}
    machine.run(begin)
    try:
        wait(lambda: found_by(machine) == expected, 5, f"{found_by(machine)} is not {expected}")
        assert not machine.status()["drifted"]
    finally:
        machine.run(f"{end}; for f in ip ip6; do nft delete table $f filter; done", check=False)
