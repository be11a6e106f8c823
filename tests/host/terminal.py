# SPDX-License-Identifier: GPL-2.0-or-later
"""A program on a terminal of its own, for what asks a person."""

import os
import pty
import select
import time


class Terminal:
    def __init__(self, argv, env=None):
        self.text = ""
        self.code = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(str(argv[0]), [str(a) for a in argv], dict(env or os.environ, TERM="dumb"))

    def wait_for(self, text, limit=30):
        """Until the text has been shown; everything shown so far."""
        end = time.monotonic() + limit
        while text not in self.text:
            if time.monotonic() > end:
                raise AssertionError(f"{text!r} is not shown; shown was:\n{self.text}")
            if not self._read(0.2):
                raise AssertionError(f"ended before {text!r} was shown; shown was:\n{self.text}")
        return self.text

    def send(self, text):
        os.write(self.fd, text.encode())

    def wait(self, limit=60):
        """The exit code."""
        end = time.monotonic() + limit
        while self._read(0.2):
            if time.monotonic() > end:
                os.kill(self.pid, 9)
                raise AssertionError(f"no end; shown was:\n{self.text}")
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def _read(self, limit):
        if not select.select([self.fd], [], [], limit)[0]:
            return True
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            data = b""
        self.text += data.decode(errors="replace")
        return bool(data)
