"""Retries, their budget and hedges from real processes, between real endpoints that fail."""

from __future__ import annotations

import asyncio
import http.client
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support import Product, free_port, proxying, until
from support.programs import fickle

pytestmark = pytest.mark.alone

PROGRAM = Path(fickle.__file__)
PATIENCE = 60.0


class Fickle:
    """A process of support/programs/fickle.py."""

    def __init__(
        self, *, seconds: float = 0.0, status: int = 200, slow_every: int = 0, slow_seconds: float = 0.0
    ) -> None:
        self.port = free_port()
        values = map(str, (self.port, seconds, status, slow_every, slow_seconds))
        self.process = subprocess.Popen([sys.executable, str(PROGRAM), *values])

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def count(self) -> int:
        """Requests so far."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", "/count")
            return int(connection.getresponse().read())
        finally:
            connection.close()

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            return self.count() >= 0
        except OSError:
            return False

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait()


@contextmanager
def endpoints(count: int, **how: Any) -> Iterator[list[Fickle]]:
    made = [Fickle(**how) for _ in range(count)]
    try:
        for endpoint in made:
            until(endpoint.ready, "an endpoint")
        yield made
    finally:
        for endpoint in made:
            endpoint.kill()


def config(made: list[Fickle], workers: int = 2, **route: Any) -> dict[str, Any]:
    route = {"name": "all", "match": {"path": "/*"}, "service": "backend", **route}
    return proxying(*(one.address for one in made), process={"workers": workers}, routes=[route])


class Clients:
    """Clients that ask one after the other on kept connections, and never retry."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: Counter[tuple[int, bytes]] = Counter()
        self.failures: list[str] = []
        self.left = self.enough = 0
        self.under_way = asyncio.Event()

    async def run(self, count: int, requests: int) -> None:
        """So many clients, and so many requests of all together."""
        self.left = requests
        self.enough = requests // 3
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._visit())

    async def _visit(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while self.left > 0:
                self.left -= 1
                writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
                )
                body = await reader.readexactly(int(length.split(b":")[1]))
                self.answers[int(head.split()[1]), body] += 1
                if self.answers.total() == self.enough:
                    self.under_way.set()
        except (OSError, asyncio.IncompleteReadError) as error:
            self.failures.append(repr(error))
        finally:
            writer.close()


async def test_no_request_fails_when_an_endpoint_is_killed() -> None:
    retry = {"attempts": 3, "on": ["connect", "reset", "502", "503"]}
    with endpoints(3, seconds=0.02) as made, Product(config(made, retry=retry)) as product:
        clients = Clients(product.port)
        load = asyncio.create_task(clients.run(200, 6000))
        await clients.under_way.wait()
        await asyncio.to_thread(made[0].kill)
        await load
        assert clients.failures == []
        assert clients.answers == {(200, b"fast"): 6000}
        assert product.metric("headgate_route_retry_causes_total", route="all") > 0
        assert product.metric("headgate_route_retries_withheld_total", route="all") == 0


async def test_a_retry_storm_cannot_happen() -> None:
    retry = {"attempts": 4, "on": "5xx", "backoff": "off"}
    with endpoints(3, status=503) as made, Product(config(made, retry=retry)) as product:
        clients = Clients(product.port)
        begun = time.monotonic()
        await clients.run(50, 4000)
        seconds = time.monotonic() - begun
        asked = sum(one.count() for one in made)
        assert clients.answers == {(503, b"fast"): 4000}
        # A fifth, ten a second, and what a quiet second saved: 1.25 times as many at 500 requests a second.
        assert 4000 + 400 < asked <= 4000 * 1.2 + 10 * (seconds + 2)
        assert product.metric("headgate_service_retries_withheld_total", service="backend") > 1000
        assert product.metric("headgate_route_retries_withheld_total", reason="budget") > 1000


async def test_hedges_hide_slow_answers() -> None:
    slow = {"seconds": 0.02, "slow_every": 50, "slow_seconds": 1.0}
    with endpoints(3, **slow) as made, Product(config(made, workers=1, hedge="p95")) as product:
        await Clients(product.port).run(10, 400)  # to learn from
        before = sum(one.count() for one in made)
        clients = Clients(product.port)
        await clients.run(10, 2000)
        asked = sum(one.count() for one in made) - before
        assert clients.failures == []
        assert clients.answers[200, b"slow"] < 20  # one in a hundred; one in fifty was slow
        assert 2000 < asked <= 2000 * 1.05 + 10
        won = product.metric("headgate_route_hedge_answers_total", attempt="second")
        assert 0 < won <= product.metric("headgate_route_hedges_total", route="all")
        until(lambda: product.metric("headgate_service_in_flight") == 0, "all to be over")
        until(lambda: product.metric("headgate_endpoint_in_flight") == 0, "all attempts, too")
