# SPDX-License-Identifier: GPL-2.0-or-later
"""Small policies for tests, written as files, and the service that their containers carry.

The service counts: "add ID" on port 7000 appends ID to a file in the volume and answers "NUMBER RELEASE", so a
client sees both whether anything was lost and which release serves.
"""

import pathlib

import yaml

UPLINK = "198.51.100.2"
PORT = 7000
# Of the test's own mirror (mirror.py), as containers and the host's workers reach it.
MIRROR_PORT = 3143
VOLUME = "/var/lib/counter"

COUNT = f"""#!/bin/sh
read -r word id || exit 0
[ "$word" = add ] || exit 0
exec 9>> {VOLUME}/log
flock 9
echo "$id" >&9
. /etc/os-release
echo "$(wc -l < {VOLUME}/log) $VERSION_CODENAME"
"""

SERVE = f"/usr/bin/socat TCP-LISTEN:{PORT},fork,reuseaddr EXEC:/usr/local/bin/count"
UNIT = f"""[Unit]
Description=counts in a volume
[Service]
ExecStartPre=/bin/sh -c 'mkdir -p {VOLUME}; . /etc/os-release; echo $$VERSION_CODENAME >> {VOLUME}/boots'
ExecStart={SERVE}
TimeoutStopSec=3
[Install]
WantedBy=multi-user.target
"""


def probe(**more):
    return {"tcp": {}, "timeout": "2s", "interval": "200ms", "passes": 2, "within": "20s", **more}


def container(name, internal, internet=None, **more):
    addresses = {"internal": internal, **({"internet": internet} if internet else {})}
    return {"container": name, "release": "bookworm", "addresses": addresses, "packages": ["socat"], "stop-grace": "20s",
            "services": [{"port": f"{PORT}/tcp", "from": "any", "probe": probe()}], **more}


def upgrade(waves, **more):
    return {"upgrade": "trixie", "to": "trixie", "waves": waves, "strategy": "in-place",
            "on-failure": "rollback-container", **more}


def put(path, value):
    # One line a top-level key: infrahost.Host replaces whole lines of host.yaml.
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(value, sort_keys=False, default_flow_style=None, width=10000))


def write(directory, containers, upgrades=()):
    """A policy directory with these containers and upgrades (mappings as above)."""
    directory = pathlib.Path(directory)
    put(directory / "host.yaml", {
        "host": "infra02", "release": "bookworm",
        "bridge": {"name": "br0", "ipv4": "10.0.0.1/24", "ipv6": "2001:db8:616:162:2::1/80"},
        "packages": {"proxy": f"http://10.0.0.1:{MIRROR_PORT}"},
        "services": [{"port": f"{MIRROR_PORT}/tcp", "from": "10.0.0.0/24", "probe": "none"}],
    })
    put(directory / "zones.yaml", {"zones": {"internet": {"interface": "eno1"}, "monitor": {"networks": ["203.0.113.12"]}}})
    for c in containers:
        put(directory / "containers" / f"{c['container']}.yaml", c)
    for u in upgrades:
        put(directory / "upgrades" / f"{u['upgrade']}.yaml", u)
    return directory


def rootfs(host, name):
    return host.storage / "containers" / name / "live" / "rootfs"


def volume(host, name):
    """The live volume on the host's disk."""
    return host.storage / "volumes" / name / VOLUME[1:].replace("/", "-")


def install_counter(host, name, delay=0, stop=""):
    """The counting service into the root of a container that does not run; it serves `delay` seconds after it began."""
    root = rootfs(host, name)
    script = root / "usr/local/bin/count"
    script.write_text(COUNT)
    script.chmod(0o755)
    unit = UNIT.replace("[Service]\n", "[Service]\n" + (f"ExecStop={stop}\n" if stop else ""))
    if delay:
        unit = unit.replace(SERVE, f"/bin/sh -c 'sleep {delay}; exec {SERVE}'")
    (root / "etc/systemd/system/counter.service").write_text(unit)
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    link = wants / "counter.service"
    if not link.is_symlink():
        link.symlink_to("/etc/systemd/system/counter.service")
