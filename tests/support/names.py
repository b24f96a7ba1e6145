"""A name server whose answers the test changes."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path
from typing import Self


class NameServer:
    """Answers every question over UDP with the addresses of the moment; without any, SERVFAIL."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.seconds = 1
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes a product ask here."""
        return {"PYTHONPATH": str(Path(__file__).with_name("nameserver")), "TEST_NAMESERVER": self.address}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def _serve(self) -> None:
        while True:
            query, peer = self._socket.recvfrom(4096)
            if not query:
                return
            end = 12
            while query[end]:
                end += query[end] + 1
            end += 5
            (kind,) = struct.unpack(">H", query[end - 4 : end - 2])
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            found = [address for address in self.addresses if (":" in address) == (kind == 28)]
            flags = 0x8580 if self.addresses else 0x8582
            head = query[:2] + struct.pack(">HHHHH", flags, 1, len(found), 0, 0)
            records = b"".join(
                b"\xc0\x0c"
                + struct.pack(">HHIH", kind, 1, self.seconds, size)
                + socket.inet_pton(family, address)
                for address in found
            )
            self._socket.sendto(head + query[12:end] + records, peer)

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()
