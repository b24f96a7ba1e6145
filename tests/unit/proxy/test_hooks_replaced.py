"""Answers, errors and bodies in place of others, and what the other middlewares see of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from headgate import spec
from headgate.middleware import Exchange, Middleware, Piece, Reply
from headgate.middleware.spool import Spool
from unit.proxy.stage import GET, MIDDLEWARE, OK, End, Stage, post, until

LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


class Marks(Middleware):
    def on_response(self, exchange: Exchange) -> None:
        assert exchange.response is not None
        exchange.response.headers["X-Mark"] = str(exchange.response.status)


class Shouts(Middleware):
    def on_body(self, exchange: Exchange, piece: Piece) -> bytes:
        return piece.data.upper()


class Wraps(Middleware):
    """What it makes of a body is no text any more."""

    def on_body(self, exchange: Exchange, piece: Piece) -> bytes:
        return b"[" + piece.data + b"]"


class Refuses(Middleware):
    def on_response(self, exchange: Exchange) -> Reply:
        return Reply(403, "not for you")


class RefusesLate(Middleware):
    async def on_response(self, exchange: Exchange) -> Reply:
        await asyncio.sleep(0)
        return Reply(403, "not for you")


class Raises(Middleware):
    def on_response(self, exchange: Exchange) -> None:
        raise RuntimeError("no response is good enough")


class NamesNumbers(Middleware):
    """Answers with a field that is no text."""

    def on_request(self, exchange: Exchange) -> Reply:
        return Reply(429, "slow down", {"Retry-After": 30})  # type: ignore[arg-type]  # that is the mistake


class _Spoils(Middleware):
    what: ClassVar[str]

    def spoilt(self) -> Reply:
        """An answer that nobody can send."""
        reply: Any = Reply(429, "slow down")
        if self.what == "body":
            reply.body = None
        elif self.what == "status":
            reply.status = None
        else:
            reply.fields.append(("Retry-After", 30 if self.what == "number" else None))
        return reply  # type: ignore[no-any-return]  # it was one


class SpoilsRequests(_Spoils):
    def on_request(self, exchange: Exchange) -> Reply:
        return self.spoilt()


class SpoilsResponses(_Spoils):
    def on_response(self, exchange: Exchange) -> Reply:
        return self.spoilt()


class ReadsResponse(Middleware):
    read: ClassVar[list[bytes]] = []

    async def on_response(self, exchange: Exchange) -> None:
        assert exchange.response is not None
        self.read.append(await exchange.response.body())


class ReplacesResponse(Middleware):
    async def on_response(self, exchange: Exchange) -> None:
        assert exchange.response is not None
        await exchange.response.body()
        exchange.response.replace_body(b"replaced")


class ReadsLittle(Middleware):
    async def on_response(self, exchange: Exchange) -> None:
        assert exchange.response is not None
        await exchange.response.body(limit=4)


class SlowResponse(Middleware):
    event: ClassVar[asyncio.Event]
    entered: ClassVar[int]

    async def on_response(self, exchange: Exchange) -> None:
        SlowResponse.entered += 1
        await self.event.wait()


class StubbornResponse(SlowResponse):
    """Does not let itself be cancelled."""

    async def on_response(self, exchange: Exchange) -> None:
        try:
            await super().on_response(exchange)
        except asyncio.CancelledError:
            await asyncio.sleep(0.02)


class SendsNothing(Middleware):
    """Its source has no bytes, and says so the wrong way."""

    async def on_request(self, exchange: Exchange) -> None:
        await exchange.request.body()

        async def source() -> None:
            return None

        exchange.request.send_body(source, 3)  # type: ignore[arg-type]  # that is the mistake


class HollowSpool(Spool):
    """Forgets what it got."""

    async def get(self) -> bytes:
        await super().get()
        return None  # type: ignore[return-value]  # that is the mistake


class ReadsAhead(Middleware):
    def on_response(self, exchange: Exchange) -> None:
        assert exchange.response is not None
        exchange.response.read_ahead(HollowSpool(1 << 20, 0, None, self.worker.in_thread))


class LateDone(Middleware):
    """Keeps exchanges after their end."""

    event: ClassVar[asyncio.Event]
    entered: ClassVar[int]
    closed: ClassVar[int]

    async def on_done(self, exchange: Exchange) -> None:
        LateDone.entered += 1
        await self.event.wait()

    async def close(self) -> None:
        LateDone.closed += 1


class Unused(Middleware):
    """In no chain."""

    closed: ClassVar[int] = 0

    async def close(self) -> None:
        Unused.closed += 1


@pytest.fixture(autouse=True)
async def fresh() -> None:
    """Nothing of another test."""
    SlowResponse.event, LateDone.event = asyncio.Event(), asyncio.Event()
    SlowResponse.entered = LateDone.entered = LateDone.closed = Unused.closed = 0
    ReadsResponse.read.clear()


PAGES = spec.Middleware(
    name="pages",
    type="error_pages",
    options={"pages": [{"statuses": ["4xx"], "html": "a page of ours"}], "of": "endpoints"},
    counters=(("pages", "Pages."),),
)
DECOMPRESS = spec.Middleware(
    name="decompress",
    type="decompress",
    options={"responses": True},
    counters=(("responses_decompressed", "Responses."), ("bombs", "Bombs.")),
)


async def serve(
    stage: Stage,
    *kinds: type[Middleware] | spec.Middleware,
    unused: tuple[type[Middleware], ...] = (),
    wait: float = 0.0,
    **limits: float,
) -> None:
    """A route with these middlewares, and others that are `unused`; each may wait for so many seconds."""
    middlewares = tuple(_spec(kind, number, wait) for number, kind in enumerate((*kinds, *unused)))
    action = {
        "services": (spec.ServiceShare(service="backend"),),
        "middlewares": tuple(middleware.name for middleware in middlewares[: len(kinds)]),
    }
    await stage.serve(
        route=action,
        middlewares=middlewares,
        limits=spec.RouteLimits(**limits),  # type: ignore[arg-type]  # those that are seconds
    )


def _spec(kind: type[Middleware] | spec.Middleware, number: int, wait: float) -> spec.Middleware:
    metric = MIDDLEWARE + number
    if isinstance(kind, spec.Middleware):
        return spec.Middleware(
            name=kind.name, type=kind.type, options=kind.options, counters=kind.counters, metric=metric
        )
    return spec.Middleware(
        name=kind.__name__,
        type=f"{__name__}:{kind.__name__}",
        metric=metric,
        budget=spec.Budget(wait=wait),
    )


async def answering(stage: Stage, client: End, request: bytes = GET) -> End:
    """An upstream that got a request."""
    await client.send(request)
    upstream = await stage.backend.accept()
    await upstream.request()
    return upstream


# --- Other answers ---


@pytest.mark.parametrize("kind", [Refuses, RefusesLate])
async def test_who_saw_another_response_sees_nothing_of_the_new(stage: Stage, kind: type[Middleware]) -> None:
    """What an inner middleware prepared was for the endpoint's body."""
    await serve(stage, Shouts, kind, Wraps)
    client = await stage.client()
    upstream = await answering(stage, client)
    await upstream.send(OK)
    answer = await client.response()
    assert (answer.status, answer.body) == (403, b"NOT FOR YOU")


async def test_who_saw_another_response_sees_nothing_of_an_error(stage: Stage) -> None:
    await serve(stage, Shouts, Raises, Wraps)
    client = await stage.client()
    upstream = await answering(stage, client)
    await upstream.send(OK)
    answer = await client.response()
    assert answer.status == 500
    assert answer.body.isupper()
    assert b"[" not in answer.body


async def test_a_page_in_place_of_a_compressed_error(stage: Stage) -> None:
    """Nobody decompresses a page of our own."""
    await serve(stage, Marks, PAGES, DECOMPRESS)
    client = await stage.client()
    upstream = await answering(stage, client)
    body = bytes.fromhex("1f8b0800000000000003cbcf0600d2c7a3a902000000")
    await upstream.send(
        b"HTTP/1.1 404 Not Found\r\nContent-Encoding: gzip\r\nX-Kept: 1\r\n"
        + f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    answer = await client.response()
    assert (answer.status, answer.body) == (404, b"a page of ours")
    assert (answer.get("x-kept"), answer.get("x-mark"), answer.get("content-encoding")) == ("1", "404", None)
    await client.send(GET)
    await upstream.request()  # on the same connection
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


# --- Answers that cannot be sent ---


async def test_a_field_that_is_no_text(stage: Stage) -> None:
    await serve(stage, NamesNumbers)
    client = await stage.client()
    assert (await client.ask(GET)).status == 500


def test_an_answer_says_what_is_wrong_with_it() -> None:
    make: Any = Reply
    with pytest.raises(TypeError, match=r"Retry-After.*30.*write a text"):
        make(429, "", {"Retry-After": 30})
    with pytest.raises(TypeError, match="body"):
        make(200, 30)


@pytest.fixture(params=["number", "nothing", "body", "status"])
def spoilt(request: pytest.FixtureRequest) -> Iterator[None]:
    """What is wrong with an answer after it was made."""
    _Spoils.what = request.param
    yield
    del _Spoils.what


@pytest.mark.usefixtures("spoilt")
async def test_a_spoilt_answer(stage: Stage) -> None:
    await serve(stage, Marks, SpoilsRequests)
    client = await stage.client()
    answer = await client.ask(GET)
    assert (answer.status, answer.get("x-mark")) == (500, "500")
    assert stage.backend.untouched()


@pytest.mark.usefixtures("spoilt")
async def test_a_spoilt_answer_instead_of_a_response(stage: Stage) -> None:
    await serve(stage, Marks, SpoilsResponses)
    client = await stage.client()
    upstream = await answering(stage, client)
    await upstream.send(OK)
    answer = await client.response()
    assert (answer.status, answer.get("x-mark")) == (500, "500")


# --- Other bodies ---


@pytest.mark.parametrize("answer", [OK, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
async def test_a_replaced_body_is_read(stage: Stage, answer: bytes) -> None:
    await serve(stage, ReadsResponse, ReplacesResponse)
    client = await stage.client()
    upstream = await answering(stage, client)
    await upstream.send(answer)
    assert (await client.response()).body == b"replaced"
    assert ReadsResponse.read == [b"replaced"]


async def test_a_response_with_more_than_is_read(stage: Stage) -> None:
    """It is the endpoint's fault, and no error of the middleware."""
    await serve(stage, Marks, ReadsLittle)
    client = await stage.client()
    upstream = await answering(stage, client)
    await upstream.send(LONG + b"0123456789")
    answer = await client.response()
    assert (answer.status, answer.get("x-mark")) == (502, "502")


async def test_a_source_that_gives_nothing(stage: Stage) -> None:
    await serve(stage, SendsNothing)
    client = await stage.client()
    await client.send(post("Content-Length: 3", body=b"one"))
    assert await client.end() == b""
    stage.forgive()


async def test_a_spool_that_gives_nothing(stage: Stage) -> None:
    await serve(stage, ReadsAhead)
    client = await stage.client(receive_bytes=4096)
    upstream = await answering(stage, client)
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    await upstream.flood()
    await client.end()
    stage.forgive()


# --- Errors while on_response waits ---


@pytest.mark.parametrize("kind", [SlowResponse, StubbornResponse])
async def test_an_endpoint_that_dies(stage: Stage, kind: type[Middleware]) -> None:
    """Those in front see the error, as they see each other one."""
    await serve(stage, Marks, Shouts, kind, Wraps)
    client = await stage.client()
    upstream = await answering(stage, client)
    await upstream.send(LONG)
    await until(lambda: SlowResponse.entered, "on_response")
    upstream.reset()
    answer = await client.response()
    assert (answer.status, answer.get("x-mark")) == (502, "502")
    assert answer.body.isupper()
    assert b"[" not in answer.body
    assert await client.silent(0.05)


async def test_the_deadline_passes(stage: Stage) -> None:
    await serve(stage, Marks, SlowResponse, request_timeout=0.1)
    client = await stage.client()
    upstream = await answering(stage, client)
    await upstream.send(OK)
    answer = await client.response()
    assert (answer.status, answer.get("x-mark")) == (504, "504")
    assert await client.silent(0.05)


async def test_on_response_waits_too_long(stage: Stage) -> None:
    await serve(stage, Marks, SlowResponse, wait=0.05)
    client = await stage.client()
    upstream = await answering(stage, client)
    await upstream.send(OK)
    answer = await client.response()
    assert (answer.status, answer.get("x-mark")) == (504, "504")
    assert await client.silent(0.05)


async def test_a_second_error(stage: Stage) -> None:
    """The deadline passes while the first error waits, and nobody in front saw one yet."""
    await serve(stage, Marks, SlowResponse, request_timeout=0.2)
    client = await stage.client()
    upstream = await answering(stage, client)
    upstream.close()
    await until(lambda: SlowResponse.entered, "on_response")
    answer = await client.response()
    assert (answer.status, answer.get("x-mark")) == (504, "504")
    assert await client.silent(0.05)


# --- The end ---


async def test_nothing_is_closed_while_on_done_waits(stage: Stage) -> None:
    await serve(stage, LateDone, unused=(Unused,))
    client = await stage.client()
    upstream = await answering(stage, client)
    await upstream.send(OK)
    await client.response()
    await until(lambda: LateDone.entered, "on_done")
    await serve(stage, Marks)
    await until(lambda: Unused.closed, "what nobody uses to be closed")
    assert not LateDone.closed
    LateDone.event.set()
    await until(lambda: LateDone.closed, "close")
