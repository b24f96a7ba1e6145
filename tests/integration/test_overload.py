"""Overload with real processes: two workers in front of a server that does so many requests at a time."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from support.processes import kill_worker, ready
from support.product import Product, merge, proxying, until

pytestmark = pytest.mark.alone

PLACES = 6
SECONDS = 0.05
OFFERED = 5 * PLACES / SECONDS  # requests a second
HIGH = 10  # one in so many is important
QUEUE_SECONDS = 0.5


class Bottleneck:
    """A server that answers `PLACES` requests at a time, each after `seconds`, and lets others wait. It keeps
    account of how long its places were in use, so that the test needs no fast machine.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self.busy = 0.0  # seconds of places
        self.broken = False
        self.answered = 0
        self.waiting = self.most_waiting = 0
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self.port = 0

    async def _run(self) -> None:
        self._places = asyncio.Semaphore(PLACES)
        self._end = asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._end.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.waiting += 1
                self.most_waiting = max(self.waiting, self.most_waiting)
                async with self._places:
                    self.waiting -= 1
                    begun = time.monotonic()
                    await asyncio.sleep(self.seconds)
                    self.busy += time.monotonic() - begun
                self.answered += 1
                status = b"500 Broken" if self.broken else b"200 OK"
                writer.write(b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nok" % status)
        writer.close()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        self._loop.close()


@dataclass
class Flood:
    """Requests at a steady rate, whatever becomes of them; some are important."""

    port: int
    statuses: dict[str, Counter[int]] = field(
        default_factory=lambda: {"high": Counter(), "normal": Counter()}
    )
    seconds: list[float] = field(default_factory=list)  # of answers 200
    retry_after: set[str] = field(default_factory=set)
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def run(self, seconds: float) -> None:
        """Send for so long, and wait for all answers."""
        begun = time.monotonic()
        sent = 0
        async with asyncio.TaskGroup() as group:
            while (now := time.monotonic()) < begun + seconds:
                while sent < (now - begun) * OFFERED:
                    group.create_task(self._ask("normal" if sent % HIGH else "high"))
                    sent += 1
                await asyncio.sleep(0.002)
        for _, writer in self._idle:
            writer.close()
            await writer.wait_closed()
        self._idle.clear()

    async def _ask(self, importance: str) -> None:
        begun = time.monotonic()
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET / HTTP/1.1\r\nHost: a.example\r\nX-Importance: {importance}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:-2])
        await reader.readexactly(int(fields["content-length"]))
        self._idle.append((reader, writer))
        status = int(head[9:12])
        self.statuses[importance][status] += 1
        if status == 200:
            self.seconds.append(time.monotonic() - begun)
        elif "retry-after" in fields:
            self.retry_after.add(fields["retry-after"])


def overloaded(port: int, concurrency: dict[str, Any]) -> dict[str, Any]:
    return proxying(
        f"127.0.0.1:{port}",
        process={"workers": 2},
        trusted_proxies=["127.0.0.1"],
        overload={"importance_header": "x-importance"},
        services={"backend": {"concurrency": {"queue_timeout": f"{QUEUE_SECONDS}s", **concurrency}}},
    )


@pytest.mark.parametrize(
    "concurrency", [{"limit": PLACES + 3}, {"adaptive": True}], ids=["fixed", "adaptive"]
)
def test_five_times_the_capacity(concurrency: dict[str, Any]) -> None:
    """What the server can do is done all the time, for who is important and without long waits."""
    with Bottleneck() as server, Product(overloaded(server.port, concurrency)) as product:
        asyncio.run(Flood(product.port).run(2.5))  # an adaptive limit finds itself
        memory, busy, begun = product.memory(), server.busy, time.monotonic()
        flood = Flood(product.port)
        asyncio.run(flood.run(4.0))
        used = (server.busy - busy) / (PLACES * (time.monotonic() - begun))
        assert used >= 0.9, used
        normal, high = flood.statuses["normal"], flood.statuses["high"]
        assert set(normal) == {200, 503}
        assert high[200] >= 0.99 * high.total(), high
        slowest = sorted(flood.seconds)[int(len(flood.seconds) * 0.99)]
        assert slowest < QUEUE_SECONDS + 10 * SECONDS, slowest
        assert flood.retry_after == {"1"}
        assert product.memory() < memory + (10 << 20)  # what the garbage collection leaves and takes
        of_it = {"service": "backend", "route": ""}
        until(
            lambda: product.metric("headgate_concurrency_running", **of_it) == 0, "permits to be given back"
        )
        until(lambda: product.metric("headgate_service_waiting") == 0, "nobody to wait")
        assert product.metric("headgate_concurrency_queued_total", **of_it) > 0
        refused = product.metric("headgate_concurrency_refused_total", **of_it)
        assert refused >= normal[503]
        assert product.shows("headgate_service_rejected_total", refused, service="backend")
        assert PLACES <= product.metric("headgate_concurrency_limit", **of_it) <= 4 * PLACES


def test_a_limit_holds_for_all_workers_together() -> None:
    with Bottleneck() as server, Product(overloaded(server.port, {"limit": PLACES})) as product:
        asyncio.run(Flood(product.port).run(1.0))
        assert server.answered >= PLACES
        assert server.most_waiting <= 1  # it is counted as waiting until it has its place


def test_workers_share_a_breaker_and_a_reload_keeps_it() -> None:
    with Bottleneck() as server:
        config = proxying(
            f"127.0.0.1:{server.port}",
            process={"workers": 2},
            services={"backend": {"breaker": {"consecutive": 4, "open_for": "30s", "minimum": 60000}}},
        )
        with Product(config) as product:
            server.broken = True
            flood = Flood(product.port)
            asyncio.run(flood.run(0.5))
            statuses = sum(flood.statuses.values(), Counter[int]())
            assert set(statuses) == {500, 503}
            assert product.metric("headgate_breaker_state", service="backend") == 2
            assert product.metric("headgate_breaker_opened_total", service="backend") == 1
            assert product.shows("headgate_breaker_refused_total", statuses[503], service="backend")
            assert product.log.count("breaker of backend: open for") == 1
            before = server.answered
            reloads = product.metric("headgate_reloads_total")
            product.write(product.config | {"buffering": {"request": "1KiB"}})
            product.signal(signal.SIGHUP)
            until(lambda: product.metric("headgate_reloads_total") > reloads, "the reload")
            asyncio.run(flood.run(0.2))
            assert server.answered == before


def test_a_worker_that_died_holds_no_permit() -> None:
    """Its permits are free again when the next one starts in its slot."""
    with ExitStack() as stack:
        server = stack.enter_context(Bottleneck(seconds=60.0))
        config = merge(overloaded(server.port, {"limit": 3}), {"process": {"workers": 1}})
        product = stack.enter_context(Product(config))

        def running() -> float:
            return product.metric("headgate_concurrency_running", service="backend", route="")

        def ask() -> None:
            client = stack.enter_context(socket.create_connection(("127.0.0.1", product.port)))
            client.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")

        for _ in range(3):
            ask()
        until(lambda: running() == 3, "three to run")
        kill_worker(product, 0)
        ready(product)
        until(lambda: running() == 0, "no permit to be held")
        ask()
        until(lambda: running() == 1, "the next one to run")
        product.first_pids = product.pids()
