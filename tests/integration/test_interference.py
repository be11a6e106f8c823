# SPDX-License-Identifier: GPL-2.0-or-later
"""Things that go wrong before or in an upgrade: each ends with the old release serving and nothing lost."""

import contextlib
import os
import shutil
import signal
import time

import pytest

import estates
import infrahost
import visitor

NAME, ADDRESS = "plain", "198.51.100.231"


@pytest.fixture(scope="module")
def host(counting_host):
    return counting_host


@pytest.fixture
def client(host):
    with visitor.Visitor(infrahost.INTERNET, host.root / f"visitor-{time.monotonic_ns()}", ADDRESS, estates.PORT,
                         f"v{time.monotonic_ns()}") as v:
        v.wait_served()
        yield v


def init_pid(host):
    return infrahost.run("lxc-info", "-P", host.lxc, "-n", NAME, "-pH", check=False).stdout.strip()


def serves_as_before(host, client, release="bookworm", generation=1):
    """OLD and serving, nothing lost, fence open, and no run is under way."""
    client.wait_served(release=release)
    c = host.container(NAME)
    assert (c["running"], c["fence"], c["generation"], c["release"]) == (True, "open", generation, release)
    assert host.json("status")["run"] is None
    # First what the client knows, then what is there: it goes on counting.
    acknowledged = client.acknowledged()
    have = set(host.shell(NAME, "cat", f"{estates.VOLUME}/log").split())
    lost = [a["id"] for a in acknowledged if a["id"] not in have]
    assert not lost, f"acknowledged and lost: {lost}"


def only_result(host):
    containers = host.report()["containers"]
    assert len(containers) == 1
    return containers[0]


def test_mirror_down_before(host, client, package_mirror):
    pid = init_pid(host)
    package_mirror.stop()
    try:
        result = host.infractl("upgrade", "trixie", "--yes", check=False)
    finally:
        package_mirror.start()
    assert result.returncode == 6, result.stdout
    c = only_result(host)
    assert c["result"] == "failed" and f"10.0.0.1:{estates.MIRROR_PORT}" in c["error"] and c["outage_ms"] == 0
    assert init_pid(host) == pid, "it was not even stopped"
    serves_as_before(host, client)


def free(host):
    space = os.statvfs(host.storage)
    return space.f_bavail * space.f_frsize


@contextlib.contextmanager
def full_disk(host, left=300 << 20):
    """Only 300 MB are left, which is less than the reserve. Costs no real space."""
    before = free(host)
    path = host.storage / "filler"
    infrahost.run("fallocate", "-l", str(before - left), path)
    try:
        yield
    finally:
        path.unlink()
        # btrfs gives space back with its next transaction.
        infrahost.run("btrfs", "filesystem", "sync", host.storage)
        deadline = time.monotonic() + 20
        while free(host) < before // 2 and time.monotonic() < deadline:
            time.sleep(0.1)


def test_disk_full_before_the_plan(host, client):
    runs = host.last_run()
    with full_disk(host):
        result = host.infractl("upgrade", "trixie", "--yes", check=False)
    assert result.returncode in (1, 6) and "free" in result.stdout, result.stdout
    if host.last_run() != runs:
        c = only_result(host)
        assert c["result"] == "failed" and c["outage_ms"] == 0, "refused before the fence closes"
    serves_as_before(host, client)


def test_disk_full_behind_the_fence(host, client):
    """Filled between preflight and clone: the clone asks again, and everything is turned back."""
    host.infractl("upgrade", "trixie", "--yes", "--detach")
    host.wait_step("halt")
    with full_disk(host):
        run = host.wait_run(120)
    assert run["state"] == "failed", run
    c = only_result(host)
    assert c["result"] == "rolled-back" and "free" in c["error"] and c["outage_ms"] > 0
    serves_as_before(host, client)


def held(host, kind):
    """Begins the upgrade and stops infrad's clock while that step is done: what follows waits for release()."""
    host.infractl("upgrade", "trixie", "--yes", "--detach")
    number = host.wait_step(kind)[0]
    answer = host.state / "runs" / str(host.last_run()) / f"{number:03}-{kind}.result"
    deadline = time.monotonic() + 60
    host.daemon.send_signal(signal.SIGSTOP)
    # Between the intent and its worker there is a moment; a worker that ended has left its answer.
    while host.workers() or not answer.exists():
        assert time.monotonic() < deadline
        if not host.workers() and not answer.exists():
            host.daemon.send_signal(signal.SIGCONT)
            time.sleep(0.002)
            host.daemon.send_signal(signal.SIGSTOP)
        time.sleep(0.01)
    assert host.wait_step(kind)[3] == "intent", "its end is not journaled: infrad stands still"


def release(host):
    host.daemon.send_signal(signal.SIGCONT)


def test_started_by_hand_after_the_halt(host, client):
    held(host, "halt")
    infrahost.run("lxc-start", "-P", host.lxc, "-n", NAME)
    pid = init_pid(host)
    release(host)
    assert host.wait_run(120)["state"] == "failed"
    c = only_result(host)
    assert c["result"] == "rolled-back" and "started it meanwhile" in c["error"]
    assert init_pid(host) == pid, "what was started by hand goes on"
    serves_as_before(host, client)


def test_configuration_deleted_by_hand_while_stopped(host, client):
    """And the disk full, so that the run turns back: the way back needs the configuration."""
    held(host, "halt")
    shutil.rmtree(host.lxc / NAME)
    with full_disk(host):
        release(host)
        assert host.wait_run(120)["state"] == "failed"
    assert only_result(host)["result"] == "rolled-back"
    serves_as_before(host, client)


@pytest.mark.limit(200)
def test_destroyed_by_hand_in_the_middle_of_the_upgrade(host, client):
    """lxc-destroy takes the new generation's root with it; the old one waits beside."""
    host.infractl("upgrade", "trixie", "--yes", "--detach")
    host.wait_step("upgrade")
    time.sleep(4)
    # Held meanwhile: lxc-destroy goes by path, and a way back in the same moment would put the old root there.
    host.daemon.send_signal(signal.SIGSTOP)
    infrahost.run("lxc-destroy", "-P", host.lxc, "-n", NAME, "-f", check=False, timeout=60)
    assert not (estates.rootfs(host, NAME) / "etc").exists()
    release(host)
    assert host.wait_run(150)["state"] == "failed"
    assert only_result(host)["result"] == "rolled-back"
    serves_as_before(host, client)


@pytest.mark.limit(200)
def test_stopped_by_hand_in_the_middle_of_the_upgrade(host, client):
    host.infractl("upgrade", "trixie", "--yes", "--detach")
    host.wait_step("upgrade")
    time.sleep(4)
    infrahost.run("lxc-stop", "-P", host.lxc, "-n", NAME, "-k")
    run = host.wait_run(180)
    assert run["state"] == "failed", run
    assert only_result(host)["result"] == "rolled-back"
    serves_as_before(host, client)


@pytest.mark.limit(200)
def test_mirror_dies_half_way(host, client, package_mirror):
    host.infractl("upgrade", "trixie", "--yes", "--detach")
    host.wait_step("upgrade")
    package_mirror.die_after(20 << 20)
    try:
        run = host.wait_run(180)
    finally:
        package_mirror.stop()
        package_mirror.start()
    assert run["state"] == "failed", run
    c = only_result(host)
    assert c["result"] == "rolled-back" and c["error"]
    serves_as_before(host, client)
    assert "trixie" not in host.shell(NAME, "sh", "-c", "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null", check=False)
