#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job, shown: apply a policy, prove its reachability, upgrade everything while a client watches, fail
one container on purpose, and compare what the client measured with what the journal recorded.

Runs inside isolated-host; exits non-zero when anything is not as it should be.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "host"))

import client  # noqa: E402
import infrahost  # noqa: E402

EXAMPLE = infrahost.SOURCE / "policies" / "examples" / "demo"
# The host's own address on the uplink; the containers' addresses stand in the example's policy.
UPLINK = "198.51.100.2"
EMAILOUT, WIKI = "198.51.100.239", "198.51.100.235"
SERVICES = {
    "emailout 25/tcp": f"smtp:{EMAILOUT}:25",
    "wiki 80/tcp": f"http:{WIKI}:80",
    "webstatic 80/tcp": f"http:{UPLINK}:18080",
}
PAGE = "<html><head><title>Wiki</title></head><body><h1>Main page of the wiki</h1></body></html>"
failures = []


def say(text=""):
    print(text, flush=True)


def step(text):
    say(f"\n== {text}")


def expect(truth, text):
    say(f"   {'ok' if truth else 'NOT OK'}: {text}")
    if not truth:
        failures.append(text)


def show(text):
    for line in text.rstrip().splitlines():
        say(f"   | {line}")


def reachable(address, port):
    """Whether a TCP connection from the internet is accepted."""
    code = f"import socket; socket.create_connection(({address!r}, {port}), 0.7).close()"
    return infrahost.from_internet("/usr/bin/python3", "-c", code, check=False).returncode == 0


def fill(host):
    """Content a person would miss, and a service that does not come up on trixie."""
    host.shell("wiki", "sh", "-c", f"echo '{PAGE}' > /var/www/html/index.html")
    host.shell("webstatic", "sh", "-c", "mkdir -p /etc/systemd/system/lighttpd.service.d && printf "
               "'[Service]\\nExecStartPre=/bin/grep -q ^12 /etc/debian_version\\n' "
               "> /etc/systemd/system/lighttpd.service.d/knows-bookworm-only.conf && systemctl daemon-reload && "
               "systemctl restart lighttpd")


def prove_reachability():
    wanted = {(EMAILOUT, 25), (WIKI, 80), (UPLINK, 18080)}
    ports = (22, 25, 80, 443, 3306, 8080, 18080)
    for address in (EMAILOUT, WIKI, UPLINK):
        open_ports = [p for p in ports if reachable(address, p)]
        expected = [p for p in ports if (address, p) in wanted]
        expect(open_ports == expected,
               f"{address}: open to the internet {open_ports or 'nothing'}, policy {expected or 'nothing'}, of {list(ports)}")


def prove_firewall(host):
    """Explained, changed with a way back, and old rules taken over."""
    show(host.infractl("firewall", "explain", "any > wiki:80/tcp").stdout)
    wiki = host.policy / "containers" / "wiki.yaml"
    right = wiki.read_text()
    wiki.write_text(right.replace("80/tcp", "8080/tcp"))
    show(host.infractl("firewall", "apply", "--confirm", "5s", "--yes").stdout)
    expect(not reachable(WIKI, 80), "a mistake: the wiki cannot be reached")
    wiki.write_text(right)
    for _ in range(100):
        if reachable(WIKI, 80):
            break
        time.sleep(0.1)
    expect(reachable(WIKI, 80), "nobody confirmed it: the ruleset before is back by itself")
    show(host.infractl("firewall", "status").stdout)
    old = infrahost.SOURCE / "tests" / "golden" / "ferm"
    show(host.infractl("import", "ferm", str(old / "infra02" / "ferm.conf"), "--into", str(host.root / "imported")).stdout)
    # As rules alone nothing has to be taken for granted.
    host.infractl("import", "ferm", str(old / "infra02" / "ferm.conf"), "--only-rules", "--into", str(host.root / "rules"))
    equal = host.infractl("firewall", "equal", str(old / "infra02.rules"), str(host.root / "rules"), check=False)
    show(equal.stdout)
    expect(equal.returncode == 0, "a ferm configuration of 26 containers, imported, is equal to the rules that ferm itself makes of it")


def send_mail(address, subject):
    """A mail handed over by SMTP to a mailbox in the container; True when it was accepted."""
    code = ("import smtplib; s = smtplib.SMTP({!r}, 25, timeout=10); "
            "s.sendmail('a@example.org', ['root@localhost'], 'Subject: {}\\n\\nhello\\n'); s.quit()").format(address, subject)
    return infrahost.from_internet("/usr/bin/python3", "-c", code, check=False)


def upgrade(host, log):
    """All containers, with a client asking for every service once per 100 ms."""
    watcher = subprocess.Popen(["nsenter", f"--net=/run/netns/{infrahost.INTERNET}", sys.executable, client.__file__, "0.1",
                                log, *(f"{name}={target}" for name, target in SERVICES.items())])
    try:
        time.sleep(2)
        # infractl's own output, as it comes: this is what the person sees.
        result = subprocess.run([str(infrahost.BUILD / "infractl" / "infractl"), "upgrade", "trixie", "--yes"],
                                env=host.environment(), stdin=subprocess.DEVNULL, timeout=1800)
        time.sleep(2)
    finally:
        watcher.send_signal(signal.SIGTERM)
        watcher.wait(10)
    return result.returncode


def compare(report, measured):
    say(f"   {'service':<18} {'result':<12} {'client: outage':>15} {'journal: outage':>16} {'asked':>7} {'unserved':>9}")
    for container in report["containers"]:
        for name in (n for n in SERVICES if n.startswith(container["name"] + " ")):
            m = measured[name]
            say(f"   {name:<18} {container['result']:<12} {m['outage']:>13.1f} s {container['outage_ms'] / 1000:>14.1f} s "
                f"{m['attempts']:>7} {m['unserved']:>9}")
            # The client looks every 100 ms and waits up to a second for an answer.
            expect(abs(m["outage"] - container["outage_ms"] / 1000) < 3, f"{name}: client and journal agree within 3 s")
            if container["result"] == "failed":
                expect(m["unserved"] == 0, f"{name}: not one question went unserved")


def judge(host, code, report):
    results = {c["name"]: c["result"] for c in report["containers"]}
    expect(code == 6, f"infractl says by its exit code that not all went well (6; it was {code})")
    expect(results == {"emailout": "committed", "wiki": "committed", "webstatic": "failed"}, f"results: {results}")
    for name, release in (("emailout", "trixie"), ("wiki", "trixie"), ("webstatic", "bookworm")):
        text = host.shell(name, "sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME").strip()
        expect(text == release, f"{name} runs {text}")
    code = f"import urllib.request; print(urllib.request.urlopen('http://{WIKI}/', timeout=5).read().decode())"
    page = infrahost.from_internet("/usr/bin/python3", "-c", code, check=False).stdout
    expect("Main page of the wiki" in page, "the wiki shows its page")
    expect(reachable(UPLINK, 18080), "webstatic serves, from the old release; the rehearsal found it out, so it was never stopped")
    spool = host.shell("emailout", "sh", "-c", "cat /var/mail/root /var/spool/mail/root 2>/dev/null; mailq", check=False)
    expect("before-upgrade" in spool or "root@" in spool, "the mail accepted before the upgrade is there")


def main():
    began = time.monotonic()
    step("A host of its own: bridge, btrfs in a loop file, uplink eno1, a namespace that plays the internet")
    host = infrahost.Host(EXAMPLE)
    try:
        step("infractl check")
        show(host.infractl("check").stdout)
        host.start_daemon()
        step("infractl apply: three containers from Debian packages, firewall, start in order")
        show(host.infractl("apply", "--yes", timeout=1500).stdout)
        fill(host)
        show(host.infractl("status").stdout)
        step("From the internet: exactly the policy's ports are open")
        prove_reachability()
        expect(send_mail(EMAILOUT, "before-upgrade").returncode == 0, "emailout accepts a mail from the internet")
        step("The firewall: explained, changed with a way back, and a ferm configuration imported and proven equal")
        prove_firewall(host)
        step("infractl upgrade trixie, a client asks every service once per 100 ms; webstatic's service will not come up")
        log = str(host.root / "client.log")
        code = upgrade(host, log)
        step("What came of it")
        report = host.report()
        judge(host, code, report)
        prove_reachability()
        step("infractl report last")
        show(host.infractl("report", "last").stdout)
        step("Outage per service: measured by the client, recorded in the journal")
        compare(report, client.outages(log))
    except (AssertionError, subprocess.SubprocessError, OSError) as e:
        failures.append(str(e))
        show(f"{type(e).__name__}: {e}")
        show("infrad's log:\n" + host.daemon_log())
    say(f"\n{'The demonstration went as it should' if not failures else f'{len(failures)} things are not as they should be'}"
        f" ({time.monotonic() - began:.0f} s). Nothing of it is left on this machine "
        f"but downloaded packages, in /var/cache/infra-test.")
    for failure in failures:
        say(f"  - {failure.splitlines()[0]}")
    return 1 if failures else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main())
