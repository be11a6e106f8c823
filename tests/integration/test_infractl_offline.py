# SPDX-License-Identifier: GPL-2.0-or-later
"""infractl as a person meets it before there is any container: help, exit codes, check, completions, manual pages.

Needs no root and touches nothing of the machine. INFRA_BUILD names the build directory (default: build/).
"""

import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import time

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("INFRA_BUILD", SOURCE / "build"))
INFRACTL = BUILD / "infractl" / "infractl"
INFRAD = BUILD / "infrad" / "infrad"
PAGES = ["infractl.1", "infrad.8", "infra.policy.5", "infra.7"]

USAGE, POLICY, NOT_FOUND, NO_ANSWER = 2, 3, 5, 8

FILES = {
    "host.yaml": """\
host: infra02
release: bookworm
bridge: { name: br0, ipv4: 10.0.0.1/24 }
storage: { backend: dir, path: /var/lib/infra }
""",
    "zones.yaml": "zones:\n  internet: { interface: eno1 }\n",
    "profiles/plain.yaml": "profile: plain\n",
    "containers/email.yaml": """\
container: email
release: bookworm
addresses: { internal: 10.0.0.15 }
services:
  - { port: 25/tcp, from: any, probe: smtp }
""",
    "containers/wiki.yaml": """\
container: wiki
release: bookworm
addresses: { internal: 10.0.0.35, internet: 198.51.100.235 }
after: [email]
services:
  - { port: 80/tcp, from: any, probe: { http: / } }
  - { port: 22/tcp, from: any, public-port: 13522 }
""",
    "upgrades/trixie.yaml": "upgrade: trixie\nto: trixie\nstrategy: in-place\nwaves: [[email], [wiki]]\n",
}


@pytest.fixture
def policy(tmp_path):
    directory = tmp_path / "policy"
    for name, text in FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def environment(tmp_path, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INFRA_")}
    return kept | {"LC_ALL": "C.UTF-8", "INFRA_SOCKET": str(tmp_path / "nobody"), "INFRA_STATE": str(tmp_path / "state"),
                   "INFRA_POLICY": str(tmp_path / "policy"), "INFRA_PROFILES": str(tmp_path / "policy" / "profiles")} | more


@pytest.fixture
def infractl(tmp_path):
    def run(*argv, **more):
        return subprocess.run([INFRACTL, *argv], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                              env=environment(tmp_path, **more))
    return run


def verbs():
    out = subprocess.run([INFRACTL, "--complete", "verbs"], capture_output=True, text=True, check=True).stdout
    return [line.split("\t")[0] for line in out.splitlines()]


# Help


def test_alone_it_prints_short_help(infractl):
    result = infractl()
    assert result.returncode == 0
    assert "infractl status" in result.stdout
    assert len(result.stdout.splitlines()) <= 12


def test_help_names_every_verb(infractl):
    result = infractl("--help")
    assert result.returncode == 0 and len(verbs()) >= 17
    for verb in verbs():
        assert re.search(rf"^  {verb}\b", result.stdout, re.M), verb
    assert max(len(line) for line in result.stdout.splitlines()) <= 100


def test_help_of_every_verb(infractl):
    for verb in verbs():
        for argv in ((verb, "--help"), ("--help", verb), (verb, "-h")):
            result = infractl(*argv)
            assert result.returncode == 0 and result.stdout.startswith(f"Usage: infractl {verb}"), argv
            assert result.stderr == ""


def test_version(infractl):
    assert re.fullmatch(r"infractl \d+\.\d+\.\d+\n", infractl("--version").stdout)


# A wrong command line


@pytest.mark.parametrize("argv, said", [
    (["statsu"], "did you mean 'status'?"),
    (["upgrad", "trixie"], "did you mean 'upgrade'?"),
    (["frobnicate"], "unknown verb 'frobnicate'"),
    (["status", "--jsno"], "did you mean '--json'?"),
    (["report", "last", "--step"], "did you mean '--steps'?"),
    (["list", "--steps"], "unknown option '--steps' for list"),
    (["status", "-q"], "unknown option '-q'"),
    (["show"], "'show' needs NAME"),
    (["list", "wiki"], "unexpected argument 'wiki'"),
    (["runs", "--limit"], "needs a value"),
    (["runs", "--limit", "many"], "is no number"),
    (["runs", "--limit=-1"], "is no number"),
    (["status", "--json=yes"], "takes no value"),
    (["report", "seven"], "is no run"),
    (["firewall", "dif"], "did you mean 'diff'?"),
    (["plan", "rollbak", "wiki"], "did you mean 'rollback'?"),
    (["apply", "--local", "--detach"], "--detach needs infrad"),
])
def test_usage_errors_say_what_is_meant(infractl, argv, said):
    result = infractl(*argv)
    assert (result.returncode, result.stdout) == (USAGE, "")
    assert said in result.stderr


# Nobody answers


@pytest.mark.parametrize("argv", [["apply"], ["upgrade", "trixie"], ["rollback", "wiki"], ["start", "wiki"], ["stop", "wiki"]])
def test_changes_do_not_fall_back(infractl, policy, tmp_path, argv):
    result = infractl(*argv, "--yes")
    assert result.returncode == NO_ANSWER
    assert f"infrad is not running (socket {tmp_path}/nobody): start it, or add --local" in result.stderr
    assert not (tmp_path / "state").exists()


def test_reading_falls_back_and_says_so(infractl, policy):
    result = infractl("runs")
    assert result.returncode == 0
    assert result.stdout == "There is no run yet.\n"
    assert "infrad is not running" in result.stderr and "reading it here instead" in result.stderr
    assert infractl("runs", "--local").stderr == ""
    assert json.loads(infractl("runs", "--json", "--local").stdout) == {"runs": []}


def test_a_run_that_is_not_there(infractl, policy):
    assert infractl("report", "last", "--local").returncode == NOT_FOUND
    assert infractl("report", "7", "--local").returncode == NOT_FOUND
    result = infractl("watch", "--local")
    assert result.returncode == 0 and "no run is under way" in result.stdout


def test_a_daemon_that_hangs_up_is_no_answer(infractl, policy, tmp_path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "nobody"))
    listener.listen()
    with subprocess.Popen([INFRACTL, "apply", "--yes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=environment(tmp_path)) as process:
        listener.accept()[0].close()
        _, said = process.communicate(timeout=30)
    assert process.returncode == NO_ANSWER, said


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_shell_and_console_need_root(tmp_path, policy):
    for argv in (["shell", "wiki", "--", "true"], ["console", "wiki"]):
        result = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", INFRACTL, *argv],
                                capture_output=True, text=True, env=environment(tmp_path), cwd="/")
        if "Permission denied" in result.stderr and "infractl:" not in result.stderr:
            pytest.skip("the build directory is private")
        assert result.returncode == 9, result.stderr
        assert "needs root" in result.stderr


def test_infrad_answers_on_its_socket(infractl, tmp_path):
    """With a policy that has errors, so that the daemon has nothing to do but answer."""
    (tmp_path / "policy" / "containers").mkdir(parents=True)
    (tmp_path / "policy" / "host.yaml").write_text("host: infra02\nreleese: bookworm\n")
    path = str(tmp_path / "socket")
    options = ["--policy", tmp_path / "policy", "--state", tmp_path / "state", "--socket", path]
    with subprocess.Popen([INFRAD, *options], stderr=subprocess.PIPE, text=True,
                          env=environment(tmp_path, DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent")) as daemon:
        try:
            limit = time.monotonic() + 20
            while not pathlib.Path(path).exists() and daemon.poll() is None and time.monotonic() < limit:
                time.sleep(0.05)
            result = infractl("runs", "--socket", path)
            assert (result.returncode, result.stdout, result.stderr) == (0, "There is no run yet.\n", "")
            for argv in (["list"], ["apply", "--yes"], ["plan", "apply"]):
                result = infractl(*argv, "--socket", path)
                assert result.returncode == POLICY, result.stderr
                assert "errors, the first at host.yaml:" in result.stderr
            result = infractl("start", "wiki", "--local")
            assert result.returncode == 4 and "infrad" in result.stderr
        finally:
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(20) == 0


# check


def test_check_of_a_good_policy(infractl, policy):
    for argv in (["check"], ["check", str(policy)], ["check", "--policy", str(policy)]):
        result = infractl(*argv)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout == "infra02: 2 containers, 3 services, 1 upgrade: no errors\n"
    answer = json.loads(infractl("check", "--json").stdout)
    assert answer["diagnostics"] == [] and answer["services"] == 3
    assert [c["name"] for c in answer["containers"]] == ["email", "wiki"]


def test_check_shows_every_mistake_at_its_place(infractl, policy):
    wiki = policy / "containers" / "wiki.yaml"
    wiki.write_text(FILES["containers/wiki.yaml"].replace("after: [email]", "after: [emial]").replace("80/tcp", "80/tpc"))
    (policy / "host.yaml").write_text(FILES["host.yaml"] + "colour: blue\n")
    result = infractl("check")
    assert (result.returncode, result.stdout) == (POLICY, "")
    for place in (r"host\.yaml:5:1: error: ", r"containers/wiki\.yaml:4:9: error: ", r"containers/wiki\.yaml:6:13: error: "):
        assert re.search(place, result.stderr), result.stderr
    assert "^" in result.stderr and "email" in result.stderr
    assert "errors: nothing of this policy is used" in result.stderr
    answer = json.loads(infractl("check", "--json").stdout)
    assert {(d["file"], d["line"]) for d in answer["diagnostics"]} >= {("host.yaml", 5), ("containers/wiki.yaml", 4)}


def test_check_makes_control_characters_harmless(infractl, policy):
    (policy / "host.yaml").write_text(FILES["host.yaml"] + '"\\e[31mred": 1\n')
    result = infractl("check")
    assert result.returncode == POLICY and "\x1b" not in result.stderr


def test_a_policy_with_errors_is_exit_code_3_everywhere(infractl, policy):
    (policy / "zones.yaml").write_text("zones: 7\n")
    for argv in (["list"], ["show", "wiki"], ["status"], ["plan", "apply"], ["apply", "--yes"], ["firewall", "show"]):
        result = infractl(*argv, "--local")
        assert result.returncode == POLICY, (argv, result.stderr)
        assert "see `infractl check`" in result.stderr


def test_an_unknown_name_brings_the_nearest(infractl, policy):
    result = infractl("show", "wikki", "--local")
    assert result.returncode == NOT_FOUND
    assert "did you mean 'wiki'" in result.stderr


def test_a_full_disk_is_not_success(tmp_path, policy):
    with open("/dev/full", "w") as full:
        result = subprocess.run([INFRACTL, "check"], stdout=full, stderr=subprocess.PIPE, text=True, env=environment(tmp_path))
    assert result.returncode == 1 and "No space left" in result.stderr


# Completions


def test_hidden_verb_prints_names_quietly(infractl, policy):
    assert infractl("--complete", "containers").stdout.split() == ["email", "wiki"]
    assert infractl("--complete", "upgrades").stdout.split() == ["trixie"]
    (policy / "host.yaml").write_text("x")
    for what in ("containers", "upgrades", "runs"):
        result = infractl("--complete", what)
        assert (result.stdout, result.stderr) == ("", ""), what


BASH = """
source "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_infractl
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete_in_bash(tmp_path, *words):
    return subprocess.run(["bash", "-c", BASH, "bash", SOURCE / "completions" / "infractl.bash", *words], capture_output=True,
                          text=True, check=True, env=environment(tmp_path, PATH=f"{INFRACTL.parent}:{os.environ['PATH']}"))


CASES = [
    ("infractl sta", {"start", "status"}),
    ("infractl show ", {"email", "wiki"}),
    ("infractl rollback w", {"wiki"}),
    ("infractl upgrade ", {"trixie"}),
    ("infractl plan rollback e", {"email"}),
    ("infractl firewall ", {"show", "diff", "apply", "confirm", "revert", "restore", "generations", "status", "boot",
                            "ban", "unban", "bans", "doctor", "explain", "matrix", "equal"}),
    ("infractl --local shell em", {"email"}),
]


@pytest.mark.parametrize("line, wanted", CASES)
def test_bash_completion(tmp_path, policy, line, wanted):
    result = complete_in_bash(tmp_path, *line.split(" "))
    assert set(result.stdout.split()) == wanted and result.stderr == ""


def test_bash_completion_looks_where_the_line_says(tmp_path, policy):
    other = tmp_path / "other"
    shutil.copytree(policy, other)
    (other / "containers" / "blog.yaml").write_text("container: blog\nrelease: bookworm\naddresses: { internal: 10.0.0.99 }\n")
    for words in (["--policy", str(other)], ["--policy", "=", str(other)]):
        result = complete_in_bash(tmp_path, "infractl", *words, "show", "b")
        assert result.stdout.split() == ["blog"]


def test_bash_completion_never_runs_what_it_offers(tmp_path, policy):
    (policy / "upgrades" / "trixie.yaml").write_text("upgrade: $(touch pwned)\n")
    complete_in_bash(tmp_path, "infractl", "upgrade", "")
    assert not pathlib.Path("pwned").exists()


@pytest.mark.parametrize("line, wanted", CASES + [("infractl runs --li", {"--limit"})])
def test_fish_completion(tmp_path, policy, line, wanted):
    if not shutil.which("fish"):
        pytest.skip("there is no fish")
    script = f"source {SOURCE / 'completions' / 'infractl.fish'}; complete -C '{line}'"
    result = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, timeout=60,
                            env=environment(tmp_path, HOME=str(tmp_path), PATH=f"{INFRACTL.parent}:{os.environ['PATH']}"))
    assert {line.split("\t")[0] for line in result.stdout.splitlines()} == wanted, result.stderr


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, argv, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, env)
        self.seen = ""

    def wait_for(self, pattern, limit=20):
        end = time.monotonic() + limit
        while not re.search(pattern, self.seen):
            left = end - time.monotonic()
            assert left > 0, f"no {pattern!r} in {self.seen!r}"
            if select.select([self.fd], [], [], left)[0]:
                try:
                    self.seen += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    assert re.search(pattern, self.seen), self.seen
                    return

    def send(self, text):
        os.write(self.fd, text.encode())

    def close(self):
        os.close(self.fd)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


@pytest.mark.parametrize("typed, wanted", [
    ("infractl statu\t", r"infractl status "),
    ("infractl show w\t", r"infractl show wiki "),
    ("infractl upgrade \t", r"infractl upgrade trixie "),
    ("infractl runs --li\t", r"infractl runs --limit="),
    ("infractl st\t\t", r"status +-- how the host stands"),
])
def test_zsh_completion(tmp_path, policy, typed, wanted):
    if not shutil.which("zsh"):
        pytest.skip("there is no zsh")
    env = environment(tmp_path, PATH=f"{INFRACTL.parent}:{os.environ['PATH']}", TERM="dumb", HOME=str(tmp_path))
    terminal = Terminal(["zsh", "-f", "-i"], env)
    try:
        terminal.send(f"PROMPT='re''ady> '; unsetopt zle_bracketed_paste 2>/dev/null; fpath=({SOURCE / 'completions'} $fpath); "
                      "autoload -Uz compinit; compinit -u -D\r")
        terminal.wait_for("ready> ")
        terminal.seen = ""
        terminal.send(typed)
        terminal.wait_for(wanted)
    finally:
        terminal.close()


# Manual pages


@pytest.mark.parametrize("page", PAGES)
def test_manual_page_renders_without_warnings(tmp_path, page):
    source = SOURCE / "docs" / "man" / f"{page}.scd"
    if not shutil.which("scdoc") or not shutil.which("man"):
        pytest.skip("needs scdoc and man")
    rendered = subprocess.run(["scdoc"], stdin=source.open(), capture_output=True, text=True)
    assert rendered.returncode == 0, rendered.stderr
    (tmp_path / page).write_text(rendered.stdout)
    result = subprocess.run(["man", "--warnings", "-l", tmp_path / page], capture_output=True, text=True,
                            env=os.environ | {"LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANPAGER": "cat", "PAGER": "cat"})
    assert (result.returncode, result.stderr) == (0, "")
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


def test_manual_page_has_every_verb_and_option(infractl):
    page = (SOURCE / "docs" / "man" / "infractl.1.scd").read_text()
    for verb in verbs():
        assert re.search(rf"^(.*, )?\*{verb}[ *]", page, re.M), verb
        for option in infractl(verb, "--complete", "options").stdout.splitlines():
            assert f"*{option.split()[0].rstrip('=')}" in page, (verb, option)
