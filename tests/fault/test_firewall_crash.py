# SPDX-License-Identifier: GPL-2.0-or-later
"""A change of the firewall, broken at each of its writes and loads, one after the other.

Whatever breaks, and in whichever process: the kernel has the old ruleset or the new one, soon nothing waits any more, and
what the kernel has is what the host boots with. Errors (not kills) come at every third point only, unless INFRA_LONG is set.
"""

import concurrent.futures
import json
import os
import pathlib
import struct
import subprocess
import sys
import time

import pytest
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "host"))
import estates  # noqa: E402
import infrahost  # noqa: E402

TOOL = infrahost.BUILD / "infractl" / "infractl"
FAULT = infrahost.BUILD / "tests" / "fault" / "disk-fault.so"
BESIDE = 8  # cases at once; they mostly wait
OLD, NEW = 8001, 8002
VERBS = ("apply", "apply for good", "confirm", "revert", "restore")
HOWS = ("kill", "eio", "full")
LONG = bool(os.environ.get("INFRA_LONG"))


class Case:
    """In a network namespace of its own."""

    def __init__(self, directory, verb, how, at):
        self.directory, self.verb, self.how, self.at = pathlib.Path(directory), verb, how, at
        self.directory.mkdir()
        self.state = self.directory / "state"
        self.counter = self.directory / "counter"
        self.counter.write_bytes(bytes(8))
        self.daemon = self.directory / "sshd"
        self.daemon.write_text('#!/bin/sh\n"$@"\nexit $?\n')
        self.daemon.chmod(0o755)

    def want(self, port):
        host = estates.write(self.directory / "policy", []) / "host.yaml"
        estates.put(host, {**yaml.safe_load(host.read_text()), "storage": {"backend": "dir", "path": f"{self.directory}/storage"},
                           "services": [{"port": f"{port}/tcp", "from": "any", "probe": "none"}]})

    def infractl(self, *words, fault=False):
        environment = dict(os.environ, INFRA_POLICY=f"{self.directory}/policy", INFRA_STATE=str(self.state),
                           INFRA_SOCKET=f"{self.directory}/socket", INFRA_PROFILES=str(infrahost.SOURCE / "policies" / "profiles"))
        if fault:
            environment.update(LD_PRELOAD=str(FAULT), INFRA_FAULT_COUNTER=str(self.counter), INFRA_FAULT_BELOW=str(self.state / "firewall"),
                               INFRA_FAULT_AT=str(self.at), INFRA_FAULT_HOW=self.how)
        return subprocess.run([self.daemon, TOOL, "firewall", *words, "--local"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True, timeout=60)

    def act(self):
        if self.verb == "apply":
            return self.infractl("apply", "--yes", "--confirm", "1s", fault=True)
        if self.verb == "apply for good":
            return self.infractl("apply", "--yes", "--confirm", "0", fault=True)
        if self.verb == "restore":
            self.infractl("apply", "--yes", "--confirm", "0")
            return self.infractl("restore", "1", "--yes", "--confirm", "1s", fault=True)
        self.infractl("apply", "--yes", "--confirm", "2s")
        time.sleep(0.05)
        return self.infractl(self.verb, fault=True)

    def run(self):
        self.want(OLD)
        first = self.infractl("apply", "--yes", "--confirm", "0")
        assert first.returncode == 0, first.stdout
        self.want(NEW)
        done = self.act()
        deadline = time.monotonic() + 25
        while (self.state / "firewall" / "pending").exists():
            assert time.monotonic() < deadline, self.infractl("status").stdout
            time.sleep(0.3)
            self.infractl("status")
        # Only now: one that was asked in between is of a moment that is over.
        status = self.infractl("status", "--json")
        ruleset = subprocess.run(["nft", "list", "ruleset"], stdout=subprocess.PIPE, text=True, check=True).stdout
        state = json.loads(status.stdout)
        return {"verb": self.verb, "how": self.how, "at": self.at, "code": done.returncode, "said": done.stdout,
                "confirmed": state["confirmed"], "drifted": state["drifted"], "last": state["last"],
                "old": f". {OLD} " in ruleset, "new": f". {NEW} " in ruleset, "drops": "policy drop" in ruleset,
                "calls": struct.unpack("=Q", self.counter.read_bytes())[0]}


def run_apart(directory, verb, how, at):
    name = directory / f"{verb.replace(' ', '-')}-{how}-{at}"
    result = subprocess.run(["unshare", "--net", sys.executable, __file__, name, verb, how, str(at)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=90)
    assert result.returncode == 0, f"{verb} {how} {at}: {result.stderr}"
    return json.loads(result.stdout)


def wrong(r):
    """Why the end of a case is none."""
    if r["old"] == r["new"] or not r["drops"]:
        return "neither the old ruleset nor the new one"
    if r["verb"] == "apply for good":
        return "it says it is done" if r["code"] == 0 and not r["new"] else ""
    if r["drifted"]:
        return "the kernel has something else than the host boots with"
    if r["verb"] == "confirm" and r["code"] == 0 and not r["new"]:
        return "it says it is confirmed"
    if r["verb"] == "confirm" and r["code"] != 0 and r["new"] and r["last"]["outcome"] == "went back":
        return "it says that it went back"
    if r["verb"] in ("apply", "revert") and r["new"]:
        return "nobody has confirmed it"
    return "" if r["verb"] != "restore" or r["new"] else "nobody has confirmed the old one again"


@pytest.mark.limit(900 if LONG else 200)
@pytest.mark.parametrize("verb", VERBS)
def test_broken_anywhere(tmp_path, verb):
    calls = run_apart(tmp_path, verb, "kill", 0)["calls"]
    assert calls > 5
    points = range(1, calls + 1)
    cases = [(verb, how, at) for how in HOWS for at in points if how == "kill" or LONG or at % 3 == calls % 3]
    with concurrent.futures.ThreadPoolExecutor(BESIDE) as pool:
        results = list(pool.map(lambda c: run_apart(tmp_path, *c), cases))
    bad = [f"{r['how']} {r['at']}: {wrong(r)}: {r}" for r in results if wrong(r)]
    assert not bad, "\n".join(bad)


if __name__ == "__main__":
    print(json.dumps(Case(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])).run()))
