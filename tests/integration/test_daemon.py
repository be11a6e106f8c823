# SPDX-License-Identifier: GPL-2.0-or-later
"""infrad itself: private socket, system bus, readiness, end and new start, boot."""

import json
import signal
import socket
import subprocess
import time

import pytest

import estates
import infrahost

BUS_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{policy}</include>
</busconfig>
"""


@pytest.fixture(scope="module")
def host(bare_host):
    return bare_host


@pytest.fixture
def stopped(host):
    if host.daemon:
        host.stop_daemon()
    yield host
    if host.daemon:
        host.stop_daemon()
    host.start_daemon()


def init_pid(host, name):
    return infrahost.run("lxc-info", "-P", host.lxc, "-n", name, "-pH", check=False).stdout.strip()


def test_private_socket_needs_no_bus(stopped):
    stopped.start_daemon(DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nowhere")
    assert stopped.json("status")["host"] == "infra02"
    assert "ready on" in stopped.daemon_log()


def test_without_infrad_looking_works_and_says_so_and_changing_does_not(stopped):
    looked = stopped.infractl("status")
    assert "infra02" in looked.stdout and "reading it here instead" in looked.stdout
    changed = stopped.infractl("restart", "slow", check=False)
    assert changed.returncode == 8 and "infrad is not running" in changed.stdout


def test_local_change_without_infrad(stopped):
    stopped.infractl("restart", "slow", "--local")
    assert stopped.json("runs", "--limit", "1")["runs"][0]["state"] == "done"


def test_ready_is_told_to_the_service_manager_when_it_answers(stopped):
    path = stopped.root / "notify.socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(path))
        s.settimeout(20)
        stopped.start_daemon(NOTIFY_SOCKET=str(path), WATCHDOG_USEC="2000000")
        for expected in (b"READY=1", b"WATCHDOG=1"):
            while expected not in s.recv(4096):
                pass
        stopped.stop_daemon()
        while b"STOPPING=1" not in s.recv(4096):
            pass


@pytest.fixture
def bus(stopped):
    """A message bus of our own with infrad on it."""
    socket_path = stopped.root / "bus.socket"
    configuration = stopped.root / "bus.conf"
    configuration.write_text(BUS_CONFIGURATION.format(socket=socket_path, policy=infrahost.SOURCE / "infrad/org.infrad1.conf"))
    address = f"unix:path={socket_path}"
    process = subprocess.Popen(["dbus-daemon", f"--config-file={configuration}", "--nofork"], stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while not socket_path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    stopped.start_daemon(DBUS_SYSTEM_BUS_ADDRESS=address)
    stopped.bus = process
    yield address
    process.terminate()
    process.wait(10)


def busctl(address, *argv, user=None):
    who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
    return infrahost.run(*who, "busctl", f"--address={address}", *argv, check=False)


def test_system_bus_introspect_and_call(stopped, bus):
    deadline = time.monotonic() + 10
    while "org.infrad1" not in busctl(bus, "list").stdout and time.monotonic() < deadline:
        time.sleep(0.1)
    shown = busctl(bus, "introspect", "org.infrad1", "/org/infra1").stdout
    for member in ("Status", "List", "Show", "Drift", "Plan", "Begin", "Control", "Runs", "Report", "Firewall", "FirewallState", "FirewallChange", "Check", "Progress"):
        assert f".{member} " in shown
    answer = busctl(bus, "--json=short", "call", "org.infrad1", "/org/infra1", "org.infra1.Manager", "Status").stdout
    assert json.loads(json.loads(answer)["data"][0])["host"] == "infra02"


def test_system_bus_refuses_by_who_asks(stopped, bus):
    time.sleep(0.5)
    call = ("call", "org.infrad1", "/org/infra1", "org.infra1.Manager")
    begin = (*call, "Begin", "ssbss", "restart", "slow", "false", "", "")
    runs = stopped.last_run()
    refused = busctl(bus, *begin, user=65534)
    # busctl has a text of its own for this error.
    assert refused.returncode != 0 and "Access denied" in refused.stdout and stopped.last_run() == runs
    assert busctl(bus, *call, "List", user=65534).returncode == 0
    allowed = busctl(bus, *begin)
    assert allowed.returncode == 0, allowed.stdout
    assert stopped.wait_run(60)["state"] == "done"


def test_progress_is_signalled_on_the_system_bus(stopped, bus):
    time.sleep(0.5)
    out = stopped.root / "monitor.out"
    with open(out, "w") as f:
        monitor = subprocess.Popen(["busctl", f"--address={bus}", "--json=short", "monitor", "--match",
                                    "type='signal',interface='org.infra1.Manager'"], stdin=subprocess.DEVNULL, stdout=f)
    time.sleep(1)
    stopped.infractl("restart", "slow")
    time.sleep(0.5)
    monitor.terminate()
    monitor.wait(10)
    seen = [json.loads(line) for line in out.read_text().splitlines() if line.startswith("{")]
    texts = [json.loads(m["payload"]["data"][1]) for m in seen if m.get("member") == "Progress"]
    assert {t["step"] for t in texts if t.get("step")} >= {"restart", "serve"}
    assert texts[-1]["state"] == "done"


def test_bus_that_goes_away_does_not_take_infrad_along(stopped, bus):
    stopped.bus.kill()
    time.sleep(0.5)
    assert stopped.daemon.poll() is None
    assert stopped.json("status")["host"] == "infra02"


def test_sigterm_ends_it_and_containers_go_on(host):
    if not host.daemon:
        host.start_daemon()
    pids = {n: init_pid(host, n) for n in ("web", "slow", "plain")}
    assert all(pids.values())
    host.daemon.send_signal(signal.SIGTERM)
    assert host.daemon.wait(20) == 0
    host.daemon = None
    assert {n: init_pid(host, n) for n in pids} == pids
    host.start_daemon()
    assert {n: init_pid(host, n) for n in pids} == pids
    assert host.json("status")["run"] is None


def test_sigterm_in_a_run_leaves_it_to_the_next_infrad(host):
    host.infractl("stop", "plain")
    estates.install_counter(host, "plain", delay=4)
    host.infractl("start", "plain", "--detach")
    host.wait_step("serve")
    worker = host.wait_worker()
    host.stop_daemon()
    assert host.workers() == worker, "the worker goes on without infrad"
    host.start_daemon()
    run = host.wait_run(60)
    assert run["state"] == "done" and host.container("plain")["running"]
    assert [s["attempts"] for c in host.report()["containers"] for s in c["steps"]] == [1, 1], "nothing was done twice"


def test_boot_starts_what_starts_by_itself_in_order(host):
    """After a reboot nothing runs, there is no bridge, no ruleset, and no mark beside the socket."""
    if host.daemon:
        host.stop_daemon()
    for name in ("web", "slow", "plain"):
        infrahost.run("lxc-stop", "-P", host.lxc, "-n", name, "-k")
    host.delete_ruleset()
    infrahost.run("ip", "link", "delete", "br0")
    for mark in host.root.glob("infrad.socket*"):
        mark.unlink()
    host.start_daemon()
    run = host.wait_run(90)
    assert (run["kind"], run["state"]) == ("start", "done")
    assert {c["name"]: c["running"] for c in host.json("list")["containers"]} == \
        {"web": True, "slow": True, "plain": True, "rooted": False}
    assert host.json("status")["firewall"] == {"loaded": True, "differs": False}
    order = [c["name"] for c in host.report()["containers"]]
    assert order.index("slow") < order.index("plain")
    again = host.last_run()
    host.stop_daemon()
    host.start_daemon()
    time.sleep(1)
    assert host.last_run() == again, "once a boot"
