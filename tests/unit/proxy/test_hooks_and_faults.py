"""Bodies that are slowed down on purpose, where middlewares change or read them, or wait."""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar

import pytest

from headgate import spec
from headgate.middleware import Exchange, Middleware, Piece, Reply
from headgate.middleware.spool import Spool
from unit.proxy.stage import GET, Stage
from unit.proxy.test_hooks import ReplacesResponse, Shouts, serve

SIZE = 500
SLOW = spec.Fault(rate=2000)  # bytes a second: such a body takes a quarter of one
BODY = b"a" * SIZE
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (SIZE, BODY)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nX-Sum: 1\r\n\r\n" % (
    SIZE,
    BODY,
)


class ShoutsLate(Middleware):
    async def on_body(self, exchange: Exchange, piece: Piece) -> bytes:
        await asyncio.sleep(0.001)
        return piece.data.upper()


class Waits(Middleware):
    async def on_response(self, exchange: Exchange) -> None:
        await asyncio.sleep(0.001)


class ReadsResponse(Middleware):
    async def on_response(self, exchange: Exchange) -> None:
        assert exchange.response is not None
        await exchange.response.body()


class ReadsAhead(Middleware):
    def on_response(self, exchange: Exchange) -> None:
        assert exchange.response is not None
        exchange.response.read_ahead(Spool(10, 0, None, self.worker.in_thread))


class Refuses(Middleware):
    seconds: ClassVar[float] = 0.06

    async def on_response(self, exchange: Exchange) -> Reply:
        await asyncio.sleep(self.seconds)
        return Reply(403, "no")


async def answered(stage: Stage, *kinds: type[Middleware], answer: bytes = LENGTH) -> tuple[bytes, float]:
    """The body that a client gets, and the seconds that it took."""
    await serve(stage, *kinds, fault=SLOW)
    client = await stage.client()
    await client.send(GET.replace(b"\r\n\r\n", b"\r\nTE: trailers\r\n\r\n"))
    upstream = await stage.backend.accept()
    await upstream.request()
    begun = time.monotonic()
    await upstream.send(answer)
    got = await client.response()
    if answer is CHUNKED:
        assert [(name.lower(), value) for name, value in got.trailers] == [("x-sum", "1")]
    return got.body, time.monotonic() - begun


@pytest.mark.parametrize("answer", [LENGTH, CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize(
    ("kinds", "shouts"),
    [
        ([], False),
        ([Shouts], True),
        ([ShoutsLate], True),
        ([ShoutsLate, Waits], True),
        ([Waits], False),
        ([ReadsResponse], False),
        ([ReadsAhead], False),
        ([ReadsAhead, ShoutsLate], True),
    ],
    ids=lambda value: "-".join(kind.__name__ for kind in value) if isinstance(value, list) else "",
)
async def test_a_body_is_slow(
    stage: Stage, kinds: list[type[Middleware]], shouts: bool, answer: bytes
) -> None:
    body, seconds = await answered(stage, *kinds, answer=answer)
    assert body == (BODY.upper() if shouts else BODY)
    assert seconds > 0.15


@pytest.mark.parametrize(("kind", "expected"), [(ReplacesResponse, b"replaced"), (Refuses, b"no")])
async def test_another_body_in_its_place(stage: Stage, kind: type[Middleware], expected: bytes) -> None:
    """Nothing of the one that was slow comes behind it."""
    body, _ = await answered(stage, kind)
    assert body == expected
    assert await stage.clients[0].silent(0.1)


async def test_a_long_body_is_not_read_ahead(stage: Stage) -> None:
    """While some of it waits for its time, nothing more is read."""
    await serve(stage, ShoutsLate, fault=spec.Fault(rate=100_000))
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\n")
    sent = await upstream.flood(40_000_000)
    await asyncio.sleep(0.2)
    sent += await upstream.flood(40_000_000 - sent)
    assert sent < 40_000_000
