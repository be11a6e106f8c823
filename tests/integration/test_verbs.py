# SPDX-License-Identifier: GPL-2.0-or-later
"""start, stop, restart, shell, console, and what the looking verbs print, on the host that test_apply.py made."""

import re
import subprocess
import time

import pytest

import estates
import infrahost
import terminal

TOOL = infrahost.BUILD / "infractl" / "infractl"
NAME = "plain"


@pytest.fixture(scope="module")
def host(bare_host):
    if not bare_host.daemon:
        bare_host.start_daemon()
    if not bare_host.container(NAME)["generation"]:
        pytest.fail("needs the containers that test_apply.py makes")
    return bare_host


def reached(address="198.51.100.231"):
    code = f"import socket; socket.create_connection(({address!r}, {estates.PORT}), 1).close()"
    return infrahost.from_internet("/usr/bin/python3", "-c", code, check=False).returncode == 0


def test_stop_and_start(host):
    result = host.infractl("stop", NAME)
    assert host.container(NAME)["state"] == "stopped" and not reached(), result.stdout
    host.infractl("start", NAME)
    assert host.container(NAME)["state"] == "running"
    assert reached(), "start ends when the probes pass"


def test_start_of_a_running_one_and_stop_of_a_stopped_one_do_nothing(host):
    runs = len(host.json("runs")["runs"])
    assert "Nothing to do" in host.infractl("start", NAME).stdout
    assert "Nothing to do" in host.infractl("stop", "rooted").stdout
    assert len(host.json("runs")["runs"]) == runs


def test_restart_gives_a_new_init(host):
    before = host.shell(NAME, "cat", "/proc/sys/kernel/random/boot_id", "/proc/1/stat").split()[22]
    host.infractl("restart", NAME)
    assert host.shell(NAME, "cat", "/proc/sys/kernel/random/boot_id", "/proc/1/stat").split()[22] != before
    assert reached()


def test_stop_takes_the_time_of_the_service_and_not_five_seconds(host):
    host.infractl("stop", NAME)
    estates.install_counter(host, NAME, stop="/bin/sh -c 'sleep 6; echo in-order > /var/lib/counter/stopped'")
    unit = estates.rootfs(host, NAME) / "etc/systemd/system/counter.service"
    unit.write_text(unit.read_text().replace("TimeoutStopSec=3", "TimeoutStopSec=15"))
    host.infractl("start", NAME)
    host.infractl("stop", NAME)
    assert (estates.volume(host, NAME) / "stopped").read_text() == "in-order\n"
    estates.install_counter(host, NAME)
    host.infractl("start", NAME)


def test_unknown_name_says_the_nearest(host):
    for verb in ("start", "show", "shell"):
        result = host.infractl(verb, "plian", check=False)
        assert result.returncode == 5 and "did you mean 'plain'" in result.stdout, (verb, result.stdout)


def test_start_of_a_container_that_does_not_boot_fails_and_says_why(host):
    root = estates.rootfs(host, "rooted")
    (root / "usr/sbin/init").rename(root / "usr/sbin/init.away")
    try:
        result = host.infractl("start", "rooted", check=False)
    finally:
        (root / "usr/sbin/init.away").rename(root / "usr/sbin/init")
    assert result.returncode == 6, result.stdout
    assert host.report()["run"]["state"] == "failed"
    assert "rooted" in host.report()["run"]["error"]
    assert not host.container("rooted")["running"]


@pytest.mark.parametrize("code", [0, 1, 7, 127, 255])
def test_shell_hands_on_the_exit_code(host, code):
    assert host.infractl("shell", NAME, "--", "sh", "-c", f"exit {code}", check=False).returncode == code


def test_shell_signal_and_missing_command(host):
    assert host.infractl("shell", NAME, "--", "sh", "-c", "kill -TERM $$", check=False).returncode == 128 + 15
    assert host.infractl("shell", NAME, "--", "/no/such/thing", check=False).returncode in (126, 127, 255)


def test_shell_keeps_stdin_stdout_and_stderr_apart(host):
    result = subprocess.run([TOOL, "shell", NAME, "--", "sh", "-c", "cat; echo wrong >&2"], env=host.environment(),
                            input=b"a\0b\xff", stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
    assert result.stdout == b"a\0b\xff" and result.stderr.strip() == b"wrong"


def test_shell_passes_arguments_as_they_are(host):
    odd = ["--json", "a b", "$HOME", "'", "*"]
    assert host.shell(NAME, "printf", "%s\\n", *odd).splitlines() == odd


def test_shell_in_a_stopped_container_is_refused(host):
    result = host.infractl("shell", "rooted", "--", "true", check=False)
    assert result.returncode == 1 and "not running" in result.stdout


def test_shell_on_a_terminal(host):
    t = terminal.Terminal([TOOL, "shell", NAME], host.environment())
    t.wait_for("# ")
    t.send("tty; echo $((6 * 7))-answer; exit 3\n")
    t.wait_for("42-answer")
    assert "/dev/pts/" in t.text
    assert t.wait() == 3


def test_console_on_a_terminal(host):
    t = terminal.Terminal([TOOL, "console", NAME], host.environment())
    time.sleep(0.5)
    host.shell(NAME, "sh", "-c", "echo written-to-console > /dev/console")
    t.wait_for("written-to-console", limit=10)
    t.send("\x01q")
    assert t.wait(10) == 0
    assert host.container(NAME)["running"]


def test_frozen_container_is_seen_and_stopped_in_order(host):
    infrahost.run("lxc-freeze", "-P", host.lxc, "-n", NAME)
    assert host.container(NAME)["state"] == "frozen"
    host.infractl("stop", NAME)
    assert host.container(NAME)["state"] == "stopped"
    host.infractl("start", NAME)
    assert reached()


# What programs read, against libinfra/include/infra/manager.h.

CONTAINER = {"name": str, "profile": str, "state": str, "managed": bool, "configured": bool, "running": bool, "fence": str,
             "release": str, "policy_release": str, "generation": int, "address": str, "ipv6": str, "essential": bool,
             "where": str}
RUN = {"id": int, "kind": str, "subject": str, "state": str, "owner": str, "uid": int, "started_wall": int,
       "ended_wall": int, "error": str, "digest": str}
STEP = {"number": int, "kind": str, "doing": str, "state": str, "attempts": int, "duration_ms": int, "forecast_ms": int,
        "error": str, "transcript": str}


def has(value, form):
    assert set(value) == set(form), set(value) ^ set(form)
    for key, kind in form.items():
        assert type(value[key]) is kind, (key, value[key])


def test_status_and_list_json(host):
    status = host.json("status")
    has(status, {"host": str, "policy": dict, "bridge": bool, "firewall": dict, "firewall_change": dict, "storage": dict, "run": type(None),
                 "containers": list, "foreign": list})
    has(status["policy"], {"directory": str, "digest": str})
    has(status["firewall"], {"loaded": bool, "differs": bool})
    has(status["firewall_change"], {"confirmed": int, "active": int, "loaded": bool, "rescued": bool, "drifted": bool, "drifted_by": str, "pending": type(None), "last": dict})
    has(status["firewall_change"]["last"], {"number": int, "outcome": str, "why": str, "wall": int})
    assert status["firewall_change"]["confirmed"] == status["firewall_change"]["active"] > 0, "apply records what it loaded"
    has(status["storage"], {"path": str, "backend": str, "free": int, "total": int})
    assert status["bridge"] and status["firewall"] == {"loaded": True, "differs": False}
    assert 0 < status["storage"]["free"] <= status["storage"]["total"]
    names = [c["name"] for c in status["containers"]]
    assert names == sorted(names)
    for c in status["containers"]:
        has(c, CONTAINER)
        assert c["fence"] in ("open", "closed") and re.fullmatch(r"containers/\w+\.yaml:\d+", c["where"])
    assert host.json("list") == {"containers": status["containers"], "foreign": status["foreign"]}


def test_show_json(host):
    c = host.json("show", NAME)
    has(c, {**CONTAINER, "addresses": dict, "after": list, "services": list, "connects": list, "volumes": list,
            "admins": list, "generations": list, "stop_grace_ms": int})
    assert c["addresses"] == {"internal": "10.0.0.22", "intranet": "", "internet": "198.51.100.231", "ipv6": ""}
    assert c["after"] == ["slow"] and c["admins"] == ["mario"] and c["stop_grace_ms"] == 20000
    has(c["services"][0], {"port": str, "from": list, "public_port": int, "probe": str, "where": str})
    assert c["services"][0]["port"] == "7000/tcp" and c["services"][0]["from"] == ["any"] and c["services"][0]["probe"] == "tcp"
    assert [v["path"] for v in c["volumes"]] == [estates.VOLUME]
    has(c["generations"][0], {"number": int, "parent": int, "release": str, "state": str, "run": str, "created_wall": int, "until_wall": int})
    assert [(g["number"], g["state"]) for g in c["generations"]] == [(1, "live")]


def test_runs_and_report_json(host):
    runs = host.json("runs", "--limit", "0")["runs"]
    assert [r["id"] for r in runs] == list(range(len(runs), 0, -1))
    for r in runs:
        has(r, RUN)
        assert r["ended_wall"] >= r["started_wall"] > 0 and len(r["digest"]) == 64 and r["owner"] == "root"
    assert len(host.json("runs", "--limit", "2")["runs"]) == 2
    first = host.report(next(r["id"] for r in reversed(runs) if r["kind"] == "apply"))
    has(first, {"run": dict, "forecast_ms": int, "elapsed_ms": int, "containers": list, "steps": list, "events": list})
    for s in first["steps"] + [s for c in first["containers"] for s in c["steps"]]:
        has(s, STEP)
    for c in first["containers"]:
        has(c, {"name": str, "result": str, "error": str, "outage_ms": int, "outage_forecast_ms": int, "services": list, "prepared": dict,
                "steps": list})
    assert {"bridge", "idmap", "firewall"} == {s["kind"] for s in first["steps"]}
    assert host.infractl("report", "9999", check=False).returncode == 5


def test_plan_json_is_the_same_twice_and_does_nothing(host):
    runs = host.json("runs")
    one, two = host.json("plan", "trixie"), host.json("plan", "trixie")
    assert one == two
    has(one, {"plan": dict, "forecast_ms": int, "outages": list, "firewall_diff": str, "price": type(None)})
    kinds = [s["kind"] for s in one["plan"]["steps"]]
    assert kinds == ["preflight", "baseline", "fence", "halt", "snapshot", "clone", "exchange", "boot", "upgrade", "check",
                     "restart", "gate", "commit"]
    assert one["plan"]["subject"] == "trixie" and one["plan"]["kind"] == "upgrade"
    assert host.json("runs") == runs


def test_firewall_show_and_diff(host):
    assert host.json("firewall", "diff") == {"diff": ""}
    text = host.json("firewall", "show")["text"]
    assert "table inet infra" in text
    assert "containers/plain.yaml" in infrahost.run("nft", "list", "table", "inet", "infra").stdout
    infrahost.run("nft", "add", "table", "inet", "stranger")
    assert "stranger" not in host.json("firewall", "show")["text"]


def test_ruleset_changed_by_hand_is_seen_and_put_right_by_apply(host):
    host.delete_ruleset()
    assert host.json("status")["firewall"] == {"loaded": False, "differs": True}
    assert host.json("firewall", "diff")["diff"]
    host.infractl("apply", "--yes")
    assert host.json("status")["firewall"] == {"loaded": True, "differs": False}
    assert reached()
