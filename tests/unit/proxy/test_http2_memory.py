"""Memory: what many exchanges over HTTP/2 leave behind, of all kinds and on both sides."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from contextlib import suppress
from typing import Literal

import pytest

from headgate import spec
from unit.proxy.http2_end import Http2End, Streamed
from unit.proxy.stage import Stage
from unit.proxy.test_memory import resident, serve_all

# One object left behind by each exchange would be more, but for the noise of few.
FEW, MANY = (5, 15_000_000), (700, 10_000_000)
LARGE = 100_000


async def answer_all(end: Http2End) -> None:
    """Answer on one connection what each path asks for."""
    while True:
        await end.until(lambda: end.asked, 60.0)
        asked = end.streams.pop(end.asked.pop(0))
        end.streams[asked.stream] = asked
        path = asked.get(":path")
        if path == "/broken":
            await end.respond(asked, body=b"half", end=False)
            await end.reset_stream(asked.stream, 2)
        elif path == "/stale":
            await end.reset_stream(asked.stream, 7)
        elif path == "/large":
            await end.respond(asked, body=bytes(LARGE))
        else:
            await end.respond(asked, body=b"ok", trailers=[("x", "y")])
        for number in [number for number, stream in end.streams.items() if stream.over]:
            del end.streams[number]


async def serve_one(end: Http2End) -> None:
    await end.begin()
    with suppress(AssertionError):  # the end of the connection
        await answer_all(end)
    end.close()


async def serve_http2(stage: Stage) -> None:
    async with asyncio.TaskGroup() as serving:
        while True:
            sock, _ = await stage.loop.sock_accept(stage.backend.socket)
            serving.create_task(serve_one(Http2End(sock, server=True)))


async def wave(stage: Stage) -> None:
    """A connection with a hundred streams that end in all ways; some do not end before it does."""
    end = Http2End((await stage.client()).socket)
    await end.begin()
    asked: list[Streamed] = []
    for number in range(20):
        asked += [
            await end.start(path="/"),
            await end.start(path="/broken"),
            await end.start(path="/stale"),
            await end.start("POST", "/", end=False),
        ]
        await end.send_body(asked[-1].stream, b"hello")
        left = await end.start(path="/large")
        if number % 2:
            await end.reset_stream(left.stream)
        else:
            asked.append(left)
    await end.until(lambda: all(stream.over for stream in asked), 30.0)
    await end.start("POST", "/", end=False)
    await end.flush()
    end.close()
    stage.clients.pop()


def alive() -> dict[str, int]:
    """Exchanges and streams that exist."""
    gc.collect()
    found = Counter(type(thing).__name__ for thing in gc.get_objects())
    return {name: found[name] for name in ("Exchange", "DownstreamStream", "UpstreamStream") if found[name]}


LONG = pytest.param(*MANY, marks=[pytest.mark.long, pytest.mark.timeout(1200)], id="many")


@pytest.mark.parametrize("scheme", ["http", "h2c"])
@pytest.mark.parametrize(("count", "growth"), [pytest.param(*FEW, id="few"), LONG])
async def test_nothing_is_left_behind(
    stage: Stage, scheme: Literal["http", "h2c"], count: int, growth: int
) -> None:
    """The same again takes no more memory."""
    serve = serve_all if scheme == "http" else serve_http2
    await stage.serve(scheme=scheme, access_log=spec.AccessLog())
    backend = asyncio.create_task(serve(stage))
    try:
        for _ in range(5):
            await wave(stage)
        stage.records.text = b""
        before = resident()
        for _ in range(count):
            await wave(stage)
            stage.records.text = b""
        await stage.quiet()
        assert not alive()
        assert resident() - before < growth
    finally:
        backend.cancel()
        await asyncio.gather(backend, return_exceptions=True)
