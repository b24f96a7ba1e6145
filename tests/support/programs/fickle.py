"""An endpoint that is told how to disappoint: `python fickle.py PORT SECONDS STATUS SLOW_EVERY SLOW_SECONDS`.

It answers after SECONDS with STATUS; each so many-th request (0: none) after SLOW_SECONDS, with the body
"slow".
`/count`, which it answers at once, says how many requests it got besides.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress


class Endpoint:
    """Counts, waits and answers."""

    def __init__(self, seconds: float, status: int, slow_every: int, slow_seconds: float) -> None:
        self.seconds, self.status = seconds, status
        self.slow_every, self.slow_seconds = slow_every, slow_seconds
        self.count = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """All requests of one connection."""
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                counting = head.startswith(b"GET /count ")
                status, body = (200, b"%d" % self.count) if counting else await self.answer()
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
                await writer.drain()
        writer.close()

    async def answer(self) -> tuple[int, bytes]:
        """The status and the body, when it is time."""
        self.count += 1
        slow = self.slow_every and self.count % self.slow_every == 0
        await asyncio.sleep(self.slow_seconds if slow else self.seconds)
        return self.status, b"slow" if slow else b"fast"


async def main(port: str, seconds: str, status: str, slow_every: str, slow_seconds: str) -> None:
    """Serve until the process is killed."""
    endpoint = Endpoint(float(seconds), int(status), int(slow_every), float(slow_seconds))
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", int(port), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
