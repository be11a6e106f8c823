# SPDX-License-Identifier: GPL-2.0-or-later
"""Rooms of libinfra by themselves on the real thing: programs in C that print TAP, run here on one Debian root."""

import os
import re
import subprocess
import time

import pytest

import infrahost

CACHE = os.environ.get("INFRA_TEST_CACHE", "/var/cache/infra-test")
DAY = 24 * 60 * 60


def program(name):
    found = [p for p in infrahost.BUILD.glob(f"tests/**/{name}") if p.is_file() and os.access(p, os.X_OK)]
    assert found, f"{name} is not built"
    return found[0]


@pytest.fixture(scope="module")
def root_tar():
    """A small bookworm, made once a day."""
    path = os.path.join(CACHE, "bookworm.tar")
    if not os.path.exists(path) or os.stat(path).st_mtime < time.time() - DAY:
        infrahost.run("mmdebstrap", "--format=tar", "--variant=minbase", "--include=systemd,systemd-sysv,dbus,iproute2",
                      '--aptopt=Acquire::http::Proxy "http://127.0.0.1:3142"',
                      "--customize-hook=rm -f \"$1\"/etc/apt/apt.conf.d/99mmdebstrap", "bookworm", path + ".new")
        os.rename(path + ".new", path)
    return path


def tap(argv, limit, **environment):
    """Runs a program; every line of its TAP must be ok, and as many as it announced."""
    result = subprocess.run([str(a) for a in argv], env=dict(os.environ, **environment), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=limit)
    lines = result.stdout.splitlines()
    plan = next((int(m[1]) for m in (re.match(r"1\.\.(\d+)", line) for line in lines) if m), 0)
    good = [line for line in lines if re.match(r"ok \d+", line)]
    bad = [line for line in lines if line.startswith("not ok")]
    assert result.returncode == 0 and not bad and len(good) == plan > 0, result.stdout[-4000:]


@pytest.mark.limit(280)
def test_container_room(root_tar):
    """Needs an isolated host of its own: it begins with no bridge."""
    tap([program("real-container")], 270, INFRA_TEST_ROOT_TAR=root_tar)


@pytest.mark.limit(300)
def test_package_room_is_killed_twice_in_a_real_upgrade(root_tar):
    room = infrahost.mount_storage("/mnt/room")
    tap([program("real-upgrade"), root_tar, "trixie", "http://127.0.0.1:3142"], 290, TMPDIR=str(room))
