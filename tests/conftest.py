# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the integration and fault tests; they run inside tests/host/isolated-host (see tests/integration/run)."""

import os
import pathlib
import signal
import sys

import pytest

# Tests share helpers across their directories.
for directory in ("fault", "integration", "host"):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / directory))

import estates  # noqa: E402
import infrahost  # noqa: E402
import mirror  # noqa: E402
import packets  # noqa: E402

SETUP_LIMIT = 420
TEST_LIMIT = 120
ROOTS = pathlib.Path(os.environ.get("INFRA_TEST_CACHE", "/var/cache/infra-test")) / "roots"
hosts = []


class TooLong(BaseException):
    """Not an Exception: a test that catches everything still ends."""


def on_alarm(*_):
    raise TooLong("no end within the time limit of the test")


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): time after which the test is ended and fails")
    signal.signal(signal.SIGALRM, on_alarm)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    signal.alarm(SETUP_LIMIT)
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    marker = item.get_closest_marker("limit")
    signal.alarm(marker.args[0] if marker else TEST_LIMIT)
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if not report.failed or not hosts:
        return
    host = hosts[-1]
    report.sections.append(("infrad", host.daemon_log()[-3000:]))
    try:
        report.sections.append(("last run", host.infractl("report", "last", "--steps", check=False, timeout=20).stdout[-6000:]))
    except Exception as e:
        report.sections.append(("last run", str(e)))
    for log in sorted(host.state.glob(f"runs/{host.last_run()}/*.log"), key=lambda p: p.stat().st_mtime)[-3:]:
        report.sections.append((str(log), log.read_text(errors="replace")[-1500:]))


def pytest_report_teststatus(report):
    """One line a test with its time."""
    if report.when == "call":
        return report.outcome, "." if report.passed else "F", f"{report.outcome} ({report.duration:.1f} s)"
    return None


@pytest.fixture(scope="module")
def routers():
    """One for the old rules, one for ours."""
    both = packets.Path(), packets.Path()
    yield both
    for p in both:
        p.close()


@pytest.fixture(scope="session")
def package_mirror():
    m = mirror.Mirror(estates.MIRROR_PORT)
    m.start()
    yield m
    m.stop()


def make_host(policy):
    host = infrahost.Host(policy, roots=ROOTS)
    hosts.append(host)
    return host


@pytest.fixture(scope="session")
def bare_host(tmp_path_factory, package_mirror):
    """A host on which nothing has been applied yet: a web server from Debian, two that count, one of them slow."""
    policy = estates.write(tmp_path_factory.mktemp("estate") / "policy", [
        {"container": "web", "release": "bookworm", "packages": ["lighttpd"],
         "addresses": {"internal": "10.0.0.12", "internet": "198.51.100.235", "ipv6": "2001:db8:616:162:2::12"},
         "services": [{"port": "80/tcp", "from": "any", "probe": {"http": "/", "interval": "200ms", "passes": 2, "within": "30s"}}]},
        estates.container("slow", "10.0.0.21", autostart=False),
        estates.container("plain", "10.0.0.22", "198.51.100.231", after="slow", volumes=[estates.VOLUME], admins=["mario"],
                          autostart=False),
        estates.container("rooted", "10.0.0.23", privileged=True, autostart=False, packages=["socat"]),
    ], [estates.upgrade([["plain"]])])
    host = make_host(policy)
    yield host
    if host.daemon:
        host.stop_daemon(signal.SIGKILL)


@pytest.fixture(scope="session")
def counting_host(tmp_path_factory, package_mirror):
    """A host with one container that counts in a volume, running bookworm, and an upgrade for it."""
    policy = estates.write(tmp_path_factory.mktemp("estate") / "policy", [
        estates.container("plain", "10.0.0.22", "198.51.100.231", volumes=[estates.VOLUME], autostart=False),
    ], [estates.upgrade([["plain"]]), estates.upgrade([["plain"]], upgrade="aside", strategy="shadow")])
    host = make_host(policy)
    host.start_daemon()
    host.infractl("apply", "--yes", timeout=400)
    estates.install_counter(host, "plain")
    host.infractl("start", "plain", timeout=60)
    yield host
    if host.daemon:
        host.stop_daemon(signal.SIGKILL)
