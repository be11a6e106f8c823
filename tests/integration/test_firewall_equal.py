# SPDX-License-Identifier: GPL-2.0-or-later
"""infractl firewall equal on two policy directories: needs no root and touches nothing of the machine."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("INFRA_BUILD", SOURCE / "build"))
EQUAL, DIFFERENT, USAGE, POLICY, UNDECIDED = 0, 1, 2, 3, 10

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
addresses: { internal: 10.0.0.15, internet: 198.51.100.235 }
services:
  - { port: 25/tcp, from: any }
  - { port: 587/tcp, from: any }
""",
}


@pytest.fixture
def both(tmp_path):
    for side in ("old", "new"):
        for name, text in FILES.items():
            path = tmp_path / side / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return tmp_path / "old", tmp_path / "new"


def equal(*argv):
    return subprocess.run([BUILD / "infractl" / "infractl", "firewall", "equal", *argv], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C.UTF-8"})


def change(directory, old, new):
    path = directory / "containers" / "email.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_same_policy_is_equal(both):
    result = equal(*both)
    assert result.returncode == EQUAL, result.stderr
    assert result.stdout.startswith("equal: every packet fares the same in both.\n")


def test_the_order_of_services_makes_no_difference(both):
    lines = (both[1] / "containers" / "email.yaml").read_text().splitlines()
    (both[1] / "containers" / "email.yaml").write_text("\n".join(lines[:4] + lines[:3:-1]) + "\n")
    assert equal(*both).returncode == EQUAL


def test_a_missing_service_is_told(both):
    change(both[1], "  - { port: 587/tcp, from: any }\n", "")
    result = equal(*both)
    assert result.returncode == DIFFERENT, result.stderr
    assert "port 587" in result.stdout and "old: accept" in result.stdout and "new: drop" in result.stdout
    assert equal(*reversed(both)).returncode == DIFFERENT


def test_json_says_the_same_and_twice_the_same(both):
    change(both[1], "10.0.0.15", "10.0.0.16")
    result = equal("--json", *both)
    assert result.returncode == DIFFERENT, result.stderr
    answer = json.loads(result.stdout)
    assert answer["answer"] == "different" and answer["reasons"] == []
    said = [d for d in answer["differences"] if "to 10.0.0.15" in d["a_says"] and "to 10.0.0.16" in d["b_says"]]
    assert said and all("> 198.51.100.235" in d["example"] for d in said)
    for d in said:
        ways = [s["set"] for s in d["a"]["steps"]]
        assert "nat_in" in ways and any("email.yaml:3" in s["where"] for s in d["a"]["steps"])
    assert equal("--json", *both).stdout == result.stdout


def test_policies_with_errors_and_nothing_at_all(both):
    change(both[1], "port: 25/tcp", "port: smtp")
    assert equal(*both).returncode == POLICY
    shutil.rmtree(both[1])
    assert equal(*both).returncode not in (EQUAL, DIFFERENT)
    assert equal(both[0]).returncode == USAGE
