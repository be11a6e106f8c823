# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may what: one writer, operators, admins of a container, everybody else; and only the plan that was shown."""

import pathlib
import shutil
import subprocess

import pytest

import estates
import infrahost
import terminal

TOOL = infrahost.BUILD / "infractl" / "infractl"
USERS = {"operator": 64001, "mario": 64002, "stranger": 64003}
GROUP = 64010


@pytest.fixture(scope="module")
def host(bare_host):
    """Users of our own in copies of passwd and group, which only this host's namespace sees."""
    files = {"passwd": "".join(f"{n}:x:{i}:{i}::/:/bin/sh\n" for n, i in USERS.items()),
             "group": f"infra:x:{GROUP}:operator\n"}
    for name, text in files.items():
        copy = bare_host.root / name
        copy.write_text(pathlib.Path(f"/etc/{name}").read_text() + text)
        infrahost.run("mount", "--bind", copy, f"/etc/{name}")
    if bare_host.daemon:
        bare_host.stop_daemon()
    bare_host.start_daemon()
    # Where everybody may read it, wherever the build is.
    programs = bare_host.root / "programs"
    for part in ("infractl/infractl", *(f"libinfra/{p.name}" for p in (infrahost.BUILD / "libinfra").glob("libinfra.so*") if p.is_file())):
        (programs / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(infrahost.BUILD / part, programs / part)
    if not bare_host.container("plain")["running"]:
        bare_host.infractl("start", "plain")
    yield bare_host
    for name in files:
        infrahost.run("umount", f"/etc/{name}")


def as_user(host, user, *argv):
    uid = USERS.get(user, 65534)
    environment = dict(host.environment(), LD_LIBRARY_PATH=str(host.root / "programs/libinfra"))
    who = ["setpriv", f"--reuid={uid}", f"--regid={uid}", *(["--init-groups"] if user in USERS else ["--clear-groups"])]
    return subprocess.run([*who, str(host.root / "programs/infractl/infractl"), *argv], env=environment, cwd="/",
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)


@pytest.mark.parametrize("user", ["operator", "mario", "stranger", "nobody"])
def test_everybody_may_read(host, user):
    for argv in (["status"], ["list", "--json"], ["show", "plain"], ["runs"], ["report", "last"], ["firewall", "diff"]):
        result = as_user(host, user, *argv)
        assert result.returncode == 0, (argv, result.stdout)


@pytest.mark.parametrize("user", ["mario", "stranger", "nobody"])
def test_a_user_without_rights_may_change_nothing(host, user):
    runs = len(host.json("runs", "--limit", "0")["runs"])
    for argv in (["upgrade", "trixie", "--yes"], ["restart", "slow"], ["stop", "slow"], ["rollback", "plain", "--yes"]):
        result = as_user(host, user, *argv)
        assert result.returncode in (9, 5) if argv[0] == "rollback" else result.returncode == 9, (argv, result.stdout)
    assert "infra" in as_user(host, user, "restart", "slow").stdout, "the refusal says which right is missing"
    assert len(host.json("runs", "--limit", "0")["runs"]) == runs


def test_shell_needs_root(host):
    for user in ("operator", "mario", "nobody"):
        result = as_user(host, user, "shell", "plain", "--", "true")
        assert result.returncode == 9 and "root" in result.stdout


def test_a_member_of_the_group_may_change(host):
    result = as_user(host, "operator", "restart", "slow")
    assert result.returncode == 0, result.stdout
    run = host.json("runs", "--limit", "1")["runs"][0]
    assert run["uid"] == USERS["operator"] and run["owner"] == "operator"


def test_an_admin_may_restart_his_container_and_no_other(host):
    result = as_user(host, "mario", "restart", "plain")
    assert result.returncode == 0, result.stdout
    assert host.json("runs", "--limit", "1")["runs"][0]["owner"] == "mario"
    assert as_user(host, "mario", "restart", "web").returncode == 9


def test_local_is_refused_while_infrad_is_the_writer(host):
    result = host.infractl("restart", "plain", "--local", check=False)
    assert result.returncode == 4 and "infrad" in result.stdout
    assert host.infractl("status", "--local").returncode == 0, "reading needs no lock"


def test_a_second_infrad_on_the_same_state_refuses_to_start(host):
    second = subprocess.run([str(infrahost.BUILD / "infrad" / "infrad"), "--policy", str(host.policy), "--state", str(host.state),
                             "--socket", str(host.root / "second.socket")], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
    assert second.returncode == 1 and "infrad, pid" in second.stdout


def test_without_a_terminal_a_change_needs_yes(host):
    result = host.infractl("apply", check=False)
    if "Nothing to do" in result.stdout:
        host.delete_ruleset()
        result = host.infractl("apply", check=False)
    assert result.returncode == 2 and "--yes" in result.stdout
    host.infractl("apply", "--yes")


def test_no_is_no(host):
    host.delete_ruleset()
    runs = host.last_run()
    t = terminal.Terminal([TOOL, "apply"], host.environment())
    t.wait_for("Go on?")
    t.send("n\n")
    assert t.wait() == 1 and host.last_run() == runs
    host.infractl("apply", "--yes")


def test_a_plan_that_changed_since_it_was_shown_is_refused(host):
    host.delete_ruleset()
    runs = host.last_run()
    path = host.policy / "containers/plain.yaml"
    before = path.read_text()
    t = terminal.Terminal([TOOL, "apply"], host.environment())
    t.wait_for("Go on?")
    path.write_text(before.replace("stop-grace: 20s", "stop-grace: 21s") + "# edited by the colleague\n")
    try:
        t.send("y\n")
        assert t.wait() == 1, t.text
        assert "changed since it was shown" in t.text and host.last_run() == runs
    finally:
        path.write_text(before)
    host.infractl("apply", "--yes")


def test_a_container_stopped_by_hand_between_plan_and_answer(host):
    runs = host.last_run()
    t = terminal.Terminal([TOOL, "upgrade", "trixie"], host.environment())
    t.wait_for("Go on?")
    infrahost.run("lxc-stop", "-P", host.lxc, "-n", "plain", "-k")
    t.send("y\n")
    assert t.wait() == 1 and "plain is not running" in t.text
    assert host.last_run() == runs
    host.infractl("start", "plain")


def test_a_configuration_deleted_by_hand_between_plan_and_answer(host):
    runs = host.last_run()
    t = terminal.Terminal([TOOL, "upgrade", "trixie"], host.environment())
    t.wait_for("Go on?")
    infrahost.run("lxc-stop", "-P", host.lxc, "-n", "plain", "-k")
    shutil.rmtree(host.lxc / "plain")
    t.send("y\n")
    assert t.wait() in (1, 5), t.text
    assert host.last_run() == runs


def test_apply_brings_a_deleted_configuration_back(host):
    host.infractl("apply", "--yes")
    assert host.container("plain")["running"] and host.container("plain")["generation"] == 1
    assert host.shell("plain", "cat", f"{estates.VOLUME}/witness") == "kept\n"
