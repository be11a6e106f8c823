# SPDX-License-Identifier: GPL-2.0-or-later
"""An infra host inside `isolated-host`: storage in a loop file, a policy, a daemon, and the internet beside it.

Used by the demo and by the integration tests. Everything lives in the namespaces of isolated-host; the loop
file is unlinked as soon as it is mounted, so that nothing is left behind whatever happens.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("INFRA_BUILD", SOURCE / "build"))
INTERNET = os.environ.get("INFRA_TEST_INTERNET", "")


def run(*argv, check=True, **options):
    """A program with its output captured as text."""
    result = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, **options)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, argv))}: exit {result.returncode}\n{result.stdout}")
    return result


def from_internet(*argv, **options):
    """The same, as a client on the internet."""
    return run("nsenter", f"--net=/run/netns/{INTERNET}", *argv, **options)


def mount_storage(path, kind="btrfs", size="16G"):
    """A file system of its own in a sparse file that has no name any more."""
    path = pathlib.Path(path)
    path.mkdir(parents=True, exist_ok=True)
    handle, image = tempfile.mkstemp(prefix=f"infra-storage-{os.environ.get('INFRA_TEST_NUMBER', os.getpid())}-", dir="/var/tmp")
    os.close(handle)
    try:
        run("truncate", "-s", size, image)
        run(f"mkfs.{kind}", "-q", *(["-f"] if kind == "btrfs" else ["-F"]), image)
        run("mount", "-o", "loop", image, path)
    finally:
        os.unlink(image)
    return path


class Host:
    """One infra host. `policy` is a directory that is copied, so that tests may change it.

    `roots`: a directory that keeps release roots from one host to the next, or None.
    """

    def __init__(self, policy, root="/mnt/host", backend="btrfs", size="16G", roots=None):
        self.root = pathlib.Path(root)
        self.root.mkdir(parents=True)
        self.policy = self.root / "policy"
        shutil.copytree(policy, self.policy)
        self.storage = mount_storage(self.root / "storage", "btrfs" if backend == "btrfs" else "ext4", size)
        self.state = self.root / "state"
        self.state.mkdir()
        # The journal must survive what it is tested against, so it lies on the disk and not in memory.
        run("mount", "--bind", self._on_disk("state"), self.state)
        self.socket = self.root / "infrad.socket"
        self.lxc = self.root / "lxc"
        self.daemon = None
        if roots:
            self._keep_roots(pathlib.Path(roots))
        self._point_policy_here(backend)

    def _on_disk(self, name):
        path = self.storage / f".{name}"
        path.mkdir()
        return path

    def _keep_roots(self, roots):
        roots.mkdir(parents=True, exist_ok=True)
        (self.storage / "cache").mkdir()
        run("mount", "--bind", roots, self.storage / "cache")

    def _point_policy_here(self, backend):
        host = self.policy / "host.yaml"
        lines = [line for line in host.read_text().splitlines()
                 if not line.startswith(("storage:", "lxc-path:"))]
        lines += [f"storage: {{ backend: {backend}, path: {self.storage} }}", f"lxc-path: {self.lxc}"]
        host.write_text("\n".join(lines) + "\n")

    def environment(self):
        return dict(os.environ, INFRA_POLICY=str(self.policy), INFRA_STATE=str(self.state),
                    INFRA_SOCKET=str(self.socket), INFRA_PROFILES=str(SOURCE / "policies" / "profiles"))

    # infrad

    def start_daemon(self, **environment):
        """Starts infrad, with more in its environment, and waits until it listens."""
        log = open(self.root / "infrad.log", "ab")
        self.daemon = subprocess.Popen(
            [BUILD / "infrad" / "infrad", "--policy", self.policy, "--state", self.state, "--socket", self.socket,
             "--profiles", SOURCE / "policies" / "profiles"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=dict(os.environ, **environment))
        log.close()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.daemon.poll() is not None:
                raise AssertionError(f"infrad ended with {self.daemon.returncode}:\n{self.daemon_log()}")
            try:
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(str(self.socket))
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("infrad does not listen")

    def stop_daemon(self, how=signal.SIGTERM):
        self.daemon.send_signal(how)
        self.daemon.wait(30)
        self.daemon = None

    def daemon_log(self):
        path = self.root / "infrad.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def workers(self):
        """Process ids of the workers alive: leaders of their session, unlike what they fork, and no container's monitor."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and (entry / "comm").read_text().strip() == "infra-worker" \
                        and os.getsid(int(entry.name)) == int(entry.name) \
                        and b"lxc monitor" not in (entry / "cmdline").read_bytes() \
                        and ") Z " not in (entry / "stat").read_text():
                    found.append(int(entry.name))
            except OSError:
                pass
        return found

    def wait_worker(self, limit=10):
        """The worker of a step just begun: a moment after its fork it is one."""
        deadline = time.monotonic() + limit
        while len(self.workers()) != 1:
            assert time.monotonic() < deadline, f"workers: {self.workers()}"
            time.sleep(0.01)
        return self.workers()

    # The journal, read beside infrad: quicker than asking, and it answers when infrad is dead.

    STEP_STATES = ("pending", "intent", "done", "failed", "undo-intent", "undone", "undo-failed", "left-out")

    def _journal(self, question, *values):
        with sqlite3.connect(f"file:{self.state}/journal.db?mode=ro", uri=True, timeout=10) as db:
            return db.execute(question, values).fetchall()

    def last_run(self):
        """Number of the newest run, 0 = none."""
        return self._journal("SELECT coalesce(max(id), 0) FROM run")[0][0]

    def steps(self, run_id=None):
        """The steps of a run (the newest) as (number, container, kind, state, worker)."""
        rows = self._journal("SELECT number, container, kind, state, worker FROM step WHERE run = ? ORDER BY number",
                             run_id or self.last_run())
        return [(n, container, kind, self.STEP_STATES[state], worker) for n, container, kind, state, worker in rows]

    def wait_step(self, kind, state="intent", container=None, run_id=None, limit=120):
        """Until a step of that kind is in that state, or is past it; the row."""
        deadline = time.monotonic() + limit
        past = {"intent": ("pending",), "done": ("pending", "intent")}.get(state, ())
        while time.monotonic() < deadline:
            for row in self.steps(run_id):
                if row[2] == kind and container in (None, row[1]) and (row[3] == state or (past and row[3] not in past)):
                    return row
            time.sleep(0.005)
        raise AssertionError(f"step {kind} does not reach {state}: {self.steps(run_id)}\n{self.daemon_log()[-2000:]}")

    def delete_ruleset(self, families=("inet", "bridge")):
        """By hand, as a reboot or a colleague does it."""
        for family in families:
            run("nft", "delete", "table", family, "infra", check=False)

    # infractl

    def infractl(self, *argv, check=True, **options):
        return run(BUILD / "infractl" / "infractl", *argv, check=check, env=self.environment(), **options)

    def json(self, *argv):
        result = subprocess.run([str(BUILD / "infractl" / "infractl"), *argv, "--json"], env=self.environment(),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        if result.returncode != 0:
            raise AssertionError(f"infractl {' '.join(argv)} --json: exit {result.returncode}\n{result.stderr}{result.stdout}")
        return json.loads(result.stdout)

    def container(self, name):
        return next(c for c in self.json("list")["containers"] if c["name"] == name)

    def shell(self, name, *command, check=True):
        return self.infractl("shell", name, "--", *command, check=check).stdout

    def report(self, run_id="last"):
        return self.json("report", str(run_id))

    def wait_run(self, limit=900):
        """Until no run is under way; the last run."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            last = self.json("runs", "--limit", "1")["runs"][0]
            if last["state"] not in ("running", "paused"):
                return last
            time.sleep(0.3)
        raise AssertionError(f"the run does not end\n{self.daemon_log()}")
