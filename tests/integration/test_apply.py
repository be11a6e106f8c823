# SPDX-License-Identifier: GPL-2.0-or-later
"""`infractl apply` on a host where nothing is, then on the same host as it changes. The tests build on each other."""

import os
import pathlib
import sys

import pytest

import estates
import infrahost

WEB, PLAIN = "198.51.100.235", "198.51.100.231"
NEIGHBOUR = """lxc.include = /usr/share/lxc/config/common.conf
lxc.apparmor.profile = unconfined
lxc.uts.name = neighbour
lxc.rootfs.path = dir:{root}
lxc.init.cmd = /bin/sleep infinity
lxc.net.0.type = empty
lxc.mount.entry = /usr usr none bind,ro,create=dir 0 0
"""
LEGACY = """lxc.include = /usr/share/lxc/config/common.conf
lxc.apparmor.profile = unconfined
lxc.uts.name = legacy
lxc.rootfs.path = dir:{root}
lxc.net.0.type = empty
"""


def page(address):
    code = f"import urllib.request; print(urllib.request.urlopen('http://{address}/', timeout=3).read().decode())"
    return infrahost.from_internet(sys.executable, "-c", code, check=False)


def init_pid(host, name):
    return infrahost.run("lxc-info", "-P", host.lxc, "-n", name, "-pH", check=False).stdout.strip()


def edit(host, name, **more):
    """More keys in the policy of a container."""
    path = host.policy / "containers" / f"{name}.yaml"
    value = estates.yaml.safe_load(path.read_text())
    value.update(more)
    estates.put(path, value)


@pytest.fixture(scope="module")
def host(bare_host):
    return bare_host


@pytest.fixture(scope="module")
def neighbour(host):
    """An LXC container that is none of infra's business: how it looked at the beginning."""
    directory, root = host.lxc / "neighbour", host.root / "neighbour-root"
    for part in ("dev", "proc", "sys", "etc", "tmp", "usr"):
        (root / part).mkdir(parents=True, exist_ok=True)
    for link in ("bin", "lib", "lib64", "sbin"):
        if os.path.islink(f"/{link}"):
            (root / link).symlink_to(f"usr/{link}")
    directory.mkdir(parents=True)
    (directory / "config").write_text(NEIGHBOUR.format(root=root))
    infrahost.run("lxc-start", "-P", host.lxc, "-n", "neighbour", "-l", "INFO", "-o", host.root / "neighbour.log")
    infrahost.run("lxc-wait", "-P", host.lxc, "-n", "neighbour", "-s", "RUNNING", "-t", "10")
    pid = init_pid(host, "neighbour")
    assert pid
    return {"pid": pid, "config": (directory / "config").read_bytes(), "mtime": (directory / "config").stat().st_mtime_ns}


def neighbour_is_untouched(host, neighbour):
    config = host.lxc / "neighbour" / "config"
    assert init_pid(host, "neighbour") == neighbour["pid"]
    assert config.read_bytes() == neighbour["config"] and config.stat().st_mtime_ns == neighbour["mtime"]


def test_check_finds_no_errors(host):
    assert "4 containers" in host.infractl("check").stdout


WRONG = {
    "unknown-key": ("containers/plain.yaml", lambda t: t + "relase: trixie\n", "did you mean 'release'"),
    "dangling-name": ("containers/plain.yaml", lambda t: t.replace("after: slow", "after: slw"), "slow"),
    "cycle": ("containers/slow.yaml", lambda t: t + "after: [plain]\n", "plain -> slow -> plain"),
    "duplicate-address": ("containers/slow.yaml", lambda t: t.replace("10.0.0.21", "10.0.0.22"), "10.0.0.22"),
    "no-yaml": ("host.yaml", lambda t: t + "packages: [\n", "host.yaml"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_apply_refuses_a_wrong_policy_and_changes_nothing(host, neighbour, mistake):
    file, change, says = WRONG[mistake]
    path = host.policy / file
    right = path.read_text()
    path.write_text(change(right))
    if not host.daemon:
        host.start_daemon()
    try:
        result = host.infractl("apply", "--yes", check=False)
        checked = host.infractl("check", check=False)
    finally:
        path.write_text(right)
    assert result.returncode == 3, result.stdout
    assert checked.returncode == 3 and says in checked.stdout and ".yaml:" in checked.stdout
    assert infrahost.run("ip", "link", "show", "br0", check=False).returncode != 0
    assert infrahost.run("nft", "list", "tables").stdout == ""
    assert host.json("runs")["runs"] == []
    assert sorted(p.name for p in host.lxc.iterdir()) == ["neighbour"]


@pytest.mark.limit(400)
def test_apply_from_nothing(host, neighbour):
    infrahost.run("nft", "add table ip others; add chain ip others c { type filter hook input priority 300 ; policy accept ; }; "
                  "add rule ip others c counter comment theirs")
    before = infrahost.run("nft", "-s", "list", "table", "ip", "others").stdout
    result = host.infractl("apply", "--yes", timeout=390)
    assert host.last_run() > 0, result.stdout
    containers = {c["name"]: c for c in host.json("list")["containers"]}
    assert {n: c["running"] for n, c in containers.items()} == {"web": True, "slow": False, "plain": False, "rooted": False}
    assert all(c["managed"] and c["configured"] and c["generation"] == 1 and c["release"] == "bookworm"
               for c in containers.values())
    assert page(WEB).returncode == 0, "the web server answers from the internet"
    assert infrahost.run("nft", "-s", "list", "table", "ip", "others").stdout == before
    neighbour_is_untouched(host, neighbour)
    assert host.json("status")["foreign"] == ["neighbour"]


def test_second_apply_has_nothing_to_do(host):
    runs = len(host.json("runs")["runs"])
    result = host.infractl("apply", "--yes")
    assert "Nothing to do" in result.stdout
    assert len(host.json("runs")["runs"]) == runs


def test_unprivileged_root_is_mapped_and_its_files_are_not(host):
    pid = init_pid(host, "web")
    assert pathlib.Path(f"/proc/{pid}/uid_map").read_text().split() == ["0", "100000", "65536"]
    assert os.stat(f"/proc/{pid}").st_uid == 100000
    host.shell("web", "sh", "-c", "echo x > /root/made-inside; chown www-data /root/made-inside")
    assert (estates.rootfs(host, "web") / "root/made-inside").stat().st_uid == 33
    assert (estates.rootfs(host, "web") / "etc/passwd").stat().st_uid == 0


def test_start_order_waits_until_the_slow_one_serves(host):
    estates.install_counter(host, "slow", delay=3)
    estates.install_counter(host, "plain")
    edit(host, "slow", autostart=True)
    edit(host, "plain", autostart=True)
    host.infractl("apply", "--yes", timeout=100)
    report = {c["name"]: c for c in host.report()["containers"]}
    assert {n: c["result"] for n, c in report.items()} == {"slow": "done", "plain": "done"}
    times = {(container, kind): (intent, done) for container, kind, intent, done in host._journal(
        "SELECT container, kind, intent, done FROM step WHERE run = ?", host.last_run())}
    assert times["plain", "start"][0] >= times["slow", "serve"][1]
    # The slow one serves 3 s after it runs: that was waited for by asking, and not by a fixed time.
    assert 1500 < times["slow", "serve"][1] - times["slow", "serve"][0] < 15000


def test_privileged_container_has_no_id_mapping(host):
    estates.install_counter(host, "rooted")
    host.infractl("start", "rooted")
    pid = init_pid(host, "rooted")
    assert os.stat(f"/proc/{pid}").st_uid == 0
    host.infractl("stop", "rooted")


def test_volume_is_outside_the_generation_and_survives_a_restart(host):
    host.shell("plain", "sh", "-c", f"echo kept > {estates.VOLUME}/witness")
    assert not (estates.rootfs(host, "plain") / estates.VOLUME[1:] / "witness").exists()
    assert (estates.volume(host, "plain") / "witness").read_text() == "kept\n"
    host.infractl("restart", "plain")
    assert host.shell("plain", "cat", f"{estates.VOLUME}/witness") == "kept\n"


def legacy(host):
    """A container made by hand: a copy of another one's root and a configuration of its own."""
    root = host.storage / "legacy-rootfs"
    infrahost.run("cp", "-a", "--reflink=auto", estates.rootfs(host, "slow"), root)
    (root / "root/by-hand").write_text("years of work\n")
    (host.lxc / "legacy").mkdir()
    (host.lxc / "legacy/config").write_text(LEGACY.format(root=root))
    return root


def test_running_foreign_container_of_a_policy_name_is_not_adopted(host):
    legacy(host)
    estates.put(host.policy / "containers/legacy.yaml", estates.container("legacy", "10.0.0.30"))
    infrahost.run("lxc-start", "-P", host.lxc, "-n", "legacy")
    pid = init_pid(host, "legacy")
    result = host.infractl("apply", "--yes", check=False)
    assert "stop it to have it adopted" in result.stdout + host.infractl("plan", "apply", check=False).stdout
    assert init_pid(host, "legacy") == pid
    assert not host.container("legacy")["managed"]
    assert host.infractl("stop", "legacy", check=False).returncode == 9
    assert init_pid(host, "legacy") == pid
    infrahost.run("lxc-stop", "-P", host.lxc, "-n", "legacy", "-k")


def test_stopped_lxc_container_is_adopted_in_place(host, neighbour):
    config = (host.lxc / "legacy/config").read_text()
    root = host.storage / "legacy-rootfs"
    host.infractl("apply", "--yes", timeout=100)
    c = host.container("legacy")
    assert c["managed"] and c["running"] and c["generation"] == 1 and c["release"] == "bookworm"
    assert host.shell("legacy", "cat", "/root/by-hand") == "years of work\n"
    assert (host.lxc / "legacy/config.before-infra").read_text() == config
    assert (root / "root/by-hand").exists(), "the foreign root stays where it is"
    assert host.shell("legacy", "cat", "/etc/hosts") == (root / "etc/hosts").read_text(), "and keeps its own settings"
    neighbour_is_untouched(host, neighbour)


def test_a_policy_without_a_container_leaves_it_alone(host, neighbour):
    """What is no longer in the policy is foreign: it is named, and goes on."""
    pid = init_pid(host, "legacy")
    (host.policy / "containers/legacy.yaml").unlink()
    host.infractl("apply", "--yes", check=False)
    assert init_pid(host, "legacy") == pid
    assert host.json("status")["foreign"] == ["legacy", "neighbour"]
    infrahost.run("lxc-stop", "-P", host.lxc, "-n", "legacy", "-k")
    neighbour_is_untouched(host, neighbour)
