"""Ports that nobody else takes or dials while a test uses them."""

from __future__ import annotations

import random
import socket

# Below what the kernel gives to outgoing connections and to sockets bound to port 0.
FIRST, LAST = 16000, 32000


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that no other test process is given while
    this one lives: an abstract unix socket named after the port holds it.
    """
    while True:
        port = random.randrange(FIRST, LAST)
        reservation = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            reservation.bind(f"\0headgate-test-port-{port}")
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            reservation.close()
            continue
        reservation.detach()  # held until this process ends
        return port
