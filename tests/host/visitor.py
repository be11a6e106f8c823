# SPDX-License-Identifier: GPL-2.0-or-later
"""A client on the internet that counts: it remembers every answer, so nothing that was acknowledged can vanish.

    visitor.py SECONDS_BETWEEN OUTPUT ADDRESS PORT PREFIX

One line of JSON per attempt, in the form of client.py and with "id", "value" and "release". Ends with SIGTERM.
"""

import json
import signal
import socket
import subprocess
import sys
import time

ATTEMPT_LIMIT = 0.5


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def ask(address, port, text):
    with socket.create_connection((address, port), ATTEMPT_LIMIT) as s:
        s.settimeout(ATTEMPT_LIMIT)
        s.sendall(text.encode())
        answer = b""
        while not answer.endswith(b"\n"):
            data = s.recv(100)
            if not data:
                raise OSError("closed without an answer")
            answer += data
        value, release = answer.decode().split()
        return int(value), release


def main():
    interval, path, address, port, prefix = float(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]
    over = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(True))
    number = 0
    with open(path, "a", buffering=1) as output:
        while not over:
            number += 1
            attempt = {"name": "counter", "id": f"{prefix}-{number}", "start": now()}
            try:
                value, release = ask(address, port, f"add {attempt['id']}\n")
                attempt.update(served=True, value=value, release=release)
            except (OSError, ValueError) as e:
                attempt.update(served=False, detail=str(e))
            attempt["end"] = now()
            output.write(json.dumps(attempt) + "\n")
            time.sleep(max(0, attempt["start"] + interval - now()))


class Visitor:
    """The same, beside a test: `with Visitor(...) as v:`."""

    def __init__(self, internet, path, address, port, prefix="v", interval=0.1):
        self.path = str(path)
        self.argv = ["nsenter", f"--net=/run/netns/{internet}", sys.executable, __file__, str(interval), self.path,
                     address, str(port), prefix]

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)

    def attempts(self):
        try:
            with open(self.path) as f:
                return [json.loads(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def acknowledged(self):
        return [a for a in self.attempts() if a["served"]]

    def wait_served(self, limit=20, release=None):
        """Until an attempt that began from now on was served (by that release); the attempt."""
        begin = now()
        while now() < begin + limit:
            for a in reversed(self.acknowledged()):
                if a["start"] >= begin and (release is None or a["release"] == release):
                    return a
            time.sleep(0.05)
        raise AssertionError(f"not served within {limit} s; last: {self.attempts()[-1:]}")


if __name__ == "__main__":
    main()
