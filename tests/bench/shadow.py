#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a shadow upgrade costs: seconds without service, time to prepare, time the storage takes.

    shadow.py [outage|prepare|storage...] [--runs N] [--json FILE] [--check]

Runs inside isolated-host (see run). What is compared is measured in the same run, one beside the other.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "host"))

import client  # noqa: E402
import estates  # noqa: E402
import infrahost  # noqa: E402
import mirror  # noqa: E402

PARTS = ("outage", "prepare", "storage")
RUNS = {"outage": 5, "prepare": 1, "storage": 5}
ROOTS = pathlib.Path(os.environ.get("INFRA_TEST_CACHE", "/var/cache/infra-test")) / "roots"
INTERVAL = 0.02
# An attempt takes up to a second; only then is it known whether it was served.
AFTERWARDS = client.ATTEMPT_LIMIT + 0.7
LIMIT = 1800
# The container that is upgraded by infra, the one that a person's script upgrades, and those that are prepared.
OURS, HAND, MANY = "plain", "hand", [f"many{n}" for n in range(1, 7)]
INTERNAL = {OURS: "10.0.0.22", HAND: "10.0.0.23", **{name: f"10.0.0.{31 + n}" for n, name in enumerate(MANY)}}
INTERNET = {OURS: "198.51.100.231", HAND: "198.51.100.232"}
SIZES = {"0.2 GB": 200, "2 GB": 2000, "10 GB": 10000}
# Root and volume share their blocks; the rest is for metadata and what else goes on.
STORAGE_FREE = 25 * 10**9

SWITCH = "find /etc/apt/sources.list* -type f -exec sed -i s/bookworm/trixie/g {} +"
UPGRADE = ("apt-get update; DEBIAN_FRONTEND=noninteractive apt-get -y full-upgrade "
           "-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold")

began = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - began:5.0f} s] {text}", flush=True)


class Results:
    """Rows of the table: a name, the values, and what the median should be."""

    def __init__(self):
        self.rows = []

    def add(self, part, name, unit, values, at_most=None, at_least=None):
        median = statistics.median(values)
        target = f"<= {at_most:g}" if at_most is not None else f">= {at_least:g}" if at_least is not None else ""
        met = (median <= at_most if at_most is not None else median >= at_least) if target else None
        self.rows.append({"part": part, "name": name, "unit": unit, "median": round(median, 4),
                          "values": [round(v, 4) for v in values], "target": target, "met": met})

    def show(self):
        print(f"\n{'':<52}{'median':>9}{'least':>9}{'most':>9}       runs  target")
        for r in self.rows:
            numbers = "".join(f"{v:>9.2f}" for v in (r["median"], min(r["values"]), max(r["values"])))
            verdict = f"{r['target']:<8}{'met' if r['met'] else 'MISSED'}" if r["target"] else ""
            print(f"{r['part'] + ': ' + r['name']:<52}{numbers} {r['unit']:<6}{len(r['values']):>4}  {verdict}".rstrip())

    def write(self, path, seconds):
        facts = {"cpus": os.cpu_count(), "kernel": os.uname().release, "load": os.getloadavg(),
                 "when": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime()), "seconds": round(seconds)}
        pathlib.Path(path).write_text(json.dumps({"machine": facts, "results": self.rows}, indent=2) + "\n")


# The estate

def policy(parts):
    containers, upgrades = [], []
    if "outage" in parts:
        containers += [estates.container(name, INTERNAL[name], INTERNET[name], volumes=[estates.VOLUME], autostart=False)
                       for name in (OURS, HAND)]
        upgrades += [estates.upgrade([[OURS]]), estates.upgrade([[OURS]], upgrade="aside", strategy="shadow")]
    if "prepare" in parts:
        containers += [estates.container(name, INTERNAL[name], autostart=False) for name in MANY]
        upgrades += [estates.upgrade([MANY], upgrade="many", strategy="shadow", jobs=2)]
    return estates.write("/mnt/estate", containers, upgrades), [c["container"] for c in containers]


def make_host(parts):
    directory, names = policy(parts)
    say(f"a host with {len(names)} containers")
    host = infrahost.Host(directory, size="40G", roots=ROOTS)
    host.start_daemon()
    host.infractl("apply", "--yes", timeout=LIMIT)
    # The release roots are shared with the tests; the depot of packages must be our own.
    infrahost.run("umount", host.storage / "cache")
    for name in names:
        estates.install_counter(host, name)
    return host


def wait_served(name, limit=120):
    """Until the container's service takes a connection from the host."""
    deadline = time.monotonic() + limit
    while True:
        try:
            socket.create_connection((INTERNAL[name], estates.PORT), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise AssertionError(f"{name} does not serve within {limit} s")
            time.sleep(0.05)


def attach(host, name, command):
    return infrahost.run("lxc-attach", "-P", host.lxc, "-n", name, "--", "sh", "-c", command, timeout=LIMIT)


def expect_release(host, name, release):
    found = attach(host, name, ". /etc/os-release; echo $VERSION_CODENAME").stdout.strip()
    assert found == release, f"{name} runs {found} and not {release}"


def upgrade_by_hand(host, name):
    """As a person does it who has a few lines in a notebook."""
    attach(host, name, SWITCH)
    attach(host, name, UPGRADE)
    expect_release(host, name, "trixie")


def live(host, name):
    return host.storage / "containers" / name / "live"


def save(host, name):
    """A copy of the live generation, for restore()."""
    saved = host.storage / f".saved-{name}"
    if not saved.exists():
        infrahost.run("btrfs", "subvolume", "snapshot", live(host, name), saved)


def restore(host, name):
    """Back to what save() saw; the container runs again and serves."""
    used = host.storage / f".used-{name}"
    infrahost.run("lxc-stop", "-P", host.lxc, "-n", name, "-t", "20", timeout=60)
    live(host, name).rename(used)
    infrahost.run("btrfs", "subvolume", "snapshot", host.storage / f".saved-{name}", live(host, name))
    infrahost.run("rm", "-rf", used)
    host.infractl("start", name, timeout=120)
    expect_release(host, name, "bookworm")


# Part 1: the outage, as a client on the internet sees it

@contextlib.contextmanager
def watched(host, name):
    """A client on the internet asks the container's service; the path of what it saw, complete after the end."""
    path = str(host.root / f"client-{time.monotonic_ns()}")
    process = subprocess.Popen(["nsenter", f"--net=/run/netns/{infrahost.INTERNET}", sys.executable, client.__file__,
                                str(INTERVAL), path, f"counter=tcp:{INTERNET[name]}:{estates.PORT}"],
                               stdin=subprocess.DEVNULL)
    try:
        time.sleep(1)
        yield path
        time.sleep(AFTERWARDS)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def outage_of(path):
    seen = client.outages(path).get("counter")
    assert seen and seen["unserved"] and seen["outage"] > 0, f"the client saw no outage: {seen}"
    return seen["outage"]


def durations(host):
    """Seconds by kind of step, of the last run; it must have been committed."""
    container = host.report()["containers"][0]
    assert container["result"] == "committed", container
    return {s["kind"]: s["duration_ms"] / 1000 for s in container["steps"]}


def upgrade_by_infra(host, upgrade):
    """Outage and durations of one upgrade; afterwards the container is back at bookworm."""
    with watched(host, OURS) as path:
        host.infractl("upgrade", upgrade, "--yes", timeout=LIMIT)
    took = durations(host)
    expect_release(host, OURS, "trixie")
    host.infractl("rollback", OURS, "--yes", timeout=LIMIT)
    expect_release(host, OURS, "bookworm")
    return outage_of(path), took


def upgrade_by_script(host):
    save(host, HAND)
    with watched(host, HAND) as path:
        attach(host, HAND, "systemctl stop counter")
        upgrade_by_hand(host, HAND)
        attach(host, HAND, "systemctl reboot")
        wait_served(HAND)
    expect_release(host, HAND, "trixie")
    restore(host, HAND)
    return outage_of(path)


def measure_outage(host, runs, results):
    for name in (OURS, HAND):
        host.infractl("start", name, timeout=120)
    seen = {key: [] for key in ("shadow", "stop", "ready", "rest", "in-place", "script")}
    for n in range(1, runs + 1):
        whole, took = upgrade_by_infra(host, "aside")
        stop, ready = took["halt"], took["boot"] + took["gate"]
        for key, value in (("shadow", whole), ("stop", stop), ("ready", ready), ("rest", whole - stop - ready)):
            seen[key].append(value)
        seen["in-place"].append(upgrade_by_infra(host, "trixie")[0])
        seen["script"].append(upgrade_by_script(host))
        say(f"outage {n}/{runs}: " + ", ".join(f"{key} {values[-1]:.2f} s" for key, values in seen.items()))
    for name in (OURS, HAND):
        host.infractl("stop", name, timeout=120)
    report_outage(seen, results)


def report_outage(seen, results):
    results.add("outage", "shadow", "s", seen["shadow"])
    results.add("outage", "  of which to stop", "s", seen["stop"])
    results.add("outage", "  of which to start until it serves", "s", seen["ready"])
    results.add("outage", "  the rest", "s", seen["rest"], at_most=0.3)
    results.add("outage", "in-place", "s", seen["in-place"])
    results.add("outage", "script", "s", seen["script"])
    for name, least in (("in-place", None), ("script", 15)):
        results.add("outage", f"{name} / shadow", "times", [a / b for a, b in zip(seen[name], seen["shadow"])], at_least=least)


# Part 2: time to prepare

def empty_depot(host):
    shutil.rmtree(host.storage / "cache" / "packages", ignore_errors=True)


def wait_paused(host):
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        run = host.json("runs", "--limit", "1")["runs"][0]
        if run["state"] == "paused":
            return
        assert run["state"] == "running", f"the run is {run['state']}:\n{host.infractl('report', 'last', check=False).stdout}"
        time.sleep(0.1)
    raise AssertionError("the run does not pause")


def prepare_aside(host):
    """Seconds until all are cloned, upgraded and rehearsed; seconds of work by kind of step."""
    start = time.monotonic()
    host.infractl("upgrade", "many", "--yes", "--detach", "--pause-before", "cut-over")
    wait_paused(host)
    took = time.monotonic() - start
    work = {}
    for c in host.report()["containers"]:
        for s in c["steps"]:
            work[s["kind"]] = work.get(s["kind"], 0) + s["duration_ms"] / 1000
    host.infractl("abort", check=False, timeout=300)
    host.wait_run(60)
    return took, work


def upgrade_each(host):
    start = time.monotonic()
    for name in MANY:
        upgrade_by_hand(host, name)
    return time.monotonic() - start


def measure_prepare(host, runs, results):
    for name in MANY:
        host.infractl("start", name, timeout=120)
    # Fills the caching proxy outside: the first to ask shall not be the one who pays.
    host.infractl("rehearse", MANY[0], timeout=LIMIT)
    seen = {key: [] for key in ("aside", "rehearsals", "plain")}
    for n in range(1, runs + 1):
        empty_depot(host)
        took, work = prepare_aside(host)
        seen["aside"].append(took)
        seen["rehearsals"].append(work["rehearse"])
        empty_depot(host)
        for name in MANY:
            save(host, name)
        seen["plain"].append(upgrade_each(host))
        say(f"prepare {n}/{runs}: " + ", ".join(f"{key} {values[-1]:.1f} s" for key, values in seen.items()))
        for name in MANY if n < runs else ():
            restore(host, name)
    results.add("prepare", f"{len(MANY)} containers aside", "s", seen["aside"])
    results.add("prepare", "  rehearsals in there, added up", "s", seen["rehearsals"])
    results.add("prepare", f"{len(MANY)} plain upgrades one by one", "s", seen["plain"])
    results.add("prepare", "plain / aside", "times", [a / b for a, b in zip(seen["plain"], seen["aside"])], at_least=2)


# Part 3: what the storage takes

def measure_storage(runs, results):
    place = infrahost.mount_storage("/mnt/bench-storage", size="40G")
    program = infrahost.BUILD / "tests" / "bench" / "storage-bench"
    for label, megabytes in SIZES.items():
        directory = place / str(megabytes)
        directory.mkdir()
        output = infrahost.run(program, directory, megabytes, runs, timeout=LIMIT).stdout
        pairs = [line.split() for line in output.splitlines()]
        for step in ("clone", "exchange", "snapshot"):
            results.add("storage", f"{step}, {label}", "ms", [float(ms) for kind, ms in pairs if kind == step], at_most=100)
        say(f"storage {label}: done")
    infrahost.run("umount", place)


def complain_about_space(parts):
    free = shutil.disk_usage("/var/tmp").free
    if "storage" in parts and free < STORAGE_FREE:
        return f"the part storage needs {STORAGE_FREE / 1e9:.0f} GB free in /var/tmp; there are {free / 1e9:.1f} GB"
    return None


def measure(options, results):
    def runs(part):
        return options.runs or RUNS[part]

    if "storage" in options.parts:
        measure_storage(runs("storage"), results)
    if {"outage", "prepare"} & set(options.parts):
        packages = mirror.Mirror(estates.MIRROR_PORT)
        packages.start()
        host = make_host(options.parts)
        try:
            if "outage" in options.parts:
                measure_outage(host, runs("outage"), results)
            if "prepare" in options.parts:
                measure_prepare(host, runs("prepare"), results)
        except (AssertionError, subprocess.SubprocessError, OSError):
            print(host.daemon_log()[-3000:], file=sys.stderr)
            raise


def command_line():
    parser = argparse.ArgumentParser(description="Measures shadow upgrades; see README.md beside this file.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS) + "; all when none is named")
    parser.add_argument("--runs", type=int, metavar="N", help="repetitions; otherwise "
                        + ", ".join(f"{n} of {part}" for part, n in RUNS.items()))
    parser.add_argument("--json", metavar="FILE", help="the results, for programs")
    parser.add_argument("--check", action="store_true", help="only look whether it could begin")
    options = parser.parse_args()
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"there is no part {part}; there are {', '.join(PARTS)}")
    if options.runs is not None and options.runs < 1:
        parser.error("--runs: at least 1")
    options.parts = options.parts or list(PARTS)
    complaint = complain_about_space(options.parts)
    if complaint:
        parser.error(complaint)
    return options


def main():
    options = command_line()
    if options.check:
        return 0
    results, code = Results(), 0
    try:
        measure(options, results)
    except (AssertionError, subprocess.SubprocessError, OSError) as e:
        say(f"{type(e).__name__}: {e}")
        code = 1
    results.show()
    if options.json:
        results.write(options.json, time.monotonic() - began)
    return code


if __name__ == "__main__":
    sys.exit(main())
