"""What is said of bodies that middlewares change: to HEAD, too, and where nothing may follow."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from headgate.middleware import Exchange, Middleware, Piece, Reply
from headgate.middleware.builtin.compress import Compress
from headgate.middleware.builtin.decompress import Decompress
from unit.proxy.http2_end import Http2End
from unit.proxy.stage import GET, Stage, post
from unit.proxy.test_hooks import LONG, ReplacesResponse, Shouts, opened, serve

GZIP = "Accept-Encoding: gzip"
GZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99\r\n\r\n"


class KeepsLength(Middleware):
    changes_length = False

    def on_body(self, exchange: Exchange, piece: Piece) -> bytes:
        return piece.data.swapcase()


class Ignores(Shouts):
    def on_response(self, exchange: Exchange) -> None:
        exchange.ignore_body()


class Signs(Middleware):
    """Has more to say at the end."""

    async def on_response(self, exchange: Exchange) -> None:
        """To have the response wait."""

    def on_body(self, exchange: Exchange, piece: Piece) -> bytes:
        return piece.data + b"signed" if piece.last else piece.data


class Decompresses(Decompress):
    """Responses, too."""

    @dataclass(frozen=True, slots=True)
    class Options(Decompress.Options):
        responses: bool = True


class Answers(Middleware):
    def on_request(self, exchange: Exchange) -> Reply:
        return Reply(200, "0123456789")


def head(*lines: str) -> bytes:
    return post(*lines, method="HEAD")


async def lengths(stage: Stage, request: bytes, answer: bytes | None = LONG) -> list[str]:
    """The Content-Length of what has no body, answered twice, by the endpoint if it has an `answer`."""
    client = await stage.client()
    upstream = None
    for _ in range(2):
        await client.send(request)
        if answer is not None:
            upstream = upstream or await stage.backend.accept()
            await upstream.request()
            await upstream.send(answer)
        got = await client.response(to="HEAD")
        assert await client.silent(0.02)
    return got.all("content-length")


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([], ["10"]),
        ([KeepsLength], ["10"]),
        ([Ignores], ["10"]),
        ([Shouts], []),
        ([Signs], []),
        ([KeepsLength, Shouts], []),
        ([ReplacesResponse], ["8"]),
        ([Shouts, ReplacesResponse], []),
    ],
    ids=lambda value: "-".join(str(getattr(item, "__name__", item)) for item in value),
)
async def test_the_length_that_head_is_told(
    stage: Stage, kinds: list[type[Middleware]], expected: list[str]
) -> None:
    """None that GET would not be told (RFC 9110 section 8.6)."""
    await serve(stage, *kinds)
    assert await lengths(stage, head()) == expected


@pytest.mark.parametrize(("kind", "expected"), [(KeepsLength, ["10"]), (Shouts, [])])
async def test_the_length_behind_304(stage: Stage, kind: type[Middleware], expected: list[str]) -> None:
    await serve(stage, kind)
    assert await lengths(stage, GET, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n") == expected


@pytest.mark.parametrize(("kind", "expected"), [(KeepsLength, ["10"]), (Shouts, [])])
async def test_the_length_of_an_own_answer(stage: Stage, kind: type[Middleware], expected: list[str]) -> None:
    await serve(stage, kind, Answers)
    assert await lengths(stage, head(), None) == expected


@pytest.mark.parametrize("kind", [KeepsLength, Shouts])
async def test_an_own_answer_to_head_over_http2(stage: Stage, kind: type[Middleware]) -> None:
    await serve(stage, kind, Answers)
    client = await opened(stage)
    asked = await client.start(method="HEAD")
    await client.answer(asked)
    assert asked.status == 200
    assert ("content-length" in dict(asked.fields)) is (kind is KeepsLength)
    assert asked.ended
    assert not asked.body


async def test_nothing_goes_behind_a_head(stage: Stage) -> None:
    """An endpoint of HTTP/2 may end its answer to HEAD in a frame of its own."""
    await serve(stage, Signs, scheme="h2c")
    client = await stage.client()
    await client.send(head())
    upstream = Http2End((await stage.backend.accept()).socket, server=True)
    await upstream.begin()
    asked = await upstream.request()
    upstream.h2.send_headers(asked.stream, [(":status", "200")])
    await upstream.flush()
    await upstream.send_body(asked.stream, b"")
    assert (await client.response(to="HEAD")).status == 200
    assert await client.silent(0.05)


def css(length: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: %d\r\n\r\n" % length


@pytest.mark.parametrize(
    ("kind", "answer", "lines", "expected"),
    [
        (Compress, css(9999), [GZIP], []),
        (Compress, css(9999), [], ["9999"]),
        (Compress, css(99), [GZIP], ["99"]),
        (Compress, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9999\r\n\r\n", [GZIP], []),
        (Decompresses, GZIPPED, ["Accept-Encoding: br"], []),
        (Decompresses, GZIPPED, [GZIP], ["99"]),
        (Decompresses, LONG, [], ["10"]),
    ],
)
async def test_codings_and_head(
    stage: Stage,
    kind: type[Middleware],
    answer: bytes,
    lines: list[str],
    expected: list[str],
) -> None:
    """A length stays where GET's answer would stay as it is."""
    await serve(stage, kind)
    assert await lengths(stage, head(*lines), answer) == expected


async def test_an_own_answer_to_head_is_not_compressed(stage: Stage) -> None:
    await serve(stage, Compress, Answers)
    client = await stage.client()
    await client.send(head(GZIP))
    answer = await client.response(to="HEAD")
    assert (answer.get("content-encoding"), answer.get("content-length")) == (None, None)
    assert answer.get("vary") == "Accept-Encoding"


async def test_an_empty_body_that_is_replaced(stage: Stage) -> None:
    """Who saw that there was none is not asked about the one that came in its place."""
    await serve(stage, ReplacesResponse, Compress)
    client = await stage.client()
    await client.send(post(GZIP, "Accept-Encoding: identity;q=0", method="GET"))
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert (await client.response()).body == b"replaced"
