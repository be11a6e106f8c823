# SPDX-License-Identifier: GPL-2.0-or-later
"""A shadow upgrade where the filesystem shares no blocks and tells nothing: plain directories on ext4."""

import time

import pytest

import conftest
import estates
import infrahost
import visitor
from test_interference import ADDRESS, NAME, only_result, serves_as_before
from test_shadow import nothing_left, sh, wait_paused


@pytest.fixture(scope="module")
def host(tmp_path_factory, package_mirror):
    policy = estates.write(tmp_path_factory.mktemp("estate") / "policy", [
        estates.container("plain", "10.0.0.22", ADDRESS, volumes=[estates.VOLUME], autostart=False),
    ], [estates.upgrade([["plain"]], upgrade="aside", strategy="shadow")])
    host = infrahost.Host(policy, backend="dir", roots=conftest.ROOTS)
    conftest.hosts.append(host)
    host.start_daemon()
    host.infractl("apply", "--yes", timeout=400)
    estates.install_counter(host, NAME)
    host.infractl("start", NAME, timeout=60)
    yield host
    if host.daemon:
        host.daemon.kill()
        host.daemon.wait(10)


@pytest.mark.limit(300)
def test_upgrade_aside_and_back(host):
    with visitor.Visitor(infrahost.INTERNET, host.root / "visitor-dir", ADDRESS, estates.PORT, "d") as client:
        client.wait_served()
        sh(host, "echo old > /root/gone; mkdir /root/old; echo x > /root/old/file; echo x > /root/kept")
        host.infractl("upgrade", "aside", "--yes", "--detach", "--pause-before", "cut-over")
        wait_paused(host, 200)
        sh(host, "echo of-the-last-minute > /root/witness; rm -r /root/gone /root/old; chmod 600 /root/kept; ln -s witness /root/link")
        host.infractl("resume", timeout=100)
        assert only_result(host)["result"] == "committed"
        serves_as_before(host, client, "trixie", 2)
        assert sh(host, "cat /root/link; stat -c %a /root/kept; ls /root").stdout.split() == ["of-the-last-minute", "600", "kept", "link", "witness"]
        assert sh(host, "test -e /root/gone || test -e /root/old", check=False).returncode == 1
        nothing_left(host)
        assert "/root/later" not in [i["path"] for i in host.json("drift", NAME)["root"]["items"]]
        sh(host, "echo x > /root/later")
        assert "/root/later" in [i["path"] for i in host.json("drift", NAME)["root"]["items"]]
        time.sleep(0.5)
        host.infractl("rollback", NAME, "--yes", timeout=100)
        serves_as_before(host, client)
