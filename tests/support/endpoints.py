"""Endpoints that are processes of their own and can be killed, and clients that see how a service does."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from support.ports import free_port
from support.product import until
from support.programs import fickle

PROGRAM = Path(fickle.__file__)
PATIENCE = 60.0


class Fickle:
    """A process of support/programs/fickle.py."""

    def __init__(
        self, *, seconds: float = 0.0, status: int = 200, slow_every: int = 0, slow_seconds: float = 0.0
    ) -> None:
        self.port = free_port()
        self._how = [*map(str, (seconds, status, slow_every, slow_seconds))]
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, once more if it was killed."""
        self._process = subprocess.Popen([sys.executable, str(PROGRAM), str(self.port), *self._how])

    def turn(
        self, *, seconds: float = 0.0, status: int = 200, slow_every: int = 0, slow_seconds: float = 0.0
    ) -> None:
        """Be like that from now on."""
        self._ask(f"/turn/{seconds}/{status}/{slow_every}/{slow_seconds}")

    def count(self) -> int:
        """Requests so far."""
        return int(self._ask("/count"))

    def _ask(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def wait(self) -> None:
        """Return when it answers."""

        def ready() -> bool:
            with contextlib.suppress(OSError):
                return self.count() >= 0
            return False

        until(ready, "an endpoint")

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait()


@contextmanager
def endpoints(count: int, **how: Any) -> Iterator[list[Fickle]]:
    """So many of them, which answer."""
    made = [Fickle(**how) for _ in range(count)]
    try:
        for endpoint in made:
            endpoint.wait()
        yield made
    finally:
        for endpoint in made:
            endpoint.kill()


class Clients:
    """Clients that ask one after the other on kept connections, and never retry."""

    def __init__(self, port: int) -> None:
        self.answers: Counter[tuple[int, bytes]] = Counter()
        self.failures: list[str] = []
        self._port = port
        self._left = 0
        self._times: list[tuple[float, float]] = []  # when a request began, and the seconds that it took

    async def run(self, count: int, requests: int) -> None:
        """So many clients, and so many requests of all together."""
        self._left = requests
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._visit())

    @asynccontextmanager
    async def asking(self, count: int) -> AsyncIterator[None]:
        """So many clients, until the block ends."""
        load = asyncio.create_task(self.run(count, sys.maxsize))
        try:
            yield
        finally:
            self._left = 0
            await load

    async def go_on(self, requests: int) -> None:
        """Return when so many more requests are answered."""
        goal = len(self._times) + requests
        async with asyncio.timeout(PATIENCE):
            while len(self._times) < goal:
                assert not self.failures
                await asyncio.sleep(0.005)

    def percentile(self, share: float, since: float = 0.0) -> float:
        """The seconds that so large a share of the requests that began after `since` did not exceed."""
        times = sorted(seconds for begun, seconds in self._times if begun >= since)
        return times[int(share * len(times))]

    async def _visit(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while self._left > 0:
                self._left -= 1
                begun = time.monotonic()
                self.answers[await self._exchange(reader, writer)] += 1
                self._times.append((begun, time.monotonic() - begun))
        except (OSError, asyncio.IncompleteReadError) as error:
            self.failures.append(repr(error))
        finally:
            writer.close()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[int, bytes]:
        writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
        return int(head.split()[1]), await reader.readexactly(length)
