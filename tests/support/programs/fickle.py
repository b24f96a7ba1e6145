"""An endpoint that is told how to disappoint: `python fickle.py PORT SECONDS STATUS SLOW_EVERY SLOW_SECONDS`.

It answers after SECONDS with STATUS; each so many-th request (0: none) after SLOW_SECONDS, with the body
"slow". Answered at once: `/count`, how many requests it got besides; `/turn/SECONDS/STATUS/...`, which tells
it anew.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress


class Endpoint:
    """Counts, waits and answers."""

    def __init__(self) -> None:
        self.count = 0

    def turn(self, seconds: str, status: str, slow_every: str, slow_seconds: str) -> None:
        """How it is from now on."""
        self.seconds, self.status = float(seconds), int(status)
        self.slow_every, self.slow_seconds = int(slow_every), float(slow_seconds)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """All requests of one connection."""
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                status, body = await self.answer(head.split()[1].decode())
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
                await writer.drain()
        writer.close()

    async def answer(self, path: str) -> tuple[int, bytes]:
        """The status and the body, when it is time."""
        if path == "/count":
            return 200, b"%d" % self.count
        if path.startswith("/turn/"):
            self.turn(*path.split("/")[2:])
            return 200, b""
        self.count += 1
        slow = self.slow_every and self.count % self.slow_every == 0
        await asyncio.sleep(self.slow_seconds if slow else self.seconds)
        return self.status, b"slow" if slow else b"fast"


async def main(port: str, *how: str) -> None:
    """Serve until the process is killed."""
    endpoint = Endpoint()
    endpoint.turn(*how)
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", int(port), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
