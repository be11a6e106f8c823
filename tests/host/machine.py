# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole machine with systemd as its first process and infra installed: a container of an isolated host, rebooted at will.

    operator  10.9.0.1 ---+
    stranger  10.9.0.66 --+-- up0 (bridge) --- 10.9.0.2 eth0 [machine]

Operator and stranger are addresses of the isolated host. Every boot has a boot id of its own and a network namespace of its
own: what the kernel had before is gone, as on iron.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import infrahost

CACHE = pathlib.Path(os.environ.get("INFRA_TEST_CACHE", "/var/cache/infra-test"))
DAY = 24 * 60 * 60
PACKAGES = ("systemd", "systemd-sysv", "dbus", "iproute2", "ifupdown", "openssh-server", "nftables", "iptables", "ferm", "ufw",
            "firewalld", "fail2ban", "libfyaml0", "libnftnl11", "libmnl0", "liblxc1", "libsqlite3-0", "libcurl4",
            "libmicrohttpd12", "libssl3", "libjansson4", "libbtrfsutil1")
# What the packages' scripts enable; a test enables what it is about.
UNWANTED = ("ferm", "ufw", "firewalld", "fail2ban", "nftables")
ADDRESS, OPERATOR, STRANGER = "10.9.0.2", "10.9.0.1", "10.9.0.66"
CONFIG = """
lxc.include = /usr/share/lxc/config/common.conf
lxc.apparmor.profile = unconfined
lxc.uts.name = machine
lxc.rootfs.path = dir:{root}
lxc.net.0.type = veth
lxc.net.0.link = up0
lxc.net.0.name = eth0
lxc.net.0.hwaddr = 02:00:0a:09:00:02
lxc.hook.version = 1
lxc.hook.pre-start = {directory}/new-boot
lxc.mount.entry = {directory}/boot-id proc/sys/kernel/random/boot_id none bind 0 0
"""
INTERFACES = f"""
auto lo
iface lo inet loopback
auto eth0
iface eth0 inet static
    address {ADDRESS}/24
"""


def root_tar():
    """Made once a day, in memory."""
    path = CACHE / "machine.tar"
    if not path.exists() or path.stat().st_mtime < time.time() - DAY:
        infrahost.run("mmdebstrap", "--format=tar", "--variant=minbase", f"--include={','.join(PACKAGES)}",
                      '--aptopt=Acquire::http::Proxy "http://127.0.0.1:3142"', "--dpkgopt=force-unsafe-io",
                      "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
                      "--dpkgopt=path-exclude=/usr/share/locale/*",
                      '--customize-hook=rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap', "bookworm", f"{path}.new",
                      env=dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8", TMPDIR="/mnt"))
        os.rename(f"{path}.new", path)
    return path


def reached(port, source=OPERATOR, limit=0.5):
    try:
        socket.create_connection((ADDRESS, port), limit, source_address=(source, 0)).close()
    except OSError:
        return False
    return True


def wait(condition, limit=20, what="it does not come true"):
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Machine:
    def __init__(self, directory="/mnt/machine"):
        self.directory = pathlib.Path(directory)
        self.root = self.directory / "root"
        self.root.mkdir(parents=True)
        infrahost.run("tar", "-C", self.root, "-xf", root_tar())
        infrahost.run("meson", "install", "--no-rebuild", "--quiet", "-C", infrahost.BUILD,
                      env=dict(os.environ, DESTDIR=str(self.root)))
        infrahost.run("systemctl", f"--root={self.root}", "disable", *UNWANTED)
        infrahost.run("systemctl", f"--root={self.root}", "enable", "infra-firewall", "infrad")
        self.write("/etc/network/interfaces", INTERFACES)
        self._prepare_ssh()
        self._prepare_container()
        infrahost.run("ip", "link", "add", "up0", "type", "bridge")
        infrahost.run("ip", "link", "set", "up0", "up")
        for address in (OPERATOR, STRANGER):
            infrahost.run("ip", "address", "add", f"{address}/24", "dev", "up0")

    def _prepare_ssh(self):
        self.key = self.directory / "key"
        infrahost.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        self.write("/root/.ssh/authorized_keys", self.key.with_suffix(".pub").read_text())
        self.write("/root/.ssh/id_ed25519", self.key.read_text(), 0o600)
        self.write("/root/.ssh/config", "StrictHostKeyChecking no\nLogLevel ERROR\n")

    def _prepare_container(self):
        (self.directory / "lxc/machine").mkdir(parents=True)
        (self.directory / "lxc/machine/config").write_text(CONFIG.format(root=self.root, directory=self.directory))
        (self.directory / "boot-id").write_text("")
        hook = self.directory / "new-boot"
        hook.write_text(f"#!/bin/sh\ncat /proc/sys/kernel/random/uuid > {self.directory}/boot-id\n")
        hook.chmod(0o755)

    def path(self, name):
        return self.root / name.lstrip("/")

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def lxc(self, verb, *words, **options):
        return infrahost.run(f"lxc-{verb}", "-P", self.directory / "lxc", "-n", "machine", *words, **options)

    def start(self):
        self.lxc("start", "--logfile", self.directory / "lxc.log", "--", "/sbin/init")
        self.wait_booted()

    def wait_booted(self):
        """Whatever failed: until systemd has nothing more to start."""
        wait(lambda: self.run("systemctl is-system-running", check=False).stdout.strip() in ("running", "degraded"), 60,
             "the machine does not boot")

    def reboot(self, before=lambda: None):
        """`before` is called when it is down."""
        self.lxc("stop", "--timeout", "30")
        before()
        self.start()

    def reboot_itself(self):
        """As somebody types it."""
        last = self.boot_id()
        self.run("systemctl reboot", check=False)
        wait(lambda: self.boot_id() != last, 60, "the machine does not reboot")
        self.wait_booted()

    def boot_id(self):
        return (self.directory / "boot-id").read_text()

    def stop(self):
        self.lxc("stop", "--kill", check=False)

    def run(self, script, **options):
        """As at the console, though without one."""
        return self.lxc("attach", "--clear-env", "--set-var", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "--", "sh", "-c", script, **options)

    def ssh(self, script, *options, check=False):
        return infrahost.run("ssh", "-i", self.key, "-b", OPERATOR, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                             "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5", *options, "-l", "root", ADDRESS, script, check=check)

    def show(self, unit, *properties):
        lines = self.run(f"systemctl show {unit} -p {','.join(properties)}").stdout.splitlines()
        values = dict(line.split("=", 1) for line in lines if "=" in line)
        return [values[p] for p in properties] if len(properties) > 1 else values[properties[0]]

    def journal(self, unit):
        return self.run(f"journalctl -b -u {unit} -o cat --no-pager").stdout
