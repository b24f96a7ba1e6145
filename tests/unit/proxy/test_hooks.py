"""Hooks that raise, wait and read in the worst order, between ends that the test plays by hand."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any, ClassVar, Literal

import pytest

from headgate import spec
from headgate.middleware import Exchange, Middleware, Piece, Reply
from unit.proxy.http2_end import Http2End
from unit.proxy.stage import GET, MIDDLEWARE, OK, End, Stage, post, until

CHUNKED = "Transfer-Encoding: chunked"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


class Gate(Middleware):
    """What a test opens."""

    event: ClassVar[asyncio.Event]
    entered: ClassVar[int]

    @classmethod
    def shut(cls) -> None:
        """For a new test."""
        cls.event = asyncio.Event()
        cls.entered = 0

    @classmethod
    async def wait(cls) -> None:
        """Until the test opens it."""
        cls.entered += 1
        await cls.event.wait()


class LateDone(Gate):
    """Keeps exchanges after their end."""

    async def on_done(self, exchange: Exchange) -> None:
        await self.wait()


class ReadsRequest(Middleware):
    async def on_request(self, exchange: Exchange) -> None:
        await exchange.request.body()


class RefusesBodies(Middleware):
    """Raises for the first piece, and would let pass what it should not be asked for after that."""

    bodies: ClassVar[Literal["request", "response", "both"]] = "request"
    calls: ClassVar[int] = 0

    def piece_size(self, side: str) -> int:
        return 2

    def on_body(self, exchange: Exchange, piece: Piece) -> None:
        RefusesBodies.calls += 1
        if self.calls == 1:
            raise RuntimeError("no body is good enough")


class RefusesResponses(RefusesBodies):
    bodies = "response"


class SlowRequestBody(Gate):
    bodies = "request"

    async def on_body(self, exchange: Exchange, piece: Piece) -> None:
        await self.wait()


class Shouts(Middleware):
    def on_body(self, exchange: Exchange, piece: Piece) -> bytes:
        return piece.data.upper()


class YieldingRequestBody(Middleware):
    bodies = "request"

    async def on_body(self, exchange: Exchange, piece: Piece) -> None:
        await asyncio.sleep(0)


class SlowRequest(Gate):
    async def on_request(self, exchange: Exchange) -> None:
        await self.wait()


class SlowResponse(Gate):
    async def on_response(self, exchange: Exchange) -> None:
        await self.wait()


class OtherSlowResponse(Gate):
    async def on_response(self, exchange: Exchange) -> None:
        await self.wait()


class ReadsLate(Gate):
    async def on_response(self, exchange: Exchange) -> None:
        assert exchange.response is not None
        await self.wait()
        await exchange.response.body()


class ReplacesResponse(Middleware):
    async def on_response(self, exchange: Exchange) -> None:
        assert exchange.response is not None
        await exchange.response.body()
        exchange.response.replace_body(b"replaced")


class SendsFromSource(Middleware):
    async def on_request(self, exchange: Exchange) -> None:
        body = await exchange.request.body()
        pieces = [body[at : at + 20_000] for at in range(0, len(body), 20_000)]

        async def source() -> bytes:
            return pieces.pop(0) if pieces else b""

        exchange.request.send_body(source, len(body))


class ReadsAfterTheEnd(Gate):
    """Does not let itself be cancelled."""

    refused: ClassVar[list[str]] = []

    async def on_request(self, exchange: Exchange) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await self.wait()
        try:
            await exchange.request.body()
        except RuntimeError as error:
            self.refused.append(str(error))


class Refuses(Middleware):
    def on_response(self, exchange: Exchange) -> Reply:
        return Reply(403, "not for you")


@pytest.fixture(autouse=True)
async def gates() -> None:
    """All are shut again."""
    for gate in Gate.__subclasses__():
        gate.shut()
    RefusesBodies.calls = 0
    ReadsAfterTheEnd.refused.clear()


async def serve(
    stage: Stage,
    *kinds: type[Middleware],
    behind: tuple[type[Middleware], ...] = (),
    fault: spec.Fault | None = None,
    mirror: spec.Mirror | None = None,
    **more: Any,
) -> None:
    """A route with these middlewares, and a service with those `behind`."""
    middlewares = tuple(
        spec.Middleware(
            name=kind.__name__,
            type=f"{kind.__module__}:{kind.__name__}",
            counters=tuple(kind.counters.items()),
            metric=MIDDLEWARE + number,
        )
        for number, kind in enumerate((*kinds, *behind))
    )
    action = {
        "services": (spec.ServiceShare(service="backend"),),
        "middlewares": tuple(kind.__name__ for kind in kinds),
        "fault": fault,
        "mirror": mirror,
    }
    service = {"middlewares": tuple(kind.__name__ for kind in behind)}
    await stage.serve(route=action, middlewares=middlewares, service=service, **more)


async def opened(stage: Stage, **settings: int) -> Http2End:
    """A client of HTTP/2 whose connection is greeted by both sides."""
    end = Http2End((await stage.client()).socket)
    await end.begin(**settings)
    await end.until(lambda: end.settings)
    return end


async def answering(stage: Stage, client: End, request: bytes = GET) -> End:
    """An upstream that got a request."""
    await client.send(request)
    upstream = await stage.backend.accept()
    await upstream.request()
    return upstream


# --- What raises ---


@pytest.mark.parametrize("kinds", [[], [LateDone]], ids=["", "on_done waits"])
async def test_a_body_that_was_read_is_refused(stage: Stage, kinds: list[type[Middleware]]) -> None:
    """The pieces that waited are not given to anybody after the one that ended the exchange."""
    await serve(stage, ReadsRequest, RefusesBodies, *kinds)
    LateDone.event.set()
    client = await stage.client()
    await client.send(post("Content-Length: 9", body=b"one"), b"two", b"end")
    assert (await client.response()).status == 500
    assert RefusesBodies.calls == 1
    assert stage.backend.untouched()


@pytest.mark.parametrize("kinds", [[], [LateDone]], ids=["", "on_done waits"])
async def test_a_response_is_refused(stage: Stage, kinds: list[type[Middleware]]) -> None:
    await serve(stage, RefusesResponses, *kinds)
    LateDone.event.set()
    client = await stage.client()
    upstream = await answering(stage, client)
    await upstream.send(LONG + b"0123456789")
    assert not re.search(rb"[0-9]{2}$", await client.end())
    assert RefusesBodies.calls == 1


async def test_a_body_from_a_source_is_refused(stage: Stage) -> None:
    await serve(stage, SendsFromSource, RefusesBodies, LateDone)
    LateDone.event.set()
    client = await stage.client()
    await client.send(post("Content-Length: 3", body=b"one"))
    assert (await client.response()).status == 500
    assert RefusesBodies.calls == 1


async def test_a_refused_body_whose_answer_waits(stage: Stage) -> None:
    """No endpoint sees a request that is answered already."""
    await serve(stage, SlowResponse, ReadsRequest, RefusesBodies)
    client = await stage.client()
    await client.send(post("Content-Length: 3", body=b"one"))
    await until(lambda: SlowResponse.entered, "the answer")
    SlowResponse.event.set()
    assert (await client.response()).status == 500
    assert await client.silent(0.05)
    assert stage.backend.untouched()


# --- What waits ---


async def test_who_does_not_let_itself_be_cancelled(stage: Stage) -> None:
    """What is over cannot be read, though its heads are kept for on_done."""
    await serve(stage, ReadsAfterTheEnd, LateDone)
    client = await stage.client()
    await client.send(post("Content-Length: 9", body=b"one"))
    await until(lambda: ReadsAfterTheEnd.entered, "on_request")
    client.reset()
    await until(lambda: ReadsAfterTheEnd.refused, "the coroutine to go on")
    LateDone.event.set()
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()}, "on_done to end")


async def test_the_deadline_passes_in_on_request(stage: Stage) -> None:
    """The answer waits in on_response, and on_request does not go on meanwhile."""
    await serve(stage, SlowResponse, SlowRequest, limits=spec.RouteLimits(request_timeout=0.1))
    client = await stage.client()
    await client.send(GET)
    await until(lambda: SlowResponse.entered, "the answer")
    SlowRequest.event.set()
    await asyncio.sleep(0.05)
    assert stage.backend.untouched()
    SlowResponse.event.set()
    assert (await client.response()).status == 504
    assert await client.silent(0.05)


async def test_the_deadline_passes_in_a_delay(stage: Stage) -> None:
    """What was put off is not done for a request that is answered."""
    await serve(
        stage,
        SlowResponse,
        behind=(SlowRequest,),
        fault=spec.Fault(delay=0.3),
        limits=spec.RouteLimits(request_timeout=0.1),
    )
    client = await stage.client()
    await client.send(GET)
    await until(lambda: SlowResponse.entered, "the answer")
    await asyncio.sleep(0.4)
    assert not SlowRequest.entered
    SlowResponse.event.set()
    assert (await client.response()).status == 504


async def test_an_answer_that_nobody_takes(stage: Stage) -> None:
    """It is complete, though it waits for the client: what waited before does not answer a second time."""
    await serve(stage, SlowResponse, limits=spec.RouteLimits(request_timeout=0.1))
    client = await opened(stage, initial_window_size=0)
    asked = await client.start()
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(OK)
    await until(lambda: SlowResponse.entered, "the answer")
    await client.until(lambda: asked.fields)
    assert asked.status == 504
    SlowResponse.event.set()
    await asyncio.sleep(0.05)
    client.h2.increment_flow_control_window(10_000, asked.stream)
    await client.answer(asked)
    assert asked.reset is None
    assert asked.status == 504
    assert asked.body != b"ok"


async def test_two_that_wait_for_a_response(stage: Stage) -> None:
    """What came of the body while the first waited is not lost to the second."""
    await serve(stage, SlowResponse, OtherSlowResponse, Shouts)
    client = await stage.client()
    upstream = await answering(stage, client)
    await upstream.send(LONG + b"abcde")
    await until(lambda: OtherSlowResponse.entered, "the first")
    OtherSlowResponse.event.set()
    await until(lambda: SlowResponse.entered, "the second")
    SlowResponse.event.set()
    await upstream.send(b"fghij")
    assert (await client.response()).body == b"ABCDEFGHIJ"


async def test_a_response_that_is_read_late(stage: Stage) -> None:
    """Reading had stopped, since nobody wanted it yet, and begins again."""
    await serve(stage, ReadsLate)
    client = await stage.client()
    upstream = await answering(stage, client)
    await upstream.send(LONG, b"abcde")
    await until(lambda: ReadsLate.entered, "on_response")
    await asyncio.sleep(0.02)
    ReadsLate.event.set()
    await upstream.send(b"fghij")
    assert (await client.response()).body == b"abcdefghij"


# --- Bodies that are replaced ---


async def test_a_replaced_response_goes_through_hooks(stage: Stage) -> None:
    """The one in front of it may have promised a coding."""
    await serve(stage, Shouts, ReplacesResponse)
    client = await stage.client()
    upstream = await answering(stage, client)
    await upstream.send(LONG + b"0123456789")
    assert (await client.response()).body == b"REPLACED"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", LONG + b"0123456789"])
async def test_a_replaced_response_on_a_connection_that_goes_on(stage: Stage, answer: bytes) -> None:
    await serve(stage, Shouts, ReplacesResponse)
    client = await stage.client()
    upstream = await answering(stage, client)
    for number in range(2):
        if number:
            await client.send(GET)
            await upstream.request()
        await upstream.send(answer)
        assert (await client.response()).body == b"REPLACED"


async def test_a_replaced_response_to_head(stage: Stage) -> None:
    await serve(stage, Shouts, ReplacesResponse)
    client = await stage.client()
    await client.send(b"HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n")
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(LONG)
    assert (await client.response(to="HEAD")).status == 200
    assert await client.silent(0.05)


# --- Requests that are stored ---


@pytest.mark.parametrize("kind", [YieldingRequestBody, SendsFromSource])
async def test_a_route_that_buffers(stage: Stage, kind: type[Middleware]) -> None:
    await serve(stage, kind, limits=spec.RouteLimits(buffer_request=1_000_000))
    client = await stage.client()
    body = bytes(range(256)) * 1000
    await client.send(post(f"Content-Length: {len(body)}", body=body))
    upstream = await stage.backend.accept()
    assert (await upstream.request()).body == body
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_trailers_behind_a_body_that_was_read(stage: Stage) -> None:
    await serve(stage, ReadsRequest, SlowRequestBody)
    client = await stage.client()
    await client.send(post(CHUNKED, "TE: trailers", body=b"3\r\none\r\n0\r\nX-Sum: 1\r\n\r\n"))
    upstream = await stage.backend.accept()
    await upstream.read(lambda rest: b"\r\n\r\n" in rest)
    SlowRequestBody.event.set()
    await upstream.read(lambda rest: rest.endswith((b"1\r\n\r\n", b"0\r\n\r\n")))
    assert upstream.rest.lower().endswith(b"0\r\nx-sum: 1\r\n\r\n")
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_trailers_behind_a_body_that_waited(stage: Stage) -> None:
    """They go out at once, and not when something else does."""
    await serve(stage, SlowRequestBody)
    client = await stage.client()
    await client.send(post(CHUNKED, "TE: trailers", body=b"3\r\none\r\n0\r\nX-Sum: 1\r\n\r\n"))
    upstream = await stage.backend.accept()
    await until(lambda: SlowRequestBody.entered, "on_body")
    SlowRequestBody.event.set()
    await upstream.read(lambda rest: rest.endswith(b"1\r\n\r\n"))
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


async def test_a_connection_goes_on_behind_a_body_that_waited(stage: Stage) -> None:
    await serve(stage, SlowRequestBody)
    client = await stage.client()
    await client.send(post("Content-Length: 3", body=b"one"))
    upstream = await stage.backend.accept()
    await until(lambda: SlowRequestBody.entered, "on_body")
    SlowRequestBody.event.set()
    for number in range(2):
        if number:
            await client.send(post("Content-Length: 3", body=b"one"))
        assert (await upstream.request()).body == b"one"
        await upstream.send(OK)
        assert (await client.response()).body == b"ok"


async def test_an_early_answer_while_a_body_waits(stage: Stage) -> None:
    await serve(stage, SlowRequestBody)
    client = await stage.client()
    await client.send(post("Content-Length: 3", body=b"one"))
    upstream = await stage.backend.accept()
    await until(lambda: SlowRequestBody.entered, "on_body")
    await upstream.read(lambda rest: b"\r\n\r\n" in rest)
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"
    SlowRequestBody.event.set()
    await client.send(post("Content-Length: 3", body=b"two"))
    upstream = await stage.backend.accept()
    assert (await upstream.request()).body == b"two"
    await upstream.send(OK)
    assert (await client.response()).body == b"ok"


# --- gRPC ---


def grpc(kind: str) -> bytes:
    """A call with an empty message."""
    return post(f"Content-Type: application/{kind}", "TE: trailers", "Content-Length: 5", body=bytes(5))


async def test_a_reply_to_a_call(stage: Stage) -> None:
    """From on_response it is what it is from on_request: a status of gRPC."""
    await serve(stage, Refuses)
    client = await stage.client()
    upstream = await answering(stage, client, grpc("grpc"))
    await upstream.send(OK)
    answer = await client.response()
    assert (answer.status, answer.get("grpc-status"), answer.body) == (200, "7", b"")


async def test_a_response_in_base64_that_waits(stage: Stage) -> None:
    """What was held becomes gRPC-Web like what was not."""
    await serve(stage, SlowResponse, Shouts, scheme="h2c")
    client = await stage.client()
    await client.send(post("Content-Type: application/grpc-web-text", "Content-Length: 8", body=b"AAAAAAA="))
    upstream = Http2End((await stage.backend.accept()).socket, server=True)
    await upstream.begin()
    await upstream.respond(
        await upstream.request(),
        fields=[("content-type", "application/grpc")],
        body=bytes(5),
        trailers=[("grpc-status", "0")],
    )
    await until(lambda: SlowResponse.entered, "on_response")
    SlowResponse.event.set()
    body = (await client.response()).body
    assert body.startswith(b"AAAAAAA=")
    assert b"\0" not in body
