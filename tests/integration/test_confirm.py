# SPDX-License-Identifier: GPL-2.0-or-later
"""Safe change of the firewall: nobody is locked out, and the kernel's ruleset is never empty."""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import pytest
import yaml

import estates
import infrahost

TOOL = infrahost.BUILD / "infractl" / "infractl"
KEPT, CLOSED = 8000, 8001  # open in both policies; only in the first


class Firewall:
    """Policy and state directory, infractl, and infrad when it is wanted; no container."""

    def __init__(self, root):
        self.root = root
        self.policy = root / "policy"
        self.state = root / "state"
        self.socket = root / "infrad.socket"
        self.daemon = None
        estates.write(self.policy, [])
        self.host = yaml.safe_load((self.policy / "host.yaml").read_text())
        self.host["storage"] = {"backend": "dir", "path": f"{root}/storage"}
        self.open()

    def want(self, *ports):
        self.host["services"] = [{"port": f"{p}/tcp", "from": "any", "probe": "none"} for p in ports]
        estates.put(self.policy / "host.yaml", self.host)

    def open(self):
        self.want(KEPT, CLOSED)

    def close(self):
        """A mistake: one service less."""
        self.want(KEPT)

    def environment(self):
        return dict(os.environ, INFRA_POLICY=str(self.policy), INFRA_STATE=str(self.state), INFRA_SOCKET=str(self.socket),
                    INFRA_PROFILES=str(infrahost.SOURCE / "policies" / "profiles"))

    def run(self, *argv, check=True, local=True, **options):
        return infrahost.run(TOOL, "firewall", *argv, *(["--local"] if local else []), check=check, env=self.environment(), **options)

    def json(self, *argv, local=True):
        result = subprocess.run([TOOL, "firewall", *argv, "--json", *(["--local"] if local else [])], env=self.environment(),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        assert result.returncode == 0, result.stderr + result.stdout
        return json.loads(result.stdout)

    def state_file(self, name):
        return json.loads((self.state / "firewall" / name).read_text())

    def confirmed(self):
        return self.state_file("confirmed")["number"]

    def guard(self):
        return self.state_file("pending")["guard"]

    def start_daemon(self):
        log = open(self.root / "infrad.log", "ab")
        self.daemon = subprocess.Popen([infrahost.BUILD / "infrad" / "infrad", "--policy", self.policy, "--state", self.state,
                                        "--socket", self.socket, "--profiles", infrahost.SOURCE / "policies" / "profiles"],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()
        wait(lambda: "ready on" in self.log())

    def log(self):
        path = self.root / "infrad.log"
        return path.read_text() if path.exists() else ""

    def stop_daemon(self, how=signal.SIGTERM):
        if self.daemon:
            self.daemon.send_signal(how)
            self.daemon.wait(20)
            self.daemon = None


def wait(condition, limit=10):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.02)


def reached(port, family="198.51.100.2"):
    code = f"import socket; socket.create_connection(({family!r}, {port}), 0.5).close()"
    return infrahost.from_internet("/usr/bin/python3", "-c", code, check=False).returncode == 0


def ruleset():
    return infrahost.run("nft", "list", "ruleset").stdout


def in_new_session(fw, *argv, local=True):
    """As sshd starts the command of a new connection. One that began in the same clock tick is no new one."""
    daemon = fw.root / "sshd"
    if not daemon.exists():
        daemon.write_text('#!/bin/sh\n"$@"\nexit $?\n')
        daemon.chmod(0o755)
    time.sleep(0.05)
    return infrahost.run(daemon, TOOL, "firewall", *argv, *(["--local"] if local else []), check=False, env=fw.environment(),
                         start_new_session=True)


@pytest.fixture(scope="module", autouse=True)
def servers():
    def serve(s):
        while True:
            try:
                s.accept()[0].close()
            except OSError:
                return
    listeners = [socket.create_server(("", port), backlog=1024) for port in (KEPT, CLOSED, 22)]
    for s in listeners:
        threading.Thread(target=serve, args=(s,), daemon=True).start()
    yield
    for s in listeners:
        s.shutdown(socket.SHUT_RDWR)
        s.close()


@pytest.fixture
def fw(tmp_path):
    infrahost.run("ip", "link", "add", "br0", "type", "bridge", check=False)
    f = Firewall(tmp_path)
    yield f
    f.stop_daemon(signal.SIGKILL)
    try:
        os.kill(f.guard(), signal.SIGKILL)
    except (OSError, ValueError):
        pass
    for family in ("inet", "bridge"):
        infrahost.run("nft", "delete", "table", family, "infra", check=False)


@pytest.fixture
def good(fw):
    """A confirmed generation with both services."""
    fw.run("apply", "--confirm", "0", "--yes")
    assert reached(KEPT) and reached(CLOSED) and fw.confirmed() == 1
    return fw


@pytest.fixture
def waiting(good):
    """One that closes a service and waits for 2 s."""
    good.close()
    good.run("apply", "--confirm", "2s", "--yes")
    assert reached(KEPT) and not reached(CLOSED)
    return good


def assert_went_back(fw):
    assert reached(KEPT) and reached(CLOSED)
    assert fw.confirmed() == 1 and not (fw.state / "firewall" / "pending").exists()
    last = fw.json("status")["last"]
    assert last["outcome"] == "went back" and last["number"] == 2
    assert not fw.json("status")["drifted"]


def test_what_is_confirmed_stays(waiting):
    guard = waiting.guard()
    result = in_new_session(waiting, "confirm")
    assert result.returncode == 0, result.stdout
    time.sleep(2.5)
    assert not reached(CLOSED) and waiting.confirmed() == 2
    assert not pathlib.Path(f"/proc/{guard}").exists(), "the dead-man ends when it is not needed any more"
    assert waiting.json("status")["pending"] is None


def test_what_nobody_confirms_goes_back(waiting):
    status = waiting.json("status")
    assert status["pending"]["number"] == 2 and status["pending"]["previous"] == 1 and status["pending"]["watched"]
    assert 0 < status["pending"]["left_ms"] <= 2000 and status["active"] == 2
    whole = infrahost.run(TOOL, "status", "--local", env=waiting.environment()).stdout
    assert "firewall generation 2 GOES BACK in" in whole and "infractl firewall confirm" in whole
    wait(lambda: reached(CLOSED), 4)
    wait(lambda: not (waiting.state / "firewall" / "pending").exists())
    assert_went_back(waiting)


def test_goes_back_to_no_ruleset_where_there_was_none(fw):
    fw.close()
    fw.run("apply", "--confirm", "1s", "--yes")
    assert not reached(CLOSED)
    wait(lambda: reached(CLOSED), 4)
    wait(lambda: not (fw.state / "firewall" / "pending").exists())
    assert "infra" not in ruleset()


def test_goes_back_to_what_the_kernel_had(fw):
    fw.run("apply", "--confirm", "0", "--yes")
    before = ruleset()
    for f in (fw.state / "firewall").iterdir():
        f.unlink()
    fw.close()
    fw.run("apply", "--confirm", "1s", "--yes")
    assert not reached(CLOSED) and ruleset() != before
    wait(lambda: reached(CLOSED), 4)
    wait(lambda: not (fw.state / "firewall" / "pending").exists())
    assert ruleset() == before
    assert [g["origin"] for g in fw.json("generations")["generations"]] == ["apply", "found"]


def test_goes_back_when_infractl_and_infrad_are_killed(good):
    good.start_daemon()
    good.close()
    good.run("apply", "--confirm", "2s", "--yes", local=False)
    assert not reached(CLOSED)
    good.stop_daemon(signal.SIGKILL)
    guard = good.guard()
    assert os.getsid(guard) not in (os.getsid(0), guard) and pathlib.Path(f"/proc/{guard}/comm").read_text() == "infra-deadman\n"
    wait(lambda: reached(CLOSED), 4)
    wait(lambda: not (good.state / "firewall" / "pending").exists())
    assert_went_back(good)


def test_killed_dead_man_is_noticed_by_the_next_look(waiting):
    os.kill(waiting.guard(), signal.SIGKILL)
    wait(lambda: not waiting.json("status")["pending"]["watched"])
    time.sleep(2)
    assert not reached(CLOSED), "nobody has looked yet"
    waiting.run("status")
    assert_went_back(waiting)


def test_killed_dead_man_is_noticed_when_infrad_starts(waiting):
    os.kill(waiting.guard(), signal.SIGKILL)
    time.sleep(2.1)
    waiting.start_daemon()
    assert_went_back(waiting)
    assert "the process that watched was gone; generation 1 is loaded again" in waiting.log()


def test_killed_dead_man_is_noticed_by_infrad(good):
    """Who is locked out cannot look."""
    good.start_daemon()
    good.close()
    good.run("apply", "--confirm", "2s", "--yes", local=False)
    os.kill(good.guard(), signal.SIGKILL)
    assert not reached(CLOSED)
    wait(lambda: reached(CLOSED), 8)
    wait(lambda: "generation 2 of the firewall: nobody confirmed it in time" in good.log())
    assert_went_back(good)


def test_damaged_confirmed_keeps_nobody_from_a_change(good):
    (good.state / "firewall" / "confirmed").write_text("{")
    good.close()
    good.run("apply", "--confirm", "1s", "--yes")
    assert not reached(CLOSED)
    wait(lambda: reached(CLOSED), 4)
    wait(lambda: not (good.state / "firewall" / "pending").exists())
    assert good.confirmed() == 2, "what the kernel had, found"


def test_damaged_pending_goes_back(waiting):
    os.kill(waiting.guard(), signal.SIGKILL)
    (waiting.state / "firewall" / "pending").write_text("")
    waiting.run("diff")
    assert reached(CLOSED) and waiting.confirmed() == 1


def test_somebody_who_keeps_the_lock_does_not_hold_up_the_way_back(waiting):
    with open(waiting.state / "firewall" / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wait(lambda: reached(CLOSED), 12)


def rewrite(path, change):
    """As if it had been stored like that."""
    generation = json.loads(path.read_text())
    change(generation["ruleset"])
    text = json.dumps(generation["ruleset"], separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    generation["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(generation))


def refused_by_the_kernel(ruleset):
    """Nothing is translated where packets are forwarded."""
    text = json.dumps(ruleset).replace('"type": "filter"', '"type": "nat"')
    ruleset.clear()
    ruleset.update(json.loads(text))


def test_what_cannot_be_loaded_again_is_replaced_by_the_rescue_ruleset(good):
    """Of a kernel or a host that changed in between; the dead-man must not try for ever."""
    rewrite(good.state / "firewall" / "000001.json", refused_by_the_kernel)
    good.close()
    good.run("apply", "--confirm", "1s", "--yes")
    assert not reached(CLOSED)
    wait(lambda: not (good.state / "firewall" / "pending").exists(), 15)
    assert reached(22) and not reached(KEPT)
    assert "generation 1 cannot be loaded, but the rescue ruleset is: " in good.json("status")["last"]["why"]


def test_confirmation_that_was_cut_short_holds(waiting):
    """Killed between the two files: what the host boots with is what decides."""
    (waiting.state / "firewall" / "confirmed").write_text('{"number": 2}')
    time.sleep(2.5)
    assert not reached(CLOSED)
    assert waiting.json("status")["pending"] is None and waiting.confirmed() == 2
    assert not (waiting.state / "firewall" / "pending").exists() and not waiting.json("status")["drifted"]


def fill(path):
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as f:
        while True:
            f.write(b"\0" * 4096)


def test_full_disk(fw):
    """Nothing is loaded that could not go back, and what is loaded goes back."""
    fw.state.mkdir()
    infrahost.run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", fw.state)
    try:
        fw.run("apply", "--confirm", "0", "--yes")
        fw.close()
        fw.run("apply", "--confirm", "2s", "--yes")
        fill(fw.state / "filler")
        assert not reached(CLOSED)
        wait(lambda: reached(CLOSED), 4)
        wait(lambda: not (fw.state / "firewall" / "pending").exists())
        before = ruleset()
        fill(fw.state / "more")
        for time_ in ("0", "2s"):
            assert fw.run("apply", "--confirm", time_, "--yes", check=False).returncode != 0
            assert ruleset() == before and reached(CLOSED) and fw.confirmed() == 1
            assert not (fw.state / "firewall" / "pending").exists()
    finally:
        infrahost.run("umount", "-l", fw.state)


def test_change_of_another_boot_goes_back(good):
    good.close()
    good.run("apply", "--confirm", "1h", "--yes")
    guard, path = good.guard(), good.state / "firewall" / "pending"
    os.kill(guard, signal.SIGKILL)
    pending = good.state_file("pending")
    pending["boot"] = "0" * 36
    path.write_text(json.dumps(pending))
    good.start_daemon()
    assert_went_back(good)


@pytest.mark.parametrize("local", [True, False])
def test_old_connection_cannot_confirm(good, local):
    if not local:
        good.start_daemon()
    good.close()
    good.run("apply", "--confirm", "5s", "--yes", local=local)
    result = good.run("confirm", check=False, local=local)
    assert result.returncode == 9 and "ssh HOST infractl firewall confirm" in result.stdout
    # As cron does it, and whoever is daemonised.
    result = good.run("confirm", check=False, local=local, start_new_session=True)
    assert result.returncode == 9 and "neither an ssh connection nor a console" in result.stdout
    assert good.confirmed() == 1
    assert in_new_session(good, "confirm", local=local).returncode == 0
    assert good.confirmed() == 2


def test_command_of_sudo_in_an_old_terminal_cannot_confirm(good):
    """A new session below a terminal that is older than the load proves nothing."""
    import terminal
    t = terminal.Terminal(["/bin/sh"], dict(good.environment(), PS1="> "))
    t.wait_for("> ")
    good.close()
    good.run("apply", "--confirm", "5s", "--yes")
    time.sleep(0.05)
    t.send(f"setsid --wait {TOOL} firewall confirm --local; echo code=$?; exit\n")
    t.wait_for("code=9")
    t.wait()
    assert good.confirmed() == 1


def test_confirm_too_late_and_without_a_change(waiting):
    os.kill(waiting.guard(), signal.SIGKILL)
    time.sleep(2.1)
    result = in_new_session(waiting, "confirm")
    assert result.returncode != 0 and "too late" in result.stdout
    assert_went_back(waiting)
    result = in_new_session(waiting, "confirm")
    assert result.returncode == 5 and "no change of the firewall waits" in result.stdout


def test_revert_and_restore(waiting):
    waiting.run("revert")
    assert_went_back(waiting)
    waiting.run("apply", "--confirm", "0", "--yes")
    assert not reached(CLOSED) and waiting.confirmed() == 3
    waiting.run("restore", "1", "--confirm", "0", "--yes")
    assert reached(CLOSED) and waiting.confirmed() == 1
    result = waiting.run("restore", "77", "--yes", check=False)
    assert result.returncode == 5 and "no generation 77" in result.stdout


def test_one_change_at_a_time(waiting):
    waiting.open()
    result = waiting.run("apply", "--yes", check=False)
    assert result.returncode == 4 and "waits to be confirmed" in result.stdout


@pytest.mark.parametrize("local", [True, False])
def test_what_waits_is_not_nothing_to_do(good, local):
    """The kernel has what the policy says, but not for long."""
    if not local:
        good.start_daemon()
    good.close()
    good.run("apply", "--confirm", "3s", "--yes", local=local)
    result = good.run("apply", "--yes", check=False, local=local)
    assert result.returncode == 4 and "waits to be confirmed" in result.stdout, result.stdout


def test_one_of_many_at_once(good):
    good.start_daemon()
    good.close()
    many = [subprocess.Popen([TOOL, "firewall", "apply", "--confirm", "3s", "--yes"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, env=good.environment()) for _ in range(8)]
    ends = [(m.communicate(timeout=20)[0], m.returncode) for m in many]
    assert sorted(code for _, code in ends) == [0] + [4] * 7, ends
    wait(lambda: not (good.state / "firewall" / "pending").exists())
    assert_went_back(good)


def test_others_may_flush_what_waits(waiting):
    """What goes back is whole."""
    infrahost.run("nft", "flush", "ruleset")
    wait(lambda: not (waiting.state / "firewall" / "pending").exists(), 4)
    assert_went_back(waiting)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGSTOP])
def test_signals_do_not_hold_the_dead_man_up(waiting, how):
    """Stopped, it is as good as dead a while after its deadline, for whoever looks."""
    os.kill(waiting.guard(), how)
    time.sleep(0.2)
    assert (waiting.state / "firewall" / "pending").exists() and not reached(CLOSED)
    wait(lambda: waiting.json("status")["pending"] is None, 20)
    assert_went_back(waiting)


def test_apply_of_what_is_there_and_of_nonsense(good):
    assert "Nothing to do" in good.run("apply", "--yes").stdout
    for wrong in ("abc", "1ms", "2h"):
        good.close()
        assert good.run("apply", "--yes", "--confirm", wrong, check=False).returncode != 0
    assert reached(CLOSED) and good.confirmed() == 1


def test_generations_are_kept_and_the_confirmed_one_always(good):
    for i in range(24):
        good.want(KEPT, CLOSED, 9000 + i)
        good.run("apply", "--confirm", "0", "--yes")
    good.run("restore", "6", "--confirm", "0", "--yes")
    for i in range(24):
        good.want(KEPT, CLOSED, 9100 + i)
        good.run("apply", "--confirm", "1h", "--yes")
        good.run("revert")
    files = sorted(int(p.stem) for p in (good.state / "firewall").glob("[0-9]*.json"))
    assert files[0] == 6 and good.confirmed() == 6 and 20 <= len(files) <= 22
    assert [g["number"] for g in good.json("generations")["generations"]] == files[::-1]


def boot(fw):
    return subprocess.run([TOOL, "firewall", "boot", "--state", fw.state, "--policy", "/nowhere"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)


def reboot(fw):
    for family in ("inet", "bridge"):
        infrahost.run("nft", "delete", "table", family, "infra", check=False)
    (fw.state / "journal.db").unlink()


def test_boot_loads_the_confirmed_generation(waiting):
    os.kill(waiting.guard(), signal.SIGKILL)
    reboot(waiting)
    result = boot(waiting)
    assert result.returncode == 0 and "generation 1 is loaded" in result.stderr and result.stderr.count("\n") == 1
    assert not (waiting.state / "journal.db").exists(), "no journal is needed"
    assert_went_back(waiting)


@pytest.mark.parametrize("how", ["edited", "cut", "gone", "none"])
def test_boot_without_a_readable_generation_lets_ssh_in(good, how):
    path = good.state / "firewall" / "000001.json"
    reboot(good)
    if how == "edited":
        path.write_text(path.read_text().replace('"drops": true', '"drops": false', 1))
    elif how == "cut":
        path.write_text(path.read_text()[:1000])
    elif how == "gone":
        path.unlink()
    else:
        (good.state / "firewall" / "confirmed").unlink()
    result = boot(good)
    assert result.returncode == 11 and "RESCUE" in result.stderr and "built-in" not in result.stderr, result.stderr
    assert reached(22) and not reached(KEPT) and not reached(CLOSED)
    assert "policy drop" in ruleset()


@pytest.mark.parametrize("how", ["damaged", "nothing"])
def test_boot_with_nothing_at_all_lets_ssh_in(good, how):
    reboot(good)
    for f in (good.state / "firewall").iterdir():
        if how == "damaged":
            f.write_text("{")
        else:
            f.unlink()
    result = boot(good)
    assert result.returncode == 11 and "built-in RESCUE" in result.stderr, result.stderr
    assert reached(22) and not reached(KEPT)


def test_rescue_is_for_the_zones_of_the_policy(good):
    (good.policy / "firewall.yaml").write_text("rescue: [monitor]\n")
    good.close()
    good.run("apply", "--confirm", "0", "--yes")
    reboot(good)
    (good.state / "firewall" / "confirmed").unlink()
    assert boot(good).returncode == 11
    assert not reached(22), "the client is not of the zone"
    assert "203.0.113.12" in ruleset()


def rescued(fw):
    reboot(fw)
    (fw.state / "firewall" / "confirmed").unlink()
    assert boot(fw).returncode == 11


def test_rescue_of_what_nobody_confirmed_is_no_way_in(good):
    """A policy that goes back must not leave its mistake where it would hurt most."""
    (good.policy / "firewall.yaml").write_text("rescue: [monitor]\n")
    good.close()
    good.run("apply", "--confirm", "1s", "--yes")
    wait(lambda: not (good.state / "firewall" / "pending").exists(), 4)
    rescued(good)
    assert reached(22)


@pytest.mark.parametrize("how", ["confirm", "for good", "nothing else"])
def test_rescue_of_what_was_confirmed_is(good, how):
    (good.policy / "firewall.yaml").write_text("rescue: [monitor]\n")
    if how != "nothing else":
        good.close()
    good.run("apply", "--confirm", "5s" if how == "confirm" else "0", "--yes")
    if how == "confirm":
        assert in_new_session(good, "confirm").returncode == 0
    rescued(good)
    assert not reached(22) and "203.0.113.12" in ruleset()


def test_ruleset_that_the_kernel_refuses_changes_nothing(good):
    before = ruleset()
    path = good.state / "firewall" / "000001.json"
    text = path.read_text()
    # Only the kernel knows that packets of its own have no interface they came by.
    (good.policy / "firewall.yaml").write_text("rules:\n  output:\n    - fib saddr . iif oif 0 drop\n")
    result = good.run("apply", "--yes", check=False)
    assert result.returncode != 0 and "the kernel refuses" in result.stdout, result.stdout
    assert ruleset() == before and path.read_text() == text and good.confirmed() == 1
    assert not (good.state / "firewall" / "pending").exists()


def test_drift_is_seen_and_said_once(good):
    good.start_daemon()
    assert not good.json("status", local=False)["drifted"]
    for port in (7777, 7778):
        infrahost.run("nft", "add", "rule", "inet", "infra", "input", "tcp", "dport", str(port), "accept")
        time.sleep(0.8)
    status = good.json("status", local=False)
    assert status["drifted"] and "7777" in status["drift"]
    assert status["drifted_by"].startswith("nft (process "), status["drifted_by"]
    assert good.log().count("somebody changed the firewall: nft (process ") == 1
    shown = good.run("status", local=False).stdout
    assert "Somebody else changed the ruleset: nft" in shown and "7777" in shown
    whole = infrahost.run(TOOL, "status", env=good.environment()).stdout
    assert "firewall changed by somebody else" in whole
    good.run("restore", "1", "--confirm", "0", "--yes", local=False)
    wait(lambda: "is generation 1 again" in good.log())
    assert not good.json("status", local=False)["drifted"]


def test_bans_are_no_drift(good):
    good.start_daemon()
    good.run("ban", "203.0.113.7", "--for", "1h")
    time.sleep(0.8)
    assert not good.json("status", local=False)["drifted"]
    assert "somebody changed" not in good.log()
    # An element put in by hand, that no rule looks for, does nothing: that is told.
    infrahost.run("nft", "add", "element", "inet", "infra", "fenced4", "{ 10.0.0.5 }")
    time.sleep(0.8)
    assert "of the moment" in good.json("status", local=False)["drift"]


def test_only_operators_change_and_everybody_looks(good):
    good.start_daemon()
    os.chmod(good.root, 0o755)
    for path in good.root.parents:
        if str(path).startswith("/mnt/"):
            os.chmod(path, 0o755)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", TOOL, "firewall")
    looked = infrahost.run(*nobody, "status", check=False, env=good.environment())
    assert looked.returncode == 0 and "Generation 1 is confirmed" in looked.stdout, looked.stdout
    for words in (("confirm",), ("revert",), ("restore", "1", "--yes"), ("apply", "--yes")):
        good.close()
        refused = infrahost.run(*nobody, *words, check=False, env=good.environment())
        assert refused.returncode == 9 and "you must be root or in the group 'infra'" in refused.stdout, (words, refused.stdout)
    assert reached(CLOSED)


CLIENT = f"""
import json, socket, sys, time
failed, asked, end = [], 0, time.monotonic() + float(sys.argv[1])
print("begun", flush=True)
while time.monotonic() < end:
    asked += 1
    try:
        socket.create_connection(("198.51.100.2", {KEPT}), 0.8).close()
    except OSError as e:
        failed.append(str(e))
    # Not so many that ports or the server's backlog run out: that would be taken for the firewall's doing.
    time.sleep(0.005)
print(json.dumps([asked, failed]))
"""


def test_service_of_both_generations_is_never_lost(good):
    """Through load, going back, confirming, and a dead-man: somebody asks all the time."""
    client = subprocess.Popen(["nsenter", f"--net=/run/netns/{infrahost.INTERNET}", "/usr/bin/python3", "-c", CLIENT, "8"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert client.stdout.readline() == "begun\n"
    good.close()
    good.run("apply", "--confirm", "1s", "--yes")
    wait(lambda: not (good.state / "firewall" / "pending").exists(), 4)
    for _ in range(6):
        good.run("apply", "--confirm", "5s", "--yes")
        good.run("revert")
    good.run("apply", "--confirm", "5s", "--yes")
    assert in_new_session(good, "confirm").returncode == 0
    asked, failed = json.loads(client.communicate(timeout=20)[0])
    assert asked > 500 and failed == []
