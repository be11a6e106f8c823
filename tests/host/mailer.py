# SPDX-License-Identifier: GPL-2.0-or-later
"""A client on the internet that hands over mail after mail and remembers which were accepted.

    mailer.py OUTPUT ADDRESS PREFIX

One line of JSON per accepted mail goes to OUTPUT: {"id", "accepted"} (seconds of CLOCK_BOOTTIME). Ends with SIGTERM.
"""

import json
import signal
import smtplib
import subprocess
import sys
import time


def main():
    path, address, prefix = sys.argv[1:4]
    over = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(True))
    number = 0
    with open(path, "a", buffering=1) as output:
        while not over:
            number += 1
            name = f"{prefix}-{number}-end"
            try:
                with smtplib.SMTP(address, 25, timeout=1) as s:
                    s.sendmail("a@example.org", ["root@localhost"], f"Subject: {name}\n\nhello\n")
                # After the 250 and not after QUIT: from then on it is the server's.
                output.write(json.dumps({"id": name, "accepted": time.clock_gettime(time.CLOCK_BOOTTIME)}) + "\n")
            except (OSError, smtplib.SMTPException):
                time.sleep(0.05)


class Mailer:
    """The same, beside a test."""

    def __init__(self, internet, path, address, prefix):
        self.path = str(path)
        self.argv = ["nsenter", f"--net=/run/netns/{internet}", sys.executable, __file__, self.path, address, prefix]

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def accepted(self):
        with open(self.path) as f:
            return [json.loads(line) for line in f if line.endswith("\n")]


if __name__ == "__main__":
    main()
