# SPDX-License-Identifier: GPL-2.0-or-later
"""infrad and its worker killed at every step boundary of a shadow upgrade: right after the intent, in the act, and when
the worker has ended but nobody has journaled it.

Whatever the moment: the run goes on by itself, the container is OLD and serves or NEW and serves, the fence is open,
nothing that was acknowledged is missing from the volume, and nothing is left lying about.
"""

import signal
import time

import pytest

import estates
import infrahost
import visitor
from test_crash import kill, kill_infrad
from test_interference import ADDRESS, NAME, only_result, serves_as_before
from test_shadow import UPGRADE, nothing_left, sh

STEPS = ("preflight", "baseline", "shadow", "prepare", "rehearse", "fence", "halt", "carry", "snapshot", "exchange", "boot",
         "gate", "commit")
# The way back, in order.
UNDOS = ("boot", "exchange", "snapshot", "halt", "fence", "shadow")
# How long a step is let work before it is hit in the act; the others are over in a moment.
WITHIN = {"prepare": 4.0, "rehearse": 0.4, "halt": 0.05, "gate": 0.2}
KILLS_AT_LEAST = 30
struck = []


@pytest.fixture(scope="module")
def host(counting_host):
    return counting_host


@pytest.fixture(scope="module")
def client(host):
    with visitor.Visitor(infrahost.INTERNET, host.root / "visitor-shadow-crash", ADDRESS, estates.PORT, "k", 0.05) as v:
        v.wait_served()
        yield v


def is_over(host):
    return host._journal("SELECT ended FROM run WHERE id = ?", host.last_run())[0][0] != 0


def row_of(host, kind):
    return next(row for row in host.steps() if row[2] == kind)


def answer_of(host, kind, undo):
    return host.state / "runs" / str(host.last_run()) / f"{row_of(host, kind)[0]:03}-{kind}{'.undo' if undo else ''}.result"


def reached(host, kind, state, limit=150):
    """Whether the step gets to that state while somebody looks; False when it is past it, or the run is over."""
    before = {"intent": ("pending",), "undo-intent": ("pending", "intent", "done", "failed")}[state]
    end = time.monotonic() + limit
    while time.monotonic() < end:
        now = row_of(host, kind)[3]
        if now == state:
            return True
        if now not in before or is_over(host):
            return False
        time.sleep(0.002)
    raise AssertionError(f"the run does not get to {kind} {state}: {host.steps()}\n{host.daemon_log()[-3000:]}")


def kill_both(host):
    workers = host.workers()
    kill_infrad(host)
    for pid in set(workers) | set(host.workers()):
        kill(pid)


def kill_after_the_answer(host, kind, undo):
    """The worker has ended and left its answer; infrad, which stands still, is killed before it can journal it."""
    answer = answer_of(host, kind, undo)
    host.daemon.send_signal(signal.SIGSTOP)
    end = time.monotonic() + 120
    while not answer.exists() or host.workers():
        assert time.monotonic() < end, "no answer"
        if not answer.exists() and not host.workers():
            # Between the intent and its worker: let it be begun.
            host.daemon.send_signal(signal.SIGCONT)
            time.sleep(0.002)
            host.daemon.send_signal(signal.SIGSTOP)
        time.sleep(0.002)
    hit = row_of(host, kind)[3] == ("undo-intent" if undo else "intent")
    kill_infrad(host)
    return hit


def strike(host, kind, moment, undo=False):
    state = "undo-intent" if undo else "intent"
    if not reached(host, kind, state):
        return
    hit = True
    if moment == "answer":
        hit = kill_after_the_answer(host, kind, undo)
    else:
        if moment == "act":
            time.sleep(WITHIN.get(kind, 0.01))
            hit = row_of(host, kind)[3] == state
        kill_both(host)
    struck.extend([(kind, moment, undo)] if hit else [])
    host.start_daemon()


@pytest.mark.limit(200)
@pytest.mark.parametrize("moment", ["intent", "act", "answer"])
def test_killed_at_every_step(host, client, moment):
    host.infractl("upgrade", UPGRADE, "--yes", "--detach")
    for kind in STEPS:
        strike(host, kind, moment)
    run = host.wait_run(150)
    assert run["state"] == "done" and only_result(host)["result"] == "committed", (run, struck)
    live = host.container(NAME)["generation"]
    serves_as_before(host, client, "trixie", live)
    nothing_left(host)
    host.infractl("rollback", NAME, "--yes", timeout=100)
    serves_as_before(host, client)


@pytest.mark.limit(200)
def test_killed_at_every_step_of_the_way_back(host, client):
    """The service comes up in the rehearsal and not after the cut-over."""
    drop = "/etc/systemd/system/counter.service.d"
    sh(host, f"mkdir -p {drop} && printf '[Service]\\nExecStartPre=/bin/sh -c \"! test -e {estates.VOLUME}/broken || grep -q ^12 "
             f"/etc/debian_version\"\\n' > {drop}/broken.conf && systemctl daemon-reload")
    host.infractl("upgrade", UPGRADE, "--yes", "--detach", "--pause-before", "cut-over")
    while host.json("runs", "--limit", "1")["runs"][0]["state"] == "running":
        time.sleep(0.1)
    sh(host, f"touch {estates.VOLUME}/broken")
    # A paused run survives as well.
    kill_both(host)
    host.start_daemon()
    host.infractl("resume", "--detach")
    for moment, kind in zip(("intent", "answer", "act") * 2, UNDOS):
        strike(host, kind, moment, undo=True)
    run = host.wait_run(100)
    assert run["state"] == "failed" and only_result(host)["result"] == "rolled-back", (run, struck)
    serves_as_before(host, client)
    nothing_left(host)
    sh(host, f"rm -r {drop} {estates.VOLUME}/broken; systemctl daemon-reload")


def test_enough_was_struck():
    assert len(struck) >= KILLS_AT_LEAST, struck
