# SPDX-License-Identifier: GPL-2.0-or-later
"""The same packets by several ways: through the kernel with rules of iptables, through the kernel with ours, and through what
is said of both. What becomes of a packet is None or (interface or "host", source, sport, destination, dport).
"""

import json
import subprocess

import infrahost
import packets

INFRACTL = infrahost.BUILD / "infractl" / "infractl"
FIREWALL_TOOL = infrahost.BUILD / "tests" / "integration" / "firewall-tool"
TRACE_TOOL = infrahost.BUILD / "tests" / "integration" / "trace-tool"
PROFILES = infrahost.SOURCE / "policies" / "profiles"
ICMPS = {packets.ICMP: "icmp", packets.ICMPV6: "icmpv6"}
ECHOES = {8: 0, 13: 14, 128: 129}


def run_infractl(*words, codes=(0,), inside=None):
    where = ["nsenter", f"--net={inside.path}"] if inside else []
    done = subprocess.run([*where, INFRACTL, f"--profiles={PROFILES}", *map(str, words)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in codes, done.stdout + done.stderr
    return done.stdout


def load_old(path, text, six=None):
    path.router.run("iptables-legacy-restore", input=text)
    if six is not None:
        path.router.run("ip6tables-legacy-restore", input=six)


def load_new(path, policy):
    path.router.run(FIREWALL_TOOL, "load", policy, PROFILES)


def trace(source, sent, state=""):
    """What trace_packet() says: @source is a policy directory or files joined by +; @state is that of the connection."""
    lines = "".join(f"{i} {proto} {s} {sp} {d} {dp} {state}\n" for i, proto, s, sp, d, dp in sent)
    done = subprocess.run([TRACE_TOOL, source, PROFILES, *packets.ROUTES], input=lines, capture_output=True, text=True, check=True)
    return [fate(line.split(), p) for line, p in zip(done.stdout.splitlines(), sent, strict=True)]


def fate(said, p):
    verdict, path, leaves, s, sp, d, dp, masqueraded = said
    if verdict != "accept":
        return None
    if masqueraded == "1":
        s = (packets.OWN6 if ":" in s else packets.OWN)[leaves]
    sp, dp = (0, p[5]) if p[1] in ICMPS else (int(sp), int(dp))
    return "host" if path == "to-host" else leaves, s, sp, d, dp


def answer_to(p, came_out):
    """What the other end says to packet @p, as it saw it, and how that must come back; None where nobody else got it."""
    if not came_out or came_out[0] == "host":
        return None, None
    where, s, sp, d, dp = came_out
    interface, protocol, source, sport, to, dport = p
    interface = "host" if interface == "host" else packets.way_to(source)  # wherever it came from
    if protocol in ICMPS:
        return (where, protocol, d, 0, s, ECHOES[dport]), (interface, to, 0, source, ECHOES[dport])
    return (where, protocol, d, dp, s, sp), (interface, to, dport, source, sport)


def error_about(p, came_out):
    """Packet @p as it came to somebody who cannot take it, and how what he says of it must come back."""
    if not came_out or came_out[0] == "host":
        return None, None
    interface, protocol, source, sport, to, dport = p
    interface = "host" if interface == "host" else packets.way_to(source)
    kind = packets.TOO_BIG[packets.ICMPV6 if ":" in to else packets.ICMP][0]
    return (came_out[0], protocol, *came_out[1:]), (interface, to, 0, source, kind, source, sport, to, dport)


def end_text(address, port):
    return (f"[{address}]:{port}" if ":" in address else f"{address}:{port}") if port is not None else address


def packet_text(protocol, s, sp, d, dp):
    """As infractl has it."""
    if protocol in ICMPS:
        return f"{s} > {d} {ICMPS[protocol]}:{dp}"
    return f"{end_text(s, sp)} > {end_text(d, dp)}/{'tcp' if protocol == packets.TCP else 'udp'}"


def explain(source, policy, p, router=None, to=None):
    """What the real `infractl firewall explain` says: (where, text of the packet there), or None."""
    words = [*(["--from", p[0]] if p[0] != "host" else []), *(["--to", to] if to else [])]
    said = json.loads(run_infractl("--json", f"--policy={policy}", "firewall", "explain", "--in", source, *words, packet_text(*p[1:]), codes=(0, 1), inside=router))
    assert said["unknown"] == "", said
    if said["verdict"] != "accept":
        return None
    where = "host" if said["path"] == "to-host" else said["leaves_by"]
    text = said["after"]
    if said["masqueraded"]:
        old, own = text.split(" > ")[0], (packets.OWN6 if ":" in p[2] else packets.OWN)[where]
        text = text.replace(old, end_text(own, None if p[1] in ICMPS else p[3]), 1)
    return where, text
