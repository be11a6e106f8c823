# SPDX-License-Identifier: GPL-2.0-or-later
"""A real upgrade from bookworm to trixie of a container that counts in a volume, and every way back."""

import os
import signal
import time

import pytest

import client as watcher
import estates
import infrahost
import visitor
from test_interference import ADDRESS, NAME, init_pid, only_result, serves_as_before


@pytest.fixture(scope="module")
def host(counting_host):
    return counting_host


@pytest.fixture
def client(host):
    with visitor.Visitor(infrahost.INTERNET, host.root / f"visitor-{time.monotonic_ns()}", ADDRESS, estates.PORT,
                         f"u{time.monotonic_ns()}") as v:
        v.wait_served()
        yield v


def boots(host):
    return host.shell(NAME, "cat", f"{estates.VOLUME}/boots").split()


def break_on_trixie(host, broken):
    """The service of the live generation comes up on bookworm only; or on both again."""
    unit = "/etc/systemd/system/counter.service.d/only-bookworm.conf"
    text = "[Service]\\nExecStartPre=/bin/grep -q ^12 /etc/debian_version\\n"
    host.shell(NAME, "sh", "-c", f"mkdir -p {unit.rsplit('/', 1)[0]} && printf '{text}' > {unit}" if broken else f"rm {unit}")


@pytest.mark.limit(300)
def test_failed_gate_goes_back_with_the_volumes_as_they_were(host, client):
    break_on_trixie(host, True)
    booted = boots(host)
    result = host.infractl("upgrade", "trixie", "--yes", check=False, timeout=280)
    assert result.returncode == 6, result.stdout
    c = only_result(host)
    assert c["result"] == "rolled-back" and "7000/tcp" in c["error"] and "containers/plain.yaml:" in c["error"]
    assert {s["kind"]: s["state"] for s in c["steps"]}["check"] == "undone", "the packages were all right"
    serves_as_before(host, client)
    # Each start of the new release would have left a line in the volume; only the start of the way back is there.
    assert boots(host) == booted + ["bookworm"]
    generations = {g["number"]: g for g in host.json("show", NAME)["generations"]}
    assert generations[1]["state"] == "live" and [g["state"] for n, g in generations.items() if n > 1][-1] == "bad"
    break_on_trixie(host, False)


@pytest.mark.limit(300)
def test_upgrade_with_a_second_operator_and_a_new_infrad_in_the_middle(host, client):
    host.shell(NAME, "sh", "-c", "echo of-the-root > /root/witness")
    host.infractl("upgrade", "trixie", "--yes", "--detach")
    # A second operator.
    host.wait_step("upgrade")
    for argv in (["upgrade", "trixie", "--yes"], ["restart", NAME], ["rollback", NAME, "--yes"], ["restart", NAME, "--local"]):
        refused = host.infractl(*argv, check=False)
        assert refused.returncode == 4, (argv, refused.stdout)
        assert "run" in refused.stdout or "infrad" in refused.stdout
    assert host.json("status")["run"]["kind"] == "upgrade"
    assert host.container(NAME)["fence"] == "closed"
    # infrad is stopped and started: the worker does not notice.
    worker = host.wait_worker()
    host.stop_daemon(signal.SIGTERM)
    assert host.workers() == worker
    host.start_daemon()
    assert host.workers() == worker
    run = host.wait_run(240)
    assert run["state"] == "done", run
    client.wait_served(release="trixie")
    time.sleep(1)
    c = only_result(host)
    assert c["result"] == "committed"
    assert {s["kind"]: s["attempts"] for s in c["steps"]}["upgrade"] == 1
    service = c["services"][0]
    assert (service["port"], service["baseline"], service["after"]) == ("7000/tcp", "pass", "pass")
    measured = watcher.outages(client.path)["counter"]["outage"]
    # The client asks every 100 ms and waits half a second for an answer.
    assert abs(measured - c["outage_ms"] / 1000) < 2, (measured, c["outage_ms"])
    shown = host.json("show", NAME)
    live = next(g for g in shown["generations"] if g["state"] == "live")
    assert shown["release"] == live["release"] == "trixie" and live["parent"] == 1
    serves_as_before(host, client, "trixie", live["number"])
    assert host.shell(NAME, "cat", "/root/witness") == "of-the-root\n"
    assert host.shell(NAME, "dpkg", "--audit") == ""
    # Nobody was served by the new release before the fence opened.
    first_new = next(a for a in client.acknowledged() if a["release"] == "trixie")
    opened = host._journal("SELECT opened_boot FROM outage WHERE run = ?", run["id"])[0][0] / 1000
    assert first_new["end"] >= opened - 0.2
    assert "Nothing to do" in host.infractl("upgrade", "trixie", "--yes").stdout


def test_rollback_with_volumes_takes_the_data_back(host, client):
    host.shell(NAME, "sh", "-c", f"echo of-trixie > {estates.VOLUME}/since-the-upgrade")
    plan = host.infractl("plan", "rollback", NAME, "--with-volumes").stdout
    assert "volumes go back too" in plan
    host.infractl("rollback", NAME, "--yes", "--with-volumes", timeout=100)
    client.wait_served(release="bookworm")
    assert host.infractl("shell", NAME, "--", "test", "-e", f"{estates.VOLUME}/since-the-upgrade", check=False).returncode == 1
    assert boots(host)[-1] == "bookworm" and "trixie" not in boots(host)
    kept = list((host.storage / "snapshots" / NAME).glob("*/*/since-the-upgrade"))
    assert kept, "what was written since is set aside, not deleted"
    c = host.container(NAME)
    assert (c["generation"], c["release"], c["fence"]) == (1, "bookworm", "open")


def test_rollback_goes_forward_again_and_back_with_data_kept(host, client):
    host.infractl("rollback", NAME, "--yes", timeout=100)
    client.wait_served(release="trixie")
    host.shell(NAME, "sh", "-c", f"echo of-trixie > {estates.VOLUME}/kept")
    plan = host.infractl("plan", "rollback", NAME).stdout
    assert "volumes stay as they are" in plan
    host.infractl("rollback", NAME, "--yes", timeout=100)
    serves_as_before(host, client, "bookworm", 1)
    assert host.shell(NAME, "cat", f"{estates.VOLUME}/kept") == "of-trixie\n"


def reboot(host, families):
    """As a power cut would have it: nothing runs, no bridge, no ruleset. Disks stay."""
    host.daemon.kill()
    host.daemon.wait(10)
    host.daemon = None
    for pid in host.workers():
        os.kill(pid, signal.SIGKILL)
    infrahost.run("lxc-stop", "-P", host.lxc, "-n", NAME, "-k", check=False)
    host.delete_ruleset(families)
    infrahost.run("ip", "link", "delete", "br0")
    for mark in host.root.glob("infrad.socket*"):
        mark.unlink()


@pytest.mark.limit(300)
@pytest.mark.parametrize("step", ["clone", "upgrade"])
def test_reboot_in_the_middle(host, client, step):
    host.infractl("upgrade", "trixie", "--yes", "--detach")
    host.wait_step(step)
    if step == "upgrade":
        time.sleep(12)
    served = len(client.acknowledged())
    # A half of the ruleset that is gone is as good as all of it.
    reboot(host, ("inet",) if step == "clone" else ("inet", "bridge"))
    host.start_daemon()
    run = host.wait_run(270)
    opened = host._journal("SELECT opened_boot FROM outage WHERE run = ?", run["id"])[0][0] / 1000
    early = [a for a in client.acknowledged()[served:] if a["end"] < opened - 0.2]
    assert not early, "the fence was closed until the run's end"
    c = only_result(host)
    assert (run["state"], c["result"]) in (("done", "committed"), ("failed", "rolled-back"))
    release = "trixie" if c["result"] == "committed" else "bookworm"
    serves_as_before(host, client, release, host.container(NAME)["generation"])
    assert host.json("status")["firewall"] == {"loaded": True, "differs": False}
    if release == "trixie":
        host.infractl("rollback", NAME, "--yes", timeout=100)
        client.wait_served(release="bookworm")
    assert init_pid(host)
