# SPDX-License-Identifier: GPL-2.0-or-later
"""Shadow upgrades of a container that counts in a volume: the original serves until the last moment, and each reason
to turn back does so before it was even stopped, or loses nothing."""

import contextlib
import json
import shutil
import time

import pytest

import client as watcher
import estates
import infrahost
import visitor
from test_interference import ADDRESS, NAME, full_disk, init_pid, only_result, serves_as_before

UPGRADE = "aside"


@pytest.fixture(scope="module")
def host(counting_host):
    return counting_host


@pytest.fixture
def client(host):
    with visitor.Visitor(infrahost.INTERNET, host.root / f"visitor-{time.monotonic_ns()}", ADDRESS, estates.PORT,
                         f"s{time.monotonic_ns()}", 0.02) as v:
        v.wait_served()
        yield v


def sh(host, script, check=True):
    return host.infractl("shell", NAME, "--", "sh", "-c", script, check=check)


def data(host, kind, run=None):
    """What a step left in the journal."""
    return json.loads(host._journal("SELECT data FROM step WHERE run = ? AND kind = ?", run or host.last_run(), kind)[0][0] or "{}")


def nothing_left(host):
    """No candidate, no base, no scratch, no ghost."""
    assert [g["state"] for g in host.json("show", NAME)["generations"] if g["state"] == "candidate"] == []
    assert list((host.storage / "scratch").glob("*/*")) == []
    assert list((host.storage / "bases").glob("*/clone-*")) == []
    assert not (host.state / "ghosts" / NAME).exists()


def turned_back(host, client, *words, outage=False, timeout=200):
    """Runs the upgrade, which must turn back for the reason given, with the original serving on."""
    pid = init_pid(host)
    result = host.infractl("upgrade", UPGRADE, "--yes", check=False, timeout=timeout)
    assert result.returncode == 6, result.stdout
    c = only_result(host)
    for word in words:
        assert word in c["error"], c["error"]
    if outage:
        assert c["result"] == "rolled-back" and c["outage_ms"] > 0
    else:
        assert c["result"] == "failed" and c["outage_ms"] == 0
        assert init_pid(host) == pid, "it was not even stopped"
    nothing_left(host)
    serves_as_before(host, client)
    return c


def wait_paused(host, limit=30):
    deadline = time.monotonic() + limit
    while host.json("runs", "--limit", "1")["runs"][0]["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert host.json("runs", "--limit", "1")["runs"][0]["state"] == "paused"


@contextlib.contextmanager
def edited(path, old, new):
    """A policy file that says something else meanwhile."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    try:
        yield
    finally:
        path.write_text(text)


def policy(host, **more):
    """The container's file with more keys."""
    return edited(host.policy / "containers" / f"{NAME}.yaml", "container:", json.dumps(more)[1:-1].replace("\n", "") + "\ncontainer:")


def test_mirror_gone_half_way(host, client, package_mirror):
    # Nothing is there from earlier runs.
    depot = host.storage / "cache" / "packages"
    shutil.rmtree(depot, ignore_errors=True)
    host.infractl("upgrade", UPGRADE, "--yes", "--detach")
    host.wait_step("prepare")
    deadline = time.monotonic() + 60
    while not depot.exists() or len(list(depot.iterdir())) < 12:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    package_mirror.stop()
    try:
        assert host.wait_run(150)["state"] == "failed"
    finally:
        package_mirror.start()
    c = only_result(host)
    assert c["result"] == "failed" and c["outage_ms"] == 0 and "upgrade the packages" in c["error"]
    nothing_left(host)
    serves_as_before(host, client)


@pytest.mark.limit(200)
def test_a_rehearsal_changes_nothing(host, client):
    pid = init_pid(host)
    result = host.infractl("rehearse", NAME, timeout=180)
    assert only_result(host)["result"] == "done", result.stdout
    assert init_pid(host) == pid
    rehearsed = data(host, "rehearse")
    assert rehearsed["services"]["7000/tcp"]["verdict"] == "pass" and 0 < rehearsed["ready_ms"] < 60000
    assert data(host, "prepare")["hops"] == ["trixie"]
    nothing_left(host)
    serves_as_before(host, client)
    # Its timings are the forecast of the upgrade.
    plan = host.json("plan", UPGRADE)["plan"]
    took = next(s for s in only_result(host)["steps"] if s["kind"] == "prepare")["duration_ms"]
    assert next(s for s in plan["steps"] if s["kind"] == "prepare")["forecast_ms"] == took
    # What was fetched once is not fetched again.
    assert data(host, "prepare")["fetched"] > 0


@pytest.mark.limit(200)
def test_package_of_the_keep_list_removed(host, client):
    """A package that conflicts with everything of the new release goes with it."""
    sh(host, "mkdir -p /tmp/p/DEBIAN && printf 'Package: precious\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@example.org>\\n"
             "Conflicts: libc6 (>= 2.40)\\nDescription: goes with bookworm\\n' > /tmp/p/DEBIAN/control"
             " && dpkg-deb -b /tmp/p /tmp/p.deb && dpkg -i /tmp/p.deb")
    try:
        with policy(host, keep=["precious"]):
            turned_back(host, client, "precious", "no longer installed")
        assert data(host, "prepare") == {}, "its result is the error"
    finally:
        sh(host, "dpkg -P precious; rm -rf /tmp/p /tmp/p.deb")


@pytest.mark.limit(200)
def test_question_asked(host, client):
    """A package script that waits for a person: detected by its silence, with the last lines of its terminal."""
    hook = "/etc/apt/apt.conf.d/99asks"
    sh(host, f"mkfifo /root/never; printf '%s' 'DPkg::Post-Invoke {{ \"echo What is your favourite colour; read answer < /root/never\"; }};' > {hook}")
    try:
        with edited(host.policy / "upgrades" / f"{UPGRADE}.yaml", "strategy:", "silence: 8s\nstrategy:"):
            turned_back(host, client, "printed nothing", "favourite colour")
    finally:
        sh(host, f"rm -f {hook} /root/never")


@pytest.mark.limit(200)
def test_unit_fails_in_the_rehearsal(host, client):
    unit = "/etc/systemd/system/only-bookworm.service"
    sh(host, f"printf '[Service]\\nType=oneshot\\nExecStart=/bin/grep -q ^12 /etc/debian_version\\n[Install]\\nWantedBy=multi-user.target\\n' > {unit}"
             " && systemctl enable only-bookworm && systemctl start only-bookworm")
    try:
        turned_back(host, client, "rehearsal", "only-bookworm.service")
    finally:
        sh(host, f"systemctl disable only-bookworm; rm {unit}; systemctl daemon-reload")


@pytest.mark.limit(200)
def test_probe_fails_in_the_rehearsal(host, client):
    drop = "/etc/systemd/system/counter.service.d"
    sh(host, f"mkdir -p {drop} && printf '[Service]\\nExecStartPre=/bin/grep -q ^12 /etc/debian_version\\n' > {drop}/only.conf")
    try:
        turned_back(host, client, "rehearsal", "7000/tcp")
    finally:
        sh(host, f"rm -r {drop}; systemctl daemon-reload")


@pytest.mark.limit(200)
def test_disk_full_in_the_candidate(host, client):
    host.infractl("upgrade", UPGRADE, "--yes", "--detach")
    host.wait_step("prepare")
    with full_disk(host):
        assert host.wait_run(150)["state"] == "failed"
    c = only_result(host)
    assert c["result"] == "failed" and c["outage_ms"] == 0 and "all but full" in c["error"], c
    nothing_left(host)
    serves_as_before(host, client)


@pytest.mark.limit(200)
def test_window_too_short(host, client):
    """It ends while the candidate is prepared: no fence closes. One that is over already: nothing is prepared."""
    for left, prepared in ((6, True), (0, False)):
        began = time.time()
        start = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(began - 120))
        length = int(began) + left - int(began - 120) // 60 * 60
        with edited(host.policy / "upgrades" / f"{UPGRADE}.yaml", "strategy:", f"window: {{ start: {start}, length: {length}s }}\nstrategy:"):
            c = turned_back(host, client, "window", "way back")
        assert any(s["kind"] == "prepare" and s["attempts"] for s in c["steps"]) == prepared


@pytest.mark.limit(200)
def test_no_fence_closes_before_the_window(host, client):
    start = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(time.time() + 3600))
    with edited(host.policy / "upgrades" / f"{UPGRADE}.yaml", "strategy:", f"window: {{ start: {start}, length: 1h }}\nstrategy:"):
        host.infractl("upgrade", UPGRADE, "--yes", "--detach")
        host.wait_step("rehearse", "done", limit=150)
        deadline = time.monotonic() + 10
        while not any("waiting for the window" in e["text"] for e in host.report()["events"]):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert host.container(NAME)["fence"] == "open" and host.json("status")["run"]["state"] == "running"
        assert host.infractl("abort", check=False, timeout=60).returncode == 6
    nothing_left(host)
    serves_as_before(host, client)


@pytest.mark.limit(250)
def test_drift_conflict(host, client):
    """The upgrade changes a file and so does the original meanwhile: a person must decide, so it turns back."""
    host.infractl("upgrade", UPGRADE, "--yes", "--detach", "--pause-before", "cut-over")
    host.wait_step("rehearse", "done", limit=150)
    sh(host, "echo 'changed by hand' >> /etc/debian_version; echo harmless > /etc/harmless; echo line >> /var/log/mine.log")
    wait_paused(host)
    assert host.container(NAME)["fence"] == "open"
    result = host.infractl("resume", check=False, timeout=100)
    assert result.returncode == 6, result.stdout
    c = only_result(host)
    assert c["result"] == "rolled-back" and "/etc/debian_version" in c["error"] and "harmless" not in c["error"]
    nothing_left(host)
    serves_as_before(host, client)
    sh(host, "sed -i '/by hand/d' /etc/debian_version; rm /etc/harmless")


@pytest.mark.limit(200)
def test_abort_while_it_is_prepared(host, client):
    pid = init_pid(host)
    host.infractl("upgrade", UPGRADE, "--yes", "--detach")
    host.wait_step("prepare")
    time.sleep(3)
    host.infractl("pause")
    began = time.monotonic()
    result = host.infractl("abort", check=False, timeout=60)
    assert result.returncode == 6 and time.monotonic() - began < 20, "nobody waits for packages that are thrown away"
    assert any("abort, said by root" in e["text"] for e in host.report()["events"])
    assert host.infractl("abort", check=False).returncode == 5 and init_pid(host) == pid
    nothing_left(host)
    serves_as_before(host, client)


@pytest.mark.limit(200)
def test_without_infrad(host, client):
    """Paused and aborted by processes of their own, each of which takes the run up where the last one left it."""
    host.stop_daemon()
    try:
        paused = host.infractl("--local", "upgrade", UPGRADE, "--yes", "--pause-before", "cut-over", check=False, timeout=150)
        assert paused.returncode == 7 and "infractl resume" in paused.stdout, paused.stdout
        assert "is under way" in host.infractl("--local", "restart", NAME, check=False).stdout
        aborted = host.infractl("--local", "abort", check=False, timeout=60)
        assert aborted.returncode == 6, aborted.stdout
    finally:
        host.start_daemon()
    nothing_left(host)
    serves_as_before(host, client)


@pytest.mark.limit(300)
def test_shadow(host, client):
    """What was written meanwhile comes along; the service is away for a moment."""
    sh(host, "echo old > /root/gone")
    host.infractl("upgrade", UPGRADE, "--yes", "--detach", "--pause-before", "cut-over")
    host.wait_step("rehearse", "done", limit=150)
    sh(host, "echo of-the-last-minute > /root/witness; echo line >> /var/log/mine.log; rm /root/gone; echo x > /var/cache/junk")
    wait_paused(host)
    result = host.infractl("resume", timeout=100)
    c = only_result(host)
    assert c["result"] == "committed", result.stdout
    client.wait_served(release="trixie")
    time.sleep(0.3)
    assert sh(host, "cat /root/witness /var/log/mine.log; ls /root/gone /var/cache/junk; dpkg --audit; cat /etc/debian_version; ls /usr/sbin/policy-rc.d",
              check=False).stdout.splitlines()[:2] == ["of-the-last-minute", "line"]
    assert sh(host, "test -e /root/gone || test -e /var/cache/junk || test -e /usr/sbin/policy-rc.d", check=False).returncode == 1
    measured = watcher.outages(client.path)["counter"]["outage"]
    assert c["outage_ms"] < 5000 and abs(measured - c["outage_ms"] / 1000) < 2, (measured, c["outage_ms"])
    live = next(g for g in host.json("show", NAME)["generations"] if g["state"] == "live")
    serves_as_before(host, client, "trixie", live["number"])
    # Nobody was served by the new release before the fence opened.
    first_new = next(a for a in client.acknowledged() if a["release"] == "trixie")
    opened = host._journal("SELECT opened_boot FROM outage WHERE run = ?", host.last_run())[0][0] / 1000
    assert first_new["end"] >= opened - 0.2


def test_drift_and_the_price_of_a_rollback(host, client):
    """After test_shadow: what was written since the commit, to root and volumes, is shown before anybody is asked."""
    assert not [i for i in host.json("drift", NAME)["root"]["items"] if i["path"] in ("/etc/mine", "/root/witness")]
    sh(host, f"mkdir /var/lib/thing; head -c 100000 /dev/zero > /var/lib/thing/data; echo x > /etc/mine; echo y > {estates.VOLUME}/since; rm /etc/hostname")
    drift = host.json("drift", NAME)
    items = {i["path"]: i for i in drift["root"]["items"]}
    assert items["/var/lib/thing/data"]["kind"] == "added" and items["/var/lib/thing/data"]["bytes"] == 100000
    assert items["/etc/hostname"]["kind"] == "removed" and items["/etc/mine"]["as"] == ""
    assert not any(p.startswith(estates.VOLUME) for p in items), "volumes are no drift"
    assert [p["path"] for p in drift["proposals"]] == ["/var/lib/thing"]
    shown = host.infractl("drift", NAME).stdout
    assert "/etc/mine" in shown and f"infractl volume extract {NAME} /var/lib/thing" in shown
    with policy(host, **{"write-set": [{"path": "/var/lib/thing", "as": "ignore"}]}):
        assert host.json("drift", NAME)["proposals"] == []
    price = host.json("plan", "rollback", NAME)["price"]
    assert price["root"]["files"] >= 3 and price["root"]["bytes"] >= 100000
    assert price["volumes"][0]["path"] == estates.VOLUME and price["volumes"][0]["files"] >= 2
    text = host.infractl("plan", "rollback", NAME).stdout
    assert "Written since generation" in text and "--with-volumes" in text
    sh(host, "echo plain > /etc/hostname")


def test_what_is_kept_long_enough_goes(host, client):
    """Back to bookworm; the new generation is then kept for a second only, and said so a day before."""
    new = host.container(NAME)["generation"]
    old = next(g for g in host.json("show", NAME)["generations"] if g["number"] == 1)
    assert old["state"] == "previous" and old["until_wall"] / 1000 > time.time() + 13 * 24 * 3600
    with contextlib.ExitStack() as stack:
        for name in ("trixie", UPGRADE):
            stack.enter_context(edited(host.policy / "upgrades" / f"{name}.yaml", "strategy:", "keep: 4s\nstrategy:"))
        host.infractl("rollback", NAME, "--yes", timeout=100)
    serves_as_before(host, client)
    run = host.last_run()
    host.stop_daemon()
    host.start_daemon()
    deadline = time.monotonic() + 10
    while f"generation {new} of {NAME}" not in host.daemon_log():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "deleted" in host.daemon_log()
    time.sleep(4)
    host.stop_daemon()
    host.start_daemon()
    deadline = time.monotonic() + 20
    while new in [g["number"] for g in host.json("show", NAME)["generations"]]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert not list((host.storage / "snapshots" / NAME).glob(f"run-{run}*"))
    assert not (host.storage / "bases" / NAME / f"live-{new}").exists()
    serves_as_before(host, client)


THING = "/var/lib/thing"


def volumes(host, *paths):
    """The policy calls these volumes from now on."""
    path = host.policy / "containers" / f"{NAME}.yaml"
    path.write_text("\n".join(f"volumes: {json.dumps(list(paths))}" if line.startswith("volumes:") else line
                              for line in path.read_text().splitlines()) + "\n")


def counted(host):
    """The numbers a service wrote to a directory of the root, one after the other."""
    return [int(n) for n in sh(host, f"cat {THING}/log").stdout.split()]


def test_extract_is_refused_before_the_policy_says_so(host, client):
    writer = f"n=$(cat {THING}/log 2>/dev/null | wc -l)\nwhile :; do echo $n >> {THING}/log; n=$((n + 1)); sleep 0.02; done\n"
    unit = "[Service]\nExecStart=/bin/sh /usr/local/bin/writer\n[Install]\nWantedBy=multi-user.target\n"
    root = estates.rootfs(host, NAME)
    (root / "usr/local/bin/writer").write_text(writer)
    (root / "etc/systemd/system/writer.service").write_text(unit)
    sh(host, f"mkdir -p {THING}/deep && chmod 2750 {THING}/deep && ln -s log {THING}/link && systemctl daemon-reload && systemctl enable --now writer")
    refused = host.infractl("volume", "extract", NAME, THING, "--yes", check=False)
    assert refused.returncode == 1 and "does not call /var/lib/thing a volume" in refused.stdout and "containers/plain.yaml:" in refused.stdout
    volumes(host, estates.VOLUME, THING)
    applied = host.infractl("apply", "--yes").stdout
    assert f"infractl volume extract {NAME} {THING}" in applied and "Nothing to do" in applied
    assert not (host.storage / "volumes" / NAME / "var-lib-thing").exists(), "a copy now would be old when it is mounted"


def test_extract_that_does_not_serve_goes_back(host, client):
    drop = "/etc/systemd/system/counter.service.d"
    sh(host, f"mkdir -p {drop} && printf '[Service]\\nExecStartPre=/bin/sh -c \"! grep -q {THING} /proc/mounts\"\\n' > {drop}/no.conf")
    before = counted(host)
    result = host.infractl("volume", "extract", NAME, THING, "--yes", check=False, timeout=100)
    assert result.returncode == 6, result.stdout
    assert only_result(host)["result"] == "rolled-back"
    serves_as_before(host, client)
    after = counted(host)
    assert after == list(range(len(after))) and len(after) > len(before)
    assert not list((host.storage / "volumes" / NAME).glob("*thing")), "no volume, no copy"
    sh(host, f"rm -r {drop}; systemctl daemon-reload")


def test_extract(host, client):
    result = host.infractl("volume", "extract", NAME, THING, "--yes", timeout=100)
    c = only_result(host)
    assert c["result"] == "committed" and c["outage_ms"] < 5000, result.stdout
    serves_as_before(host, client)
    numbers = counted(host)
    assert numbers == list(range(len(numbers))), "every line that was written is there, once"
    assert THING in sh(host, "cat /proc/mounts").stdout
    volume = host.storage / "volumes" / NAME / "var-lib-thing"
    assert (volume / "deep").stat().st_mode & 0o7777 == 0o2750 and (volume / "link").is_symlink()
    assert list((estates.rootfs(host, NAME) / THING[1:]).iterdir()) == []
    assert "Nothing to do" in host.infractl("apply", "--yes").stdout
    # Once more: there is nothing to do; and one that is lost is not taken for one that never was.
    assert "is a volume" in host.infractl("volume", "extract", NAME, THING, "--yes").stdout
    host.infractl("stop", NAME)
    volume.rename(volume.with_name("lost"))
    refused = host.infractl("start", NAME, check=False)
    assert refused.returncode == 6 and "var-lib-thing" in refused.stdout
    volume.with_name("lost").rename(volume)
    host.infractl("start", NAME, timeout=60)
    serves_as_before(host, client)
