"""Deadlines where middlewares hold, read or change what comes: only who is waited for can be late."""

from __future__ import annotations

import asyncio

import pytest

from headgate import spec
from headgate.middleware import Exchange, Middleware, Piece
from unit.proxy.stage import GET, OK, Stage
from unit.proxy.test_hooks import serve

SHORT = 0.5  # seconds of the timeout under test
STEPS = 16  # pieces a tenth of a second apart: longer than the timeout by more than two sweeps
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
