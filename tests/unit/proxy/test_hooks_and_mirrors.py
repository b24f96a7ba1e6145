"""Mirrors behind middlewares: a copy is what the endpoint gets, however its body came to be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar, Literal

import pytest

from headgate import spec
from headgate.core.cells import Block, MirrorWord
from headgate.middleware import Exchange, Middleware, Piece
from unit.proxy.stage import GET, MIDDLEWARE, OK, Backend, Stage, post
from unit.proxy.test_hooks import CHUNKED, SendsFromSource, serve

MIRROR, OTHER, OTHER_ENDPOINT = 5, 6, 7  # blocks of metrics
RESULTS = MIDDLEWARE + 3
MOST = 1000
LENGTH = post("Content-Length: 5", body=b"hello")
CHUNKS = post(CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n")


class Pauses(Middleware):
    """Long enough for the body that came with the head to be read."""

    async def on_request(self, exchange: Exchange) -> None:
        await asyncio.sleep(0.02)


class Replaces(Middleware):
    async def on_request(self, exchange: Exchange) -> None:
        await exchange.request.body()
        exchange.request.replace_body(b"replaced")


class Doubles(Middleware):
    bodies: ClassVar[Literal["request", "response", "both"]] = "request"

    def on_body(self, exchange: Exchange, piece: Piece) -> bytes:
        return piece.data * 2


class DoublesLate(Doubles):
    async def on_body(self, exchange: Exchange, piece: Piece) -> bytes:  # type: ignore[override]  # awaited here
        await asyncio.sleep(0)
        return piece.data * 2


@pytest.fixture
async def other(stage: Stage) -> AsyncIterator[Backend]:
    """Who gets the copies."""
    backend = Backend()
    yield backend
    backend.close()


async def serve_mirrored(stage: Stage, other: Backend, *kinds: type[Middleware], **more: Any) -> None:
    """A route that `other` gets copies of."""
    endpoint = spec.Endpoint(name="other", addresses=(other.address,), scheme="http", metric=OTHER_ENDPOINT)
    await serve(
        stage,
        *kinds,
        mirror=spec.Mirror(service="other", body_bytes=MOST, metric=MIRROR, results_metric=RESULTS),
        others=(spec.Service(name="other", endpoints=(endpoint,), metric=OTHER),),
        **more,
    )


async def bodies(stage: Stage, other: Backend, *parts: bytes) -> tuple[bytes, bytes]:
    """What the endpoint and the mirror get of a request."""
    client = await stage.client()
    await client.send(*parts)
    found = []
    for backend in (stage.backend, other):
        end = await backend.accept()
        found.append((await end.request()).body)
        await end.send(OK)
    assert (await client.response()).body == b"ok"
    return found[0], found[1]


@pytest.mark.parametrize("request_", [LENGTH, CHUNKS], ids=["length", "chunked"])
@pytest.mark.parametrize(
    ("kinds", "fault", "expected"),
    [
        ([], None, b"hello"),
        ([], spec.Fault(delay=0.02), b"hello"),
        ([Pauses], None, b"hello"),
        ([Replaces], None, b"replaced"),
        ([SendsFromSource], None, b"hello"),
        ([Doubles], None, b"hellohello"),
        ([DoublesLate], None, b"hellohello"),
        ([Pauses, Doubles], None, b"hellohello"),
        ([SendsFromSource, DoublesLate], None, b"hellohello"),
    ],
    ids=lambda value: "-".join(kind.__name__ for kind in value) if isinstance(value, list) else "",
)
async def test_a_copy_has_the_body_that_is_sent(
    stage: Stage,
    other: Backend,
    request_: bytes,
    kinds: list[type[Middleware]],
    fault: spec.Fault | None,
    expected: bytes,
) -> None:
    await serve_mirrored(stage, other, *kinds, fault=fault)
    assert await bodies(stage, other, request_) == (expected, expected)


async def test_a_body_whose_parts_come_before_and_behind(stage: Stage, other: Backend) -> None:
    await serve_mirrored(stage, other, Pauses)
    parts = (post("Content-Length: 6", body=b"a"), b"b", b"c", b"d", b"e", b"f")
    assert await bodies(stage, other, *parts) == (b"abcdef", b"abcdef")


async def test_a_body_that_is_buffered(stage: Stage, other: Backend) -> None:
    await serve_mirrored(stage, other, Pauses, limits=spec.RouteLimits(buffer_request=4096))
    assert await bodies(stage, other, LENGTH) == (b"hello", b"hello")


async def test_what_is_sent_twice_is_copied_once(stage: Stage, other: Backend) -> None:
    """The endpoint closed the connection while the request was on its way there."""
    await serve_mirrored(stage, other, Pauses)
    client = await stage.client()
    await client.send(GET)
    first, copies = await stage.backend.accept(), await other.accept()
    for end in (first, copies):
        await end.request()
        await end.send(OK)
    await client.response()
    await client.send(post("Content-Length: 5", method="PUT", body=b"hello"))
    assert (await first.request()).body == b"hello"
    first.close()
    again = await stage.backend.accept()
    assert (await again.request()).body == b"hello"
    await again.send(OK)
    assert (await client.response()).body == b"ok"
    assert (await copies.request()).body == b"hello"
    await copies.send(OK)
    assert await copies.silent(0.05)
    assert other.untouched()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_waited_and_is_too_long(stage: Stage, other: Backend, chunked: bool) -> None:
    await serve_mirrored(stage, other, Pauses)
    body = bytes(MOST + 1)
    client = await stage.client()
    if chunked:
        await client.send(post(CHUNKED, body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)))
    else:
        await client.send(post(f"Content-Length: {len(body)}", body=body))
    upstream = await stage.backend.accept()
    assert (await upstream.request()).body == body
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"
    assert other.untouched()
    assert Block(memoryview(stage.memory), RESULTS).read(MirrorWord.MIRROR_TOO_LARGE) == 1
