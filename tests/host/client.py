# SPDX-License-Identifier: GPL-2.0-or-later
"""A client on the internet: asks every service of a list again and again, and knows when it was not served.

    client.py SECONDS_BETWEEN OUTPUT NAME=KIND:ADDRESS:PORT ...

KIND: smtp (a greeting), http (status 200), tcp (a connection). One line of JSON per attempt goes to OUTPUT:
{"name", "start", "end", "served", "detail"}, times in seconds of CLOCK_BOOTTIME. Ends with SIGTERM.
"""

import asyncio
import json
import signal
import sys
import time

ATTEMPT_LIMIT = 1.0


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def ask(kind, address, port):
    reader, writer = await asyncio.open_connection(address, port)
    try:
        if kind == "smtp":
            line = await reader.readline()
            writer.write(b"QUIT\r\n")
            return line.startswith(b"220"), line.decode(errors="replace").strip()
        if kind == "http":
            writer.write(f"GET / HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
            line = await reader.readline()
            return b" 200 " in line, line.decode(errors="replace").strip()
        return True, "connected"
    finally:
        writer.close()


async def attempt(name, kind, address, port, output):
    start = now()
    try:
        served, detail = await asyncio.wait_for(ask(kind, address, port), ATTEMPT_LIMIT)
    except (OSError, asyncio.TimeoutError) as e:
        served, detail = False, str(e) or "no answer"
    output.write(json.dumps({"name": name, "start": start, "end": now(), "served": served, "detail": detail}) + "\n")


async def main():
    interval, path, services = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    tasks = set()
    with open(path, "w") as output:
        due = now()
        while not stop.is_set():
            for service in services:
                name, rest = service.split("=", 1)
                kind, rest = rest.split(":", 1)
                address, port = rest.rsplit(":", 1)
                task = asyncio.create_task(attempt(name, kind, address, int(port), output))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            due += interval
            await asyncio.sleep(max(0, due - now()))
        await asyncio.gather(*tasks)


def outages(path):
    """Seconds each service was not served: from the last answer before a silence to the first one after it."""
    attempts = {}
    for line in open(path):
        a = json.loads(line)
        attempts.setdefault(a["name"], []).append(a)
    result = {}
    for name, items in attempts.items():
        items.sort(key=lambda a: a["start"])
        silent, last, failed = 0.0, None, False
        for a in items:
            if not a["served"]:
                failed = True
                continue
            if failed and last is not None:
                silent += a["start"] - last
            last, failed = a["start"], False
        if failed and last is not None:
            silent += items[-1]["start"] - last
        result[name] = {"outage": silent, "attempts": len(items), "unserved": sum(not a["served"] for a in items)}
    return result


if __name__ == "__main__":
    asyncio.run(main())
