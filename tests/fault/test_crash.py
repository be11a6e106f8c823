# SPDX-License-Identifier: GPL-2.0-or-later
"""infrad and its worker killed at random moments of real upgrades, again and again.

Whatever the moment: after the restart the run ends, the container is OLD and serves or NEW and serves, the fence is
open, and nothing that the service acknowledged to its client on the internet is missing from the volume.

INFRA_CRASH_SEED repeats a series (as far as time can be repeated), INFRA_CRASH_KILLS makes it longer.
"""

import os
import random
import signal
import sqlite3
import time

import pytest

import estates
import infrahost
import visitor

NAME, ADDRESS = "plain", "198.51.100.231"
KILLS = int(os.environ.get("INFRA_CRASH_KILLS", "30"))
SEED = int(os.environ.get("INFRA_CRASH_SEED", str(random.SystemRandom().randrange(10 ** 6))))
STEPS = ("preflight", "baseline", "fence", "halt", "snapshot", "clone", "exchange", "boot", "upgrade", "check", "restart",
         "gate", "commit")
# How long a step may be under way when it is hit, at most; the others are over in a moment.
LONG = {"halt": 1.0, "boot": 1.0, "upgrade": 30.0, "check": 0.5, "restart": 2.0, "gate": 0.6, "baseline": 0.4}
UNDOS = ("boot", "exchange", "snapshot", "halt", "fence")


@pytest.fixture(scope="module")
def host(counting_host):
    return counting_host


@pytest.fixture(scope="module")
def client(host):
    with visitor.Visitor(infrahost.INTERNET, host.root / "visitor-crash", ADDRESS, estates.PORT, f"c{SEED}") as v:
        v.wait_served()
        yield v


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def kill_infrad(host):
    host.daemon.kill()
    host.daemon.wait(20)
    host.daemon = None


def kill_all(host, rng):
    """Both, in either order."""
    workers = host.workers()
    if rng.random() < 0.5:
        for pid in workers:
            kill(pid)
        kill_infrad(host)
    else:
        kill_infrad(host)
    for pid in host.workers():
        kill(pid)


def slow_restart(host):
    """A restart whose last step takes about four seconds, begun."""
    host.infractl("stop", NAME)
    estates.install_counter(host, NAME, delay=4)
    host.infractl("start", NAME, "--detach")
    host.wait_step("serve")
    time.sleep(0.5)
    return host.wait_worker()


def attempts(host):
    return {s["kind"]: s["attempts"] for c in host.report()["containers"] for s in c["steps"]}


def test_worker_killed_alone_is_replaced(host, client):
    before = slow_restart(host)
    pid = host.daemon.pid
    kill(before[0])
    assert host.wait_run(60)["state"] == "done"
    assert attempts(host) == {"start": 1, "serve": 2} and host.daemon.pid == pid
    assert any("died without an answer" in e["text"] for e in host.report()["events"])
    client.wait_served()


def test_infrad_killed_alone_takes_its_worker_up_again(host, client):
    before = slow_restart(host)
    kill_infrad(host)
    assert host.workers() == before, "the worker outlives infrad"
    host.start_daemon()
    time.sleep(0.3)
    assert host.workers() == before and host.json("status")["run"]["state"] == "running"
    assert host.wait_run(60)["state"] == "done"
    assert attempts(host) == {"start": 1, "serve": 1}
    client.wait_served()


def test_a_worker_that_nobody_knows_of_is_not_doubled(host, client):
    """infrad died between the fork and the note of it: its successor begins the step again, behind the first worker."""
    before = slow_restart(host)
    kill_infrad(host)
    with sqlite3.connect(host.state / "journal.db", timeout=10) as db:
        db.execute("UPDATE step SET worker = 0, worker_start = 0 WHERE run = ?", (host.last_run(),))
    log = next((host.state / "runs" / str(host.last_run())).glob("*-serve.log"))
    host.start_daemon()
    time.sleep(1)
    assert len(host.workers()) == 2 and before[0] in host.workers()
    assert log.read_text().count("waiting until it serves") == 1, "the second has not begun while the first works"
    assert host.wait_run(60)["state"] == "done"
    assert log.read_text().count("waiting until it serves") == 2 and attempts(host) == {"start": 1, "serve": 2}
    client.wait_served()


def test_worker_that_ended_while_infrad_was_dead_is_believed(host, client):
    slow_restart(host)
    kill_infrad(host)
    while host.workers():
        time.sleep(0.05)
    host.start_daemon()
    assert host.wait_run(60)["state"] == "done"
    assert attempts(host) == {"start": 1, "serve": 1}
    host.infractl("stop", NAME)
    estates.install_counter(host, NAME)
    host.infractl("start", NAME)
    client.wait_served()


def moments(rng, broken):
    """Where to strike in one run, in order: (step, state, seconds later)."""
    early = rng.sample([(k, s) for k in STEPS[:8] for s in ("intent", "done")], 4)
    late = rng.sample([(k, s) for k in STEPS[9:] for s in ("intent", "done") if (k, s) != ("commit", "done")], 2)
    if broken:
        late = [(k, "undo-intent") for k in rng.sample(UNDOS, 3)]
    chosen = sorted(early, key=lambda m: (STEPS.index(m[0]), m[1] == "done")) + [("upgrade", "intent")] * 2
    chosen += late if broken else sorted(late, key=lambda m: (STEPS.index(m[0]), m[1] == "done"))
    if broken:
        chosen[-3:] = sorted(late, key=lambda m: UNDOS.index(m[0]))
    # Some exactly at the boundary, the others somewhere within.
    return [(k, s, 0.0 if s == "done" or rng.random() < 0.4 else rng.uniform(0, LONG.get(k, 0.1))) for k, s in chosen]


def is_over(host):
    return host._journal("SELECT ended FROM run WHERE id = ?", host.last_run())[0][0] != 0


def reached(host, kind, state, limit):
    """Whether the run comes to that point before it ends (or has passed it)."""
    past = {"intent": ("pending",), "done": ("pending", "intent")}.get(state)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        now = next(row[3] for row in host.steps() if row[2] == kind)
        if now == state or (past and now not in past):
            return not is_over(host)
        if is_over(host):
            return False
        time.sleep(0.003)
    raise AssertionError(f"the run does not get to {kind} {state}: {host.steps()}\n{host.daemon_log()[-3000:]}")


def break_on_trixie(host, broken):
    drop_in = "/etc/systemd/system/counter.service.d"
    text = "[Service]\\nExecStartPre=/bin/grep -q ^12 /etc/debian_version\\n"
    host.shell(NAME, "sh", "-c", f"mkdir -p {drop_in} && printf '{text}' > {drop_in}/x.conf" if broken else f"rm -f {drop_in}/x.conf")


def stands(host, client, run, broken, story):
    """OLD and serving or NEW and serving, with everything that was acknowledged."""
    assert run["state"] in ("done", "failed"), (run, story)
    release = "trixie" if run["state"] == "done" else "bookworm"
    assert not (broken and release == "trixie"), story
    client.wait_served(release=release)
    c = host.container(NAME)
    live = [g for g in host.json("show", NAME)["generations"] if g["state"] == "live"]
    assert (c["running"], c["fence"], c["release"]) == (True, "open", release), (c, story)
    assert len(live) == 1 and live[0]["number"] == c["generation"] and live[0]["release"] == release, (live, story)
    status = host.json("status")
    assert status["run"] is None and status["firewall"] == {"loaded": True, "differs": False}, (status, story)
    report = host.report(run["id"])["containers"][0]
    assert report["result"] == ("committed" if release == "trixie" else report["result"]) and report["outage_ms"] >= 0
    assert report["result"] in ("committed", "rolled-back", "failed")
    # First what the client knows, then what is there: it goes on counting.
    acknowledged = client.acknowledged()
    have = set(host.shell(NAME, "cat", f"{estates.VOLUME}/log").split())
    lost = [a["id"] for a in acknowledged if a["id"] not in have]
    assert not lost, f"acknowledged and lost: {lost[:5]} of {len(lost)}; {story}"
    last = max(a["value"] for a in acknowledged)
    assert int(host.shell(NAME, "sh", "-c", f"wc -l < {estates.VOLUME}/log")) >= last
    return release


@pytest.mark.limit(900)
def test_killed_at_random_moments(host, client, capsys):
    rng = random.Random(SEED)
    kills, runs, story, ends = 0, 0, [], []
    while kills < KILLS:
        broken = runs % 2 == 1
        break_on_trixie(host, broken)
        runs += 1
        story.append(f"run {host.last_run() + 1}{' (will not serve)' if broken else ''}:")
        host.infractl("upgrade", "trixie", "--yes", "--detach")
        for kind, state, later in moments(rng, broken):
            if not reached(host, kind, state, 150):
                if is_over(host):
                    break
                continue
            time.sleep(later)
            kill_all(host, rng)
            kills += 1
            story.append(f"{kind} {state} +{later:.2f}s")
            host.start_daemon()
        run = host.wait_run(200)
        release = stands(host, client, run, broken, " ".join(story))
        story.append(f"-> {release};")
        ends.append(release)
        if release == "trixie":
            host.infractl("rollback", NAME, "--yes", timeout=100)
            client.wait_served(release="bookworm")
        break_on_trixie(host, False)
    with capsys.disabled():
        print(f"\nseed {SEED}: {kills} kills in {runs} upgrades, ended {ends}; {' '.join(story)}")
    assert kills >= KILLS and "bookworm" in ends and "trixie" in ends
