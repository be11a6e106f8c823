# SPDX-License-Identifier: GPL-2.0-or-later
"""The package mirror as tests want it: it relays to the caching proxy outside, and can be down or die on the way."""

import os
import socket
import threading


class Mirror:
    def __init__(self, port, upstream=None):
        self.port = port
        self.upstream = upstream or os.environ["INFRA_TEST_PROXY_SOCKET"]
        self.lock = threading.Lock()
        self.listener = None
        self.connections = set()
        self.left = None

    def start(self):
        self.left = None
        self.listener = socket.create_server(("", self.port), backlog=64)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def stop(self):
        """Nobody listens any more, and what was under way breaks off."""
        with self.lock:
            listener, self.listener = self.listener, None
            connections, self.connections = self.connections, set()
        if listener:
            # Wakes the thread that waits in accept().
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for c in connections:
            try:
                c.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def die_after(self, size):
        """Stops once so many bytes more have been handed out."""
        self.left = size

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.upstream)
            except OSError:
                client.close()
                continue
            with self.lock:
                self.connections |= {client, server}
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source, target, counted):
        try:
            while data := source.recv(1 << 16):
                if counted and self.left is not None:
                    self.left -= len(data)
                    if self.left < 0:
                        self.stop()
                        break
                target.sendall(data)
        except OSError:
            pass
        for s in (source, target):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if counted:
            with self.lock:
                self.connections -= {source, target}
            source.close()
            target.close()
