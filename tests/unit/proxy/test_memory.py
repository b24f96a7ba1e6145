"""Memory: what exchanges of all kinds leave behind."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from headgate import spec
from unit.proxy.stage import GET, End, Stage, post

PAGE = os.sysconf("SC_PAGE_SIZE")
# Noise: spare heads, outputs and pipes, the allocator, the test's own ends. One object left behind by each
# of the many exchanges would be more.
FEW, MANY = (40, 1_500_000), (4000, 6_000_000)
CHUNKED = post("Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\nX-A: b\r\n\r\n")
LARGE = 400_000


def resident() -> int:
    """Memory of this process, in bytes."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


class Nowhere:
    """A sink that keeps nothing."""

    def offer(self, _: bytes) -> bool:
        return True


async def serve_one(end: End) -> None:
    """Answer on one connection what the path asks for."""
    while True:
        await end.read(lambda rest: b"\r\n\r\n" in rest)
        if end.ended:
            break
        path = (await end.request()).target
        if path == "/large":
            await end.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE + bytes(LARGE))
        elif path == "/stale":
            break
        elif path == "/broken":
            await end.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            break
        elif path == "/tunnel":
            await end.send(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhi")
            await end.end()
            break
        else:
            await end.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    end.close()


async def serve_all(stage: Stage) -> None:
    serving = set()
    while True:
        sock, _ = await stage.loop.sock_accept(stage.backend.socket)
        task = asyncio.create_task(serve_one(End(sock)))
        serving.add(task)
        task.add_done_callback(serving.discard)


async def plain(client: End) -> None:
    await client.ask(GET)


async def pipelined(client: End) -> None:
    await client.send(GET * 5)
    for _ in range(5):
        await client.response()


async def with_a_body(client: End) -> None:
    await client.ask(CHUNKED)
    await client.ask(post("Content-Length: 5", method="PUT", body=b"hello"))


async def large(client: End) -> None:
    await client.ask(post(method="GET", path="/large"))


async def stale(client: End) -> None:
    assert (await client.ask(post(method="GET", path="/stale"))).status == 502


async def broken(client: End) -> None:
    await client.send(post(method="GET", path="/broken"))
    await client.end()


async def violating(client: End) -> None:
    await client.ask(post("Transfer-Encoding: chunked", body=b"zz\r\n"))
    await client.end()


async def leaving(client: End) -> None:
    await client.send(GET[:-2])
    client.reset()


async def tunnel(client: End) -> None:
    assert (
        await client.ask(post("Connection: Upgrade", "Upgrade: x", method="GET", path="/tunnel"))
    ).status == 101
    await client.send(b"x")
    client.half_close()
    await client.end()


Play = Callable[[End], Awaitable[None]]
PLAYS: tuple[tuple[Play, bool], ...] = (  # and whether the connection lives on
    (plain, True),
    (pipelined, True),
    (with_a_body, True),
    (large, True),
    (stale, True),
    (broken, False),
    (violating, False),
    (leaving, False),
    (tunnel, False),
)


async def rounds(stage: Stage, count: int) -> None:
    client = await stage.client()
    for _ in range(count):
        for play, lives in PLAYS:
            await play(client)
            if not lives:
                client.close()
                stage.clients.remove(client)
                client = await stage.client()
    client.close()
    stage.clients.remove(client)


LONG = pytest.param(*MANY, marks=[pytest.mark.long, pytest.mark.timeout(1200)], id="many")


@pytest.mark.parametrize(("count", "growth"), [pytest.param(*FEW, id="few"), LONG])
async def test_nothing_is_left_behind(stage: Stage, count: int, growth: int) -> None:
    """The same again takes no more memory: not after some hundred exchanges, not after many thousand."""
    await stage.serve(access_log=spec.AccessLog(), limits=spec.RouteLimits(buffer_request=1000))
    stage.runtime.set_sink(Nowhere())
    backend = asyncio.create_task(serve_all(stage))
    try:
        await asyncio.gather(*(rounds(stage, 20) for _ in range(4)))
        before = resident()
        for _ in range(4):
            await asyncio.gather(*(rounds(stage, count // 4) for _ in range(4)))
        assert resident() - before < growth
    finally:
        backend.cancel()
        await asyncio.gather(backend, return_exceptions=True)
