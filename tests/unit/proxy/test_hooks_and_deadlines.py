"""Deadlines where middlewares hold, read or change what comes: only who is waited for can be late."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar

import pytest

from headgate import spec
from headgate.middleware import Exchange, Middleware, Piece
from unit.proxy.stage import GET, OK, Stage, post
from unit.proxy.test_hooks import opened, serve

SHORT = 0.4  # seconds of the timeout under test
STEPS = 11  # pieces a tenth of a second apart: longer than the timeout by more than two sweeps
STREAM = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % STEPS


class Copies(Middleware):
    def on_body(self, exchange: Exchange, piece: Piece) -> bytes:
        return bytes(piece.data)


class ReadsResponse(Middleware):
    async def on_response(self, exchange: Exchange) -> None:
        assert exchange.response is not None
        await exchange.response.body()


class Ponders(Middleware):
    async def on_response(self, exchange: Exchange) -> None:
        await asyncio.sleep(STEPS / 10)


class Feeds(Middleware):
    """Sends a body of its own making in place of the one that came, each of its pieces after `seconds`."""

    size: ClassVar[int]
    seconds: ClassVar[float]
    held: ClassVar[asyncio.Event]

    async def on_request(self, exchange: Exchange) -> None:
        await exchange.request.body()
        left = self.size

        async def source() -> bytes:
            nonlocal left
            await asyncio.sleep(self.seconds)
            if not left:
                await self.held.wait()
            piece = bytes(min(left, 100_000))
            left -= len(piece)
            return piece

        exchange.request.send_body(source, left)


@pytest.mark.parametrize(
    ("kind", "limits"),
    [
        (Copies, spec.RouteLimits(response_idle_timeout=SHORT)),
        (ReadsResponse, spec.RouteLimits(response_idle_timeout=SHORT)),
        (ReadsResponse, spec.RouteLimits(first_byte_timeout=SHORT)),
    ],
    ids=["changed", "read", "read behind the first byte"],
)
async def test_a_response_that_comes_by_pieces(
    stage: Stage, kind: type[Middleware], limits: spec.RouteLimits
) -> None:
    await serve(stage, kind, limits=limits)
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(STREAM)
    for _ in range(STEPS):
        await upstream.send(b"x")
        await asyncio.sleep(0.1)
    assert (await client.response()).body == b"x" * STEPS


async def test_a_response_whose_head_is_looked_at(stage: Stage) -> None:
    """The first byte came: who takes long is the middleware."""
    await serve(stage, Ponders, limits=spec.RouteLimits(first_byte_timeout=SHORT))
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(OK[:-2])
    assert await client.silent(STEPS / 10 - 0.1)
    await upstream.send(b"ok")
    assert (await client.response()).body == b"ok"


@pytest.mark.parametrize("kind", [Copies, ReadsResponse])
async def test_a_response_that_stops(stage: Stage, kind: type[Middleware]) -> None:
    """An endpoint that is late is so behind middlewares, too."""
    await serve(stage, kind, limits=spec.RouteLimits(response_idle_timeout=SHORT))
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(STREAM + b"x")
    await upstream.end()
    if kind is Copies:
        assert (await client.end()).endswith(b"\r\n\r\n1\r\nx\r\n")
    else:
        assert (await client.response()).status == 504


# --- Requests that came whole, and are sent from where they waited ---


def feed(size: int, seconds: float, *, ends: bool = True) -> None:
    """What Feeds does in this test."""
    Feeds.size, Feeds.seconds, Feeds.held = size, seconds, asyncio.Event()
    if ends:
        Feeds.held.set()


async def asking(stage: Stage, *, http2: bool) -> Callable[[], Awaitable[int]]:
    """Send a request; what is returned waits for the status of its answer."""
    if http2:
        client = await opened(stage)
        stream = await client.start(method="POST", end=False)
        await client.send_body(stream.stream, b"one")

        async def status() -> int:
            return (await client.answer(stream)).status
    else:
        end = await stage.client()
        await end.send(post("Content-Length: 3", body=b"one"))

        async def status() -> int:
            return (await end.response()).status

    return status


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
async def test_an_endpoint_that_takes_a_body_slowly_and_thinks(stage: Stage, http2: bool) -> None:
    """The client sent all of its own long ago, and is not late with anything."""
    size = 20_000_000
    feed(size, 0)
    await serve(stage, Feeds, limits=spec.RouteLimits(body_idle_timeout=SHORT))
    status = await asking(stage, http2=http2)
    upstream = await stage.backend.accept()
    await upstream.request_head()
    await asyncio.sleep(0.1)
    taken = len(upstream.rest)
    while taken < size:
        upstream.rest = b""
        await upstream.read(lambda rest: rest)
        taken += len(upstream.rest)
    await asyncio.sleep(STEPS / 10)
    await upstream.send(OK)
    assert await status() == 200


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
async def test_a_body_that_comes_slowly_from_elsewhere(stage: Stage, http2: bool) -> None:
    feed(3, SHORT)
    limits = spec.RouteLimits(minimum_rate=1_000_000, minimum_rate_grace=SHORT / 2)
    await serve(stage, Feeds, limits=limits)
    status = await asking(stage, http2=http2)
    upstream = await stage.backend.accept()
    assert (await upstream.request()).body == bytes(3)
    await upstream.send(OK)
    assert await status() == 200


async def test_an_early_refusal_of_a_request_that_came_whole(stage: Stage) -> None:
    """The client has nothing left to send, so that its connection can go on."""
    feed(3, 0, ends=False)
    await serve(stage, Feeds)
    client = await stage.client()
    for _ in range(2):
        await client.send(post("Content-Length: 3", body=b"one"))
        upstream = await stage.backend.accept()
        await upstream.request_head()
        await upstream.send(OK.replace(b"200 OK", b"403 Forbidden"))
        answer = await client.response()
        assert (answer.status, answer.get("connection")) == (403, None)
