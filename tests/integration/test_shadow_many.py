# SPDX-License-Identifier: GPL-2.0-or-later
"""Shadow upgrades of several containers beside each other: one over two releases, one that takes mail all the time."""

import json
import time

import pytest

import conftest
import estates
import infrahost
import mailer
from test_shadow import wait_paused

MAIL = "198.51.100.239"


@pytest.fixture(scope="module")
def host(tmp_path_factory, package_mirror):
    old = estates.container("old", "10.0.0.31", release="bullseye", volumes=[estates.VOLUME], autostart=False)
    mail = {"container": "mail", "profile": "emailout", "release": "bookworm", "essential": True,
            "addresses": {"internal": "10.0.0.32", "internet": MAIL},
            "services": [{"port": "25/tcp", "from": "any", "probe": {"smtp": {}, "within": "15s"}}]}
    web = {"container": "web", "release": "bookworm", "packages": ["lighttpd"], "addresses": {"internal": "10.0.0.33"},
           "services": [{"port": "80/tcp", "from": "any", "probe": {"http": "/", "within": "15s"}}]}
    policy = estates.write(tmp_path_factory.mktemp("estate") / "policy", [old, mail, web], [
        estates.upgrade("auto", strategy="shadow", jobs=2),
        estates.upgrade([["mail"]], upgrade="mail", strategy="shadow"),
    ])
    host = conftest.make_host(policy)
    host.start_daemon()
    host.infractl("apply", "--yes", timeout=400)
    estates.install_counter(host, "old")
    host.infractl("start", "old", timeout=60)
    yield host
    if host.daemon:
        host.daemon.kill()
        host.daemon.wait(10)


def release_of(host, name):
    return host.shell(name, "sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME").strip()


def spool_of(host):
    """Every mail that lies anywhere in the container's volumes: delivered, or still queued."""
    return host.shell("mail", "sh", "-c", "cat /var/mail/* 2>/dev/null; grep -rha '^Subject:' /var/spool/postfix/deferred "
                      "/var/spool/postfix/active /var/spool/postfix/incoming /var/spool/postfix/maildrop; "
                      "for q in $(postqueue -j 2>/dev/null | sed 's/.*\"queue_id\": \"\\([^\"]*\\).*/\\1/'); do postcat -qh $q; done",
                      check=False)


def nothing_lost(host, m, run):
    """What was accepted to the very last moment before the fence closed is in the spool of whoever serves now."""
    accepted = m.accepted()
    closed = host._journal("SELECT closed_boot FROM outage WHERE run = ? AND container = 'mail'", run)[0][0] / 1000
    before = [a for a in accepted if a["accepted"] < closed + 0.05]
    assert before and closed - before[-1]["accepted"] < 1, "a mail was accepted in the last second"
    spool = spool_of(host)
    assert [a["id"] for a in accepted if a["id"] not in spool] == []


@pytest.mark.limit(300)
def test_mail_survives_a_failed_gate(host):
    """The service comes up in the rehearsal and not after the cut-over: back, with every mail."""
    host.shell("mail", "sh", "-c", "mkdir -p /etc/systemd/system/postfix@-.service.d && printf '[Service]\\nExecStartPre=/bin/sh -c \""
               "! test -e /var/spool/postfix/broken || grep -q ^12 /etc/debian_version\"\\n' "
               "> /etc/systemd/system/postfix@-.service.d/broken.conf && mkdir -p /etc/systemd/system/postfix.service.d && "
               "cp /etc/systemd/system/postfix@-.service.d/broken.conf /etc/systemd/system/postfix.service.d/ && systemctl daemon-reload")
    host.infractl("upgrade", "mail", "--yes", "--detach", "--pause-before", "cut-over")
    wait_paused(host, 200)
    host.shell("mail", "touch", "/var/spool/postfix/broken")
    with mailer.Mailer(infrahost.INTERNET, host.root / "mailer-1", MAIL, "a") as m:
        time.sleep(2)
        result = host.infractl("resume", check=False, timeout=150)
        time.sleep(2)
        m.stop()
        assert result.returncode == 6, result.stdout
        c = next(c for c in host.report()["containers"] if c["name"] == "mail")
        assert c["result"] == "rolled-back" and "25/tcp" in c["error"]
        assert release_of(host, "mail") == "bookworm"
        nothing_lost(host, m, host.last_run())
    host.shell("mail", "rm", "/var/spool/postfix/broken")


@pytest.mark.limit(420)
def test_all_of_them(host):
    plan = host.json("plan", "trixie")["plan"]
    assert plan["jobs"] == 2
    kinds = [s["kind"] for s in plan["steps"]]
    assert kinds.index("fence") > max(i for i, k in enumerate(kinds) if k == "rehearse"), "all are prepared first"
    # Automatic waves: beside each other the essential one comes last.
    assert [s["container"] for s in plan["steps"] if s["kind"] == "fence"] == ["old", "web", "mail"]
    host.infractl("upgrade", "trixie", "--yes", "--detach", "--pause-before", "cut-over")
    wait_paused(host, 350)
    spans = host._journal("SELECT intent, intent + duration FROM step WHERE run = ? AND kind = 'prepare'", host.last_run())
    at_once = [sum(a <= begin < b for a, b in spans) for begin, _ in spans]
    assert max(at_once) == 2, f"two are prepared beside each other: {spans}"
    prepared = {name: json.loads(host._journal("SELECT data FROM step WHERE run = ? AND kind = 'prepare' AND container = ?",
                                               host.last_run(), name)[0][0]) for name in ("old", "mail", "web")}
    assert prepared["old"]["hops"] == ["bookworm", "trixie"] and prepared["web"]["hops"] == ["trixie"]
    # One fetch of each package: what one has fetched the others are served.
    assert sum(p["served"] for p in prepared.values()) - sum(p["fetched"] for p in prepared.values()) > 80
    assert all(release_of(host, name) != "trixie" for name in prepared)
    with mailer.Mailer(infrahost.INTERNET, host.root / "mailer-2", MAIL, "b") as m:
        time.sleep(2)
        host.infractl("resume", timeout=150)
        time.sleep(2)
        m.stop()
        report = host.report()
        assert {c["name"]: c["result"] for c in report["containers"]} == {"old": "committed", "mail": "committed", "web": "committed"}
        assert all(0 < c["outage_ms"] < 8000 for c in report["containers"])
        assert [release_of(host, name) for name in prepared] == ["trixie"] * 3
        nothing_lost(host, m, host.last_run())
    assert host.shell("old", "dpkg", "--audit") == ""
