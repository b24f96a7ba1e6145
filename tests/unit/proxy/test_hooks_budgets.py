"""Middlewares beyond their budget, without which exchanges go on: whole, or not at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import ClassVar, Literal

import pytest

from headgate import spec
from headgate.middleware import Exchange, Middleware, Piece, StateKey
from support import Message
from unit.proxy.stage import GET, MIDDLEWARE, OK, End, Stage, post, until

CHUNKED = "Transfer-Encoding: chunked"
ONE, TWO, LAST = b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"
PREPARED = StateKey[bool]("prepared")


class Codes(Middleware):
    """Says in the head what it does to the body, as compress does; /burn takes more than its budget."""

    def on_response(self, exchange: Exchange) -> None:
        assert exchange.response is not None
        exchange.response.headers["X-Coded"] = "yes"
        exchange.state[PREPARED] = True

    def on_body(self, exchange: Exchange, piece: Piece) -> bytes:
        end = time.thread_time() + 0.1
        while exchange.request.path == "/burn" and time.thread_time() < end:
            pass
        assert exchange.state[PREPARED]
        return piece.data.upper()


class TakesPieces(Middleware):
    """Keeps what came, and sends it when it has all."""

    async def on_request(self, exchange: Exchange) -> None:
        body = b""
        while piece := await exchange.request.piece():
            body += piece
        exchange.request.replace_body(body)


class LosesPieces(Middleware):
    async def on_request(self, exchange: Exchange) -> None:
        await exchange.request.piece()


class LosesPiecesAtOnce(Middleware):
    """Does not even wait for what is there."""

    def on_request(self, exchange: Exchange) -> None:
        exchange.request.piece()


class ReadsRequest(Middleware):
    async def on_request(self, exchange: Exchange) -> None:
        await exchange.request.body()


class ReadsToo(ReadsRequest):
    """Another of these."""


class ReadsTwice(Middleware):
    """Gives up, and begins again."""

    tried: ClassVar[int] = 0

    async def on_request(self, exchange: Exchange) -> None:
        try:
            await asyncio.wait_for(exchange.request.body(), 0.01)
        except TimeoutError:
            ReadsTwice.tried += 1
        await exchange.request.body()


class Waits(Middleware):
    """Holds the request until a test lets it go."""

    event: ClassVar[asyncio.Event]
    entered: ClassVar[int]

    async def on_request(self, exchange: Exchange) -> None:
        Waits.entered += 1
        await self.event.wait()


class NeverEnds(Middleware):
    bodies: ClassVar[Literal["request", "response", "both"]] = "response"

    def on_body(self, exchange: Exchange, piece: Piece) -> Awaitable[bytes | None]:
        return asyncio.get_running_loop().create_future()


class Looks(NeverEnds):
    changes_length = False


@pytest.fixture(autouse=True)
async def fresh() -> None:
    """Nothing of another test."""
    Waits.event = asyncio.Event()
    Waits.entered = ReadsTwice.tried = 0


async def serve(
    stage: Stage, *kinds: type[Middleware], budget: spec.Budget | None = None, buffer: int = 0
) -> None:
    """A route with these middlewares, the first of which has a budget."""
    first = budget or spec.Budget(wait=0.05, bypass=True)
    middlewares = tuple(
        spec.Middleware(
            name=kind.__name__,
            type=f"{__name__}:{kind.__name__}",
            metric=MIDDLEWARE + number,
            budget=spec.Budget() if number else first,
        )
        for number, kind in enumerate(kinds)
    )
    action = {
        "services": (spec.ServiceShare(service="backend"),),
        "middlewares": tuple(kind.__name__ for kind in kinds),
    }
    await stage.serve(route=action, middlewares=middlewares, limits=spec.RouteLimits(buffer_request=buffer))


# --- Processor time ---


async def begun(stage: Stage, path: str = "/") -> tuple[End, End]:
    """An exchange whose request is at the endpoint."""
    client = await stage.client()
    await client.send(GET.replace(b" / ", f" {path} ".encode()))
    upstream = await stage.backend.accept()
    await upstream.request()
    return client, upstream


async def answered(client: End, upstream: End) -> Message:
    """Its answer; both sides are closed then."""
    await upstream.send(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    answer = await client.response()
    client.close()
    upstream.close()
    return answer


def is_whole(answer: Message) -> bool:
    """Whether the body is what the head says."""
    return answer.body == (b"OK" if answer.get("x-coded") else b"ok")


async def test_out_when_the_request_came(stage: Stage) -> None:
    """And back when the response comes: it would say in the head what it does not do to the body."""
    await serve(stage, Codes, budget=spec.Budget(cpu=0.05, bypass=True))
    await answered(*await begun(stage, "/burn"))
    early = await begun(stage)
    limit = time.monotonic() + 5
    while not (await answered(*await begun(stage))).get("x-coded"):
        assert time.monotonic() < limit, "it does not come back"
        await asyncio.sleep(0.05)
    assert is_whole(await answered(*early))


async def test_out_when_the_response_comes(stage: Stage) -> None:
    """Its on_body is not prepared for a response that its on_response did not see."""
    await serve(stage, Codes, budget=spec.Budget(cpu=0.05, bypass=True))
    early = await begun(stage)
    await answered(*await begun(stage, "/burn"))
    assert is_whole(await answered(*early))


# --- Waiting ---


async def test_what_was_taken_is_not_left_out(stage: Stage) -> None:
    """Without the middleware the endpoint would get what is left of the body as all of it."""
    await serve(stage, TakesPieces)
    client = await stage.client()
    await client.send(post(CHUNKED, body=ONE))
    assert (await client.response()).status == 504
    assert stage.backend.untouched()


@pytest.mark.parametrize("kind", [LosesPieces, LosesPiecesAtOnce])
async def test_what_was_taken_is_sent_by_nobody(stage: Stage, kind: type[Middleware]) -> None:
    await serve(stage, Waits, kind, budget=spec.Budget())
    client = await stage.client()
    await client.send(post(CHUNKED, body=ONE))
    await until(lambda: Waits.entered, "on_request")
    await asyncio.sleep(0.02)
    Waits.event.set()
    assert (await client.response()).status == 500
    assert stage.backend.untouched()


async def test_who_waited_for_a_piece_gets_none_later(stage: Stage) -> None:
    await serve(stage, TakesPieces, Waits)
    client = await stage.client()
    await client.send(post("Content-Length: 6"))
    await until(lambda: Waits.entered, "the next to wait")
    await client.send(b"one", b"two")
    await asyncio.sleep(0.02)
    Waits.event.set()
    upstream = await stage.backend.accept()
    assert (await upstream.request()).body == b"onetwo"
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_the_next_reads_the_body(stage: Stage) -> None:
    await serve(stage, ReadsRequest, Waits, ReadsToo)
    client = await stage.client()
    await client.send(post("Content-Length: 6", body=b"one"))
    await until(lambda: Waits.entered, "the next")
    Waits.event.set()
    await client.send(b"two")
    upstream = await stage.backend.accept()
    assert (await upstream.request()).body == b"onetwo"
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_who_gave_up_reads_again(stage: Stage) -> None:
    await serve(stage, ReadsTwice, budget=spec.Budget())
    client = await stage.client()
    await client.send(post("Content-Length: 6", body=b"one"))
    await until(lambda: ReadsTwice.tried, "the first")
    await client.send(b"two")
    upstream = await stage.backend.accept()
    assert (await upstream.request()).body == b"onetwo"
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_nobody_reads_what_a_route_buffers(stage: Stage) -> None:
    """Who was left out does not keep on reading: the limit of the buffer counts."""
    await serve(stage, ReadsRequest, Waits, buffer=4)
    client = await stage.client()
    await client.send(post(CHUNKED))
    await until(lambda: Waits.entered, "the next")
    Waits.event.set()
    await client.send(ONE, TWO)
    upstream = await stage.backend.accept()
    await client.send(LAST)
    assert (await upstream.request()).body == b"onetwo"
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_a_body_is_not_mixed(stage: Stage) -> None:
    """A piece as it was may be none of what comes before and behind it."""
    await serve(stage, NeverEnds)
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(OK)
    assert not (await client.end()).endswith((b"ok", b"\r\n0\r\n\r\n"))


async def test_a_body_that_is_only_looked_at(stage: Stage) -> None:
    await serve(stage, Looks)
    client = await stage.client()
    await client.send(GET)
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"
