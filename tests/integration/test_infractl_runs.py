# SPDX-License-Identifier: GPL-2.0-or-later
"""infractl and infrad around a run: plan, question, progress, leaving, a daemon that is restarted, what is refused.

The manager is canned (canned-manager.c), so that every case can be had in a second. Needs a compiler; no root.
"""

import errno
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("INFRA_BUILD", SOURCE / "build"))
INFRACTL = BUILD / "infractl" / "infractl"
INFRAD = BUILD / "infrad" / "infrad"
STEPS = [("clone", "cloning the live generation", 500), ("upgrade", "upgrading packages", 90000), ("gate", "probing", 4000)]
CONTAINERS = ["email", "wiki"]

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="needs a compiler")


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("canned") / "canned-manager.so"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libsystemd", "jansson"], capture_output=True, text=True,
                           check=True).stdout.split()
    subprocess.run(["cc", "-shared", "-fPIC", "-fvisibility=hidden", "-D_GNU_SOURCE", "-std=gnu17", "-Wall", "-Werror",
                    f"-I{SOURCE / 'libinfra'}", f"-I{SOURCE / 'libinfra' / 'include'}", "-o", path,
                    SOURCE / "tests" / "integration" / "canned-manager.c", *sorted((SOURCE / "libinfra" / "base").glob("*.c")),
                    *flags], check=True)
    return path


def container(name, **more):
    return {"name": name, "profile": "plain", "state": "running", "managed": True, "configured": True, "running": True,
            "fence": "open", "release": "bookworm", "policy_release": "bookworm", "generation": 1, "address": "10.0.0.17",
            "ipv6": "", "essential": False, "where": f"containers/{name}.yaml:1"} | more


def run_record(state):
    return {"id": 7, "kind": "upgrade", "subject": "trixie", "state": state, "owner": "root", "uid": 0,
            "started_wall": 1790000000000, "ended_wall": 0, "error": "", "digest": "d"}


def report(state, result="committed", step_state="done", **failed):
    def steps(first):
        return [{"number": first + k, "kind": kind, "doing": doing, "state": step_state, "attempts": 1, "duration_ms": 400,
                 "forecast_ms": forecast, "error": failed.get("error", "") if kind == "gate" and first == 1 else "",
                 "transcript": "/var/lib/infra/runs/7/003-gate.log"} for k, (kind, doing, forecast) in enumerate(STEPS)]
    return {"run": run_record(state), "forecast_ms": 120000, "elapsed_ms": 3000, "steps": [], "events": [],
            "containers": [{"name": name, "result": result if name == "email" else "committed", "error": "", "outage_ms": 9000,
                            "outage_forecast_ms": 8000, "services": [], "steps": steps(1 + 3 * i)}
                           for i, name in enumerate(CONTAINERS)]}


def plan():
    steps = [{"number": 1 + 3 * i + k, "kind": kind, "container": name, "wave": i + 1, "from": 1, "to": 2, "release": "trixie",
              "where": "", "forecast_ms": forecast, "doing": doing}
             for i, name in enumerate(CONTAINERS) for k, (kind, doing, forecast) in enumerate(STEPS)]
    return {"plan": {"kind": "upgrade", "subject": "trixie", "digest": "d1gest", "policy": "p",
                     "on-failure": "rollback-container", "notes": ["mind \x1b[31mthe gap"], "steps": steps},
            "forecast_ms": 120000, "outages": [{"container": name, "forecast_ms": 9000} for name in CONTAINERS],
            "firewall_diff": "- old rule\n+ new rule\n"}


def event(number, step_state, text="", state="running"):
    return {"run": 7, "state": state, "container": "email", "step": "x", "number": number, "of": 6, "step_state": step_state,
            "elapsed_ms": 0, "forecast_ms": 0, "text": text}


GOOD = [event(n, s) for n in range(1, 7) for s in ("intent", "done")] + [event(0, None, state="done")]
BAD = [event(1, "intent"), event(1, "done"), event(3, "intent"), event(3, "failed", "25/tcp says \x1b[2Jno"),
       event(1, "undo-intent"), event(1, "undone"), event(0, None, state="partial")]


class Host:
    """A directory of canned answers, and infractl and infrad that live on it."""

    def __init__(self, directory, library):
        self.directory = directory
        self.socket = directory / "socket"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("INFRA_")}
        self.environment = kept | {
            "LC_ALL": "C.UTF-8", "INFRA_CANNED": str(directory), "LD_PRELOAD": str(library), "INFRA_SOCKET": str(self.socket),
            "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0", "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}
        self.daemons = []
        self.put("plan", plan())
        self.put("runs", {"runs": [run_record("running")]})
        self.put("report-running", report("running", step_state="pending"))
        self.scenario(GOOD, report("done"))

    def put(self, name, answer):
        (self.directory / f"{name}.json").write_text(json.dumps(answer))

    def refuse(self, name, code, sentence):
        (self.directory / f"{name}.error").write_text(f"{code} {sentence}\n")

    def scenario(self, events, final):
        (self.directory / "events").write_text("".join(json.dumps(e) + "\n" for e in events))
        self.put("report", final)

    def infractl(self, *argv, **more):
        return subprocess.run([INFRACTL, *argv], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                              env=self.environment | more)

    def infrad(self):
        daemon = subprocess.Popen([INFRAD, "--socket", self.socket], stderr=subprocess.DEVNULL, env=self.environment)
        self.daemons.append(daemon)
        limit = time.monotonic() + 20
        while self.infractl("runs", "--socket", str(self.socket)).stderr and time.monotonic() < limit:
            assert daemon.poll() is None
            time.sleep(0.05)
        return daemon

    def begun(self):
        path = self.directory / "begun"
        return path.read_text() if path.exists() else None


    def close(self):
        for daemon in self.daemons:
            if daemon.poll() is None:
                daemon.terminate()
            daemon.wait(20)


@pytest.fixture
def host(tmp_path, library):
    it = Host(tmp_path, library)
    yield it
    it.close()


@pytest.fixture
def open_host(library):
    """In a directory that everybody may look into."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        it = Host(pathlib.Path(directory), library)
        yield it
        it.close()


@pytest.fixture(params=["local", "daemon"])
def way(request, host):
    """The options that make infractl ask in that way: both must look the same to a person."""
    if request.param == "daemon":
        host.infrad()
        return []
    return ["--local"]


class Terminal:
    """infractl on a terminal of its own."""

    def __init__(self, host, *argv, term="xterm"):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(INFRACTL, [str(INFRACTL), *argv], host.environment | {"TERM": term})
        self.seen = ""

    def wait_for(self, pattern, limit=20):
        end = time.monotonic() + limit
        while not re.search(pattern, self.seen) and self.read(end - time.monotonic()):
            pass
        assert re.search(pattern, self.seen), f"no {pattern!r} in {self.seen!r}"

    def read(self, left):
        if left <= 0 or not select.select([self.fd], [], [], left)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def send(self, text):
        os.write(self.fd, text.encode())

    def end(self, limit=20):
        """Exit code."""
        end = time.monotonic() + limit
        while self.read(end - time.monotonic()):
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


# Plan and question


def test_the_plan_that_was_shown_is_the_one_that_is_begun(host, way):
    result = host.infractl(*way, "upgrade", "trixie", "--yes")
    assert result.returncode == 0, result.stderr
    assert host.begun() == "upgrade trixie 0 d1gest"
    for line in ("Plan: upgrade trixie, 6 steps, about 2 min 00 s", "1 -> 2", "email, wiki:", "+ new rule",
                 "A container that fails goes back"):
        assert line in result.stdout
    assert result.stdout.index("Note:") < result.stdout.index("run 7 (upgrade trixie): done")


def test_a_long_firewall_diff_does_not_push_the_notes_off_the_screen(host, way):
    host.put("plan", plan() | {"firewall_diff": "".join(f"+ rule {n}\n" for n in range(100))})
    out = host.infractl(*way, "plan", "trixie").stdout
    assert "+ rule 11\n" in out and "+ rule 12\n" not in out and "and 88 lines more: infractl firewall diff" in out


def test_a_plan_that_changed_is_not_carried_out(host, way):
    host.refuse("begin", errno.ESTALE, "the plan changed since it was shown; look at it again")
    result = host.infractl(*way, "upgrade", "trixie", "--yes")
    assert result.returncode == 1 and "the plan changed since it was shown" in result.stderr


def test_without_a_terminal_nothing_is_begun_unasked(host, way):
    for more in ([], ["--json"]):
        result = host.infractl(*way, "upgrade", "trixie", *more)
        assert result.returncode == 2 and "--yes" in result.stderr
    assert host.begun() is None


def test_the_question(host, way):
    terminal = Terminal(host, *way, "upgrade", "trixie")
    terminal.wait_for(r"Go on\? \[y/N\]")
    terminal.send("n\n")
    assert terminal.end() == 1 and "Nothing was done." in terminal.seen and host.begun() is None
    terminal = Terminal(host, *way, "rollback", "wiki", "--with-volumes")
    terminal.wait_for(r"Go on\? \[y/N\]")
    terminal.send("y\n")
    assert terminal.end() == 0 and host.begun() == "rollback wiki 1 d1gest"


def test_nothing_to_do_is_success(host, way):
    host.refuse("plan", errno.EALREADY, "everything is as the policy says")
    result = host.infractl(*way, "apply")
    assert (result.returncode, result.stdout) == (0, "Nothing to do: everything is as the policy says.\n")
    answer = json.loads(host.infractl(*way, "apply", "--json", "--yes").stdout)
    assert answer == {"nothing_to_do": True, "text": "everything is as the policy says"}
    host.refuse("begin", errno.EALREADY, "wiki runs")
    assert host.infractl(*way, "start", "wiki").returncode == 0


@pytest.mark.parametrize("code, wanted", [
    (errno.EBUSY, 4), (errno.ENOENT, 5), (errno.EBADMSG, 3), (errno.EPERM, 9), (errno.ENOSPC, 1), (errno.ENOTCONN, 1)])
def test_exit_codes_of_refusals(host, way, code, wanted):
    host.refuse("begin", code, "because")
    result = host.infractl(*way, "stop", "wiki")
    assert (result.returncode, result.stderr) == (wanted, "infractl: because\n")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, to be somebody else")
def test_a_stranger_may_read_and_not_change(open_host):
    host = open_host
    host.put("list", {"containers": [container("email")], "foreign": []})
    host.infrad()
    if any(not path.stat().st_mode & 0o001 for path in INFRACTL.parents):
        pytest.skip("the build directory is private")
    stranger = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", INFRACTL]
    environment = {k: v for k, v in host.environment.items() if k != "LD_PRELOAD"}
    result = subprocess.run([*stranger, "list"], capture_output=True, text=True, env=environment)
    assert result.returncode == 0 and "email" in result.stdout, result.stderr
    result = subprocess.run([*stranger, "stop", "email"], capture_output=True, text=True, env=environment)
    assert result.returncode == 9 and "group 'infra'" in result.stderr


# Progress


def test_progress_as_lines(host, way):
    result = host.infractl(*way, "upgrade", "trixie", "--yes")
    lines = [line for line in result.stdout.splitlines() if line.startswith("[")]
    assert [re.sub(r"^\[.*?\] | in [\d.]+ s$", "", line) for line in lines] == [
        line for name in CONTAINERS for line in
        (f"{name}: cloning the live generation: done", f"{name}: upgrading packages (about 1 min 30 s)",
         f"{name}: upgrading packages: done", f"{name}: probing: done")]
    assert "\x1b" not in result.stdout


def test_progress_as_a_block(host, way):
    terminal = Terminal(host, *way, "upgrade", "trixie", "--yes")
    assert terminal.end() == 0
    assert re.search(r"email +1/3 .*upgrading packages +\[[#.]{8}\]", terminal.seen)
    assert "\x1b[3A\x1b[J" in terminal.seen
    lines = re.split(r"\r?\n", re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", terminal.seen))
    assert max(len(line) for line in lines) <= 80


def test_a_serial_console_gets_no_escapes(host, way):
    terminal = Terminal(host, *way, "upgrade", "trixie", "--yes", term="dumb")
    assert terminal.end() == 0 and "\x1b" not in terminal.seen


@pytest.mark.parametrize("state, result, wanted", [
    ("done", "committed", 0), ("partial", "rolled-back", 6), ("failed", "rolled-back", 6), ("stuck", "stuck", 7)])
def test_exit_codes_of_runs(host, way, state, result, wanted):
    host.scenario([event(0, None, state=state)], report(state, result))
    result = host.infractl(*way, "upgrade", "trixie", "--yes")
    assert result.returncode == wanted
    assert ("a person is needed" in result.stderr) == (state == "stuck")


def test_what_failed_is_said_with_its_transcript(host, way):
    host.scenario(BAD, report("partial", "rolled-back", error="25/tcp says no"))
    result = host.infractl(*way, "upgrade", "trixie", "--yes")
    assert result.returncode == 6
    assert "email: probing FAILED: 25/tcp says ?[2Jno" in result.stdout
    assert "email: undoing: cloning the live generation" in result.stdout
    assert re.search(r"email +rolled-back +9\.0 s +8\.0 s", result.stdout)
    assert "transcript: /var/lib/infra/runs/7/003-gate.log" in result.stdout


def test_json_is_the_report_and_nothing_else(host, way):
    result = host.infractl(*way, "upgrade", "trixie", "--yes", "--json")
    assert result.returncode == 0 and json.loads(result.stdout)["run"]["state"] == "done"


# Leaving and coming back


def test_leaving_does_not_stop_the_run(host):
    host.infrad()
    terminal = Terminal(host, "upgrade", "trixie", "--yes")
    terminal.wait_for("upgrading packages +\\[")
    terminal.send("\x03")
    assert terminal.end() == 0
    assert "Run 7 goes on; `infractl watch 7` shows it" in terminal.seen
    result = host.infractl("watch")
    assert result.returncode == 0 and "run 7 (upgrade trixie): done" in result.stdout


def test_detach_begins_and_returns(host):
    host.infrad()
    result = host.infractl("upgrade", "trixie", "--yes", "--detach")
    assert result.returncode == 0 and "Run 7 begun" in result.stdout
    assert host.infractl("watch", "7").returncode == 0


def test_a_local_run_is_interrupted_by_the_second_try_only_and_taken_up_again(host):
    terminal = Terminal(host, "--local", "upgrade", "trixie", "--yes", term="dumb")
    terminal.wait_for("email: cloning the live generation: done")
    terminal.send("\x03")
    terminal.wait_for("lives in this process")
    terminal.wait_for("email: upgrading packages")
    terminal.send("\x03")
    assert terminal.end() == 1 and "nothing is lost" in terminal.seen
    result = host.infractl("--local", "watch")
    assert result.returncode == 0 and "wiki: probing: done" in result.stdout


def test_a_daemon_that_is_restarted_is_waited_for(host):
    daemon = host.infrad()
    process = subprocess.Popen([INFRACTL, "upgrade", "trixie", "--yes"], stdout=subprocess.PIPE, text=True, env=host.environment)
    out = ""
    # Killed when the run is seen, started again when that was noticed: how busy the machine is makes no difference.
    for sign, then in (("email: ", daemon.kill), ("infrad went away", host.infrad)):
        while sign not in out:
            line = process.stdout.readline()
            assert line, out
            out += line
        then()
    out += process.communicate(timeout=60)[0]
    assert process.returncode == 0, out
    assert out.index("infrad went away") < out.index("infrad is back") < out.index("run 7 (upgrade trixie): done"), out


def test_a_run_of_another_process_is_watched_by_its_reports(host):
    """--local while somebody else holds the lock: no messages come, so the report is asked for again and again."""
    host.refuse("lock", errno.EBUSY, "infrad is the writer")
    (host.directory / "at").write_text("1")
    process = subprocess.Popen([INFRACTL, "--local", "watch", "7"], stdout=subprocess.PIPE, text=True, env=host.environment)
    time.sleep(1.2)
    (host.directory / "at").write_text(str(len(GOOD)))
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and "email: probing: done" in out and "run 7 (upgrade trixie): done" in out


# Views


def test_status_says_first_what_matters(host, way):
    def status(containers, run=None, loaded=True, differs=False):
        host.put("status", {"host": "infra02", "policy": {"directory": "/etc/infra", "digest": "d"}, "bridge": True,
                            "firewall": {"loaded": loaded, "differs": differs}, "run": run, "containers": containers,
                            "storage": {"path": "/var/lib/infra", "backend": "dir", "free": 1, "total": 2}, "foreign": ["old"]})
        return host.infractl(*way, "status").stdout
    good = status([container("email"), container("wiki")])
    assert good.splitlines()[0] == "infra02: 2 containers run, firewall as policy, no run under way"
    assert "foreign, never touched: old" in good
    bad = status([container("email", fence="closed"), container("wiki", running=False, state="stopped")], run_record("running"),
                 loaded=False)
    assert bad.splitlines()[0] == ("infra02: 1 of 2 containers run, 1 behind a closed fence, firewall NOT LOADED, "
                                   "run 7 (upgrade trixie) is under way")


def test_shell_hands_on_words_and_exit_code(host):
    if os.geteuid() != 0:
        pytest.skip("shell needs root")
    for argv, code in ((["wiki"], 0), (["wiki", "--", "ls", "-l"], 2), (["wiki", "ls", "--json", "-h"], 3)):
        assert host.infractl("shell", *argv).returncode == code
