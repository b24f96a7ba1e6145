"""What must be the same over each pair of versions: of client and endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Literal, cast

import pytest

from headgate import spec
from headgate.core.cells import Word
from unit.proxy.speakers import Asked, Asking, Clients, Endpoints, Version
from unit.proxy.stage import ENDPOINT, SERVICE, Stage, until

VERSIONS: tuple[Version, ...] = ("1.1", "2")
BIG = 3_000_000


class Pair:
    """Clients of one version, endpoints of another."""

    def __init__(self, stage: Stage, down: Version, up: Version) -> None:
        self.stage = stage
        self.down = down
        self.up = up
        self.clients = Clients(stage, down)
        self.endpoints = Endpoints(stage, up)

    async def serve(self, **more: object) -> None:
        scheme: Literal["http", "h2c"] = "h2c" if self.up == "2" else "http"
        await self.stage.serve(scheme=scheme, **more)

    async def open(self, asking: Asking) -> tuple[Asking, Asked]:
        return asking, await self.endpoints.asked()


@pytest.fixture(params=[(down, up) for down in VERSIONS for up in VERSIONS], ids="-to-".join)
async def pair(stage: Stage, request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    down, up = cast("tuple[Version, Version]", request.param)
    pair = Pair(stage, down, up)
    yield pair
    await stage.quiet()


async def test_a_small_body(pair: Pair) -> None:
    await pair.serve()
    asking, asked = await pair.open(await pair.clients.ask("GET", "/a?b=c", [("x-a", "1"), ("x-a", "2")]))
    request = await asked.whole()
    assert (request.method, request.path, request.authority) == ("GET", "/a?b=c", "a.example")
    assert request.all("x-a") == ["1", "2"]
    assert request.body == b""
    await asked.answer(200, [("set-cookie", "a=1"), ("set-cookie", "b=2")], b"hello")
    answer = await asking.answer()
    assert (answer.status, answer.body, answer.broken) == (200, b"hello", False)
    assert answer.get("content-length") == "5"
    assert answer.all("set-cookie") == ["a=1", "b=2"]
    assert answer.get("date")


async def test_forwarding_fields(pair: Pair) -> None:
    await pair.serve(forwarding=spec.Forwarding(via="headgate"))
    asking, asked = await pair.open(await pair.clients.ask(fields=[("x-forwarded-for", "1.2.3.4")]))
    request = await asked.whole()
    assert request.get("x-forwarded-for") == "127.0.0.1"
    assert request.get("x-forwarded-host") == "a.example"
    assert request.get("x-forwarded-proto") == "http"
    assert request.get("via") == ("2.0 headgate" if pair.down == "2" else "1.1 headgate")
    assert request.get("x-request-id")
    await asked.answer(200)
    assert (await asking.answer()).get("via") == ("2.0 headgate" if pair.up == "2" else "1.1 headgate")


async def test_cookies(pair: Pair) -> None:
    """HTTP/2 may split them; HTTP/1.1 has one field."""
    await pair.serve()
    split = [("cookie", "a=1"), ("cookie", "b=2")] if pair.down == "2" else [("Cookie", "a=1; b=2")]
    asking, asked = await pair.open(await pair.clients.ask(fields=split))
    assert "; ".join((await asked.whole()).all("cookie")) == "a=1; b=2"
    await asked.answer()
    await asking.answer()


@pytest.mark.parametrize("length", [True, False], ids=["length", "open"])
async def test_a_body_of_the_response(pair: Pair, *, length: bool) -> None:
    await pair.serve()
    asking, asked = await pair.open(await pair.clients.ask())
    body = bytes(range(256)) * 1000
    await asked.whole()
    _, answer = await asyncio.gather(asked.answer(body=body, length=length), asking.answer())
    assert answer.body == body
    assert answer.get("content-length") == (str(len(body)) if length else None)
    assert not answer.broken


@pytest.mark.parametrize("length", [True, False], ids=["length", "open"])
@pytest.mark.parametrize("size", [0, 1, 100_000])
async def test_a_body_of_the_request(pair: Pair, size: int, *, length: bool) -> None:
    await pair.serve()
    body = bytes(range(250)) * (size // 250) + b"x" * (size % 250)
    asking = await pair.clients.begin("POST", body=True, length=size if length else None)
    sending = asyncio.create_task(_send(asking, body))
    asked = await pair.endpoints.asked()
    request = await asked.whole()
    assert request.body == body
    await sending
    await asked.answer()
    assert (await asking.answer()).status == 200


async def _send(asking: Asking, body: bytes) -> None:
    if body:
        await asking.send(body)
    await asking.finish()


async def test_a_post_without_a_body(pair: Pair) -> None:
    await pair.serve()
    asking, asked = await pair.open(await pair.clients.begin("POST", fields=[("content-length", "0")]))
    request = await asked.whole()
    assert request.body == b""
    assert request.get("content-length") == "0"
    await asked.answer()
    assert (await asking.answer()).status == 200


@pytest.mark.parametrize("size", [0, 5, 70_000])
async def test_trailers_of_the_response(pair: Pair, size: int) -> None:
    await pair.serve()
    body = b"x" * size
    fields = [("te", "trailers")] if pair.down == "2" else [("TE", "trailers"), ("Connection", "TE")]
    asking, asked = await pair.open(await pair.clients.ask(fields=fields))
    await asked.whole()
    trailers = [("grpc-status", "0"), ("x-sum", "a b")]
    _, answer = await asyncio.gather(asked.answer(200, [], body, trailers), asking.answer())
    assert answer.body == body
    assert answer.trailers == trailers


async def test_trailers_of_the_request(pair: Pair) -> None:
    await pair.serve()
    asking, asked = await pair.open(await pair.clients.ask("POST", body=b"hello", trailers=[("x-sum", "5")]))
    request = await asked.whole()
    assert request.body == b"hello"
    assert request.trailers == [("x-sum", "5")]
    await asked.answer()
    await asking.answer()


async def test_te_is_handed_on(pair: Pair) -> None:
    """What asks for trailers, which gRPC servers insist on."""
    await pair.serve()
    fields = [("te", "trailers")] if pair.down == "2" else [("TE", "trailers"), ("Connection", "TE")]
    asking, asked = await pair.open(await pair.clients.ask(fields=fields))
    await asked.whole()
    raw = asked.message.fields if hasattr(asked, "message") else asked.stream.fields  # type: ignore[attr-defined]
    assert [value for name, value in raw if name.lower() == "te"] == ["trailers"]
    await asked.answer()
    await asking.answer()


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 404)])
async def test_no_body_by_nature(pair: Pair, method: str, status: int) -> None:
    await pair.serve()
    asking, asked = await pair.open(await pair.clients.ask(method))
    await asked.whole()
    length = [("content-length", "1234")] if status != 204 else []
    await asked.answer(status, length, None)
    answer = await asking.answer()
    assert (answer.status, answer.body, answer.broken) == (status, b"", False)
    assert answer.get("content-length") == ("1234" if status != 204 else None)


async def test_interim_responses(pair: Pair) -> None:
    await pair.serve()
    asking = await pair.clients.begin("POST", fields=[("expect", "100-continue")], body=True, length=5)
    asked = await pair.endpoints.asked()
    assert asked.request.get("expect") == "100-continue"
    await asked.interim(100)
    assert await asking.interim() == 100
    await asking.send(b"hello")
    await asking.finish()
    assert (await asked.whole()).body == b"hello"
    await asked.interim(103, [("link", "</a>; rel=preload")])
    assert await asking.interim() == 103
    await asked.answer()
    answer = await asking.answer()
    assert answer.status == 200
    assert answer.interim == [100, 103]


async def test_an_answer_before_the_request_ended(pair: Pair) -> None:
    """The rest of the request is not waited for."""
    await pair.serve()
    asking = await pair.clients.begin("POST", body=True)
    await asking.send(b"x")
    asked = await pair.endpoints.asked()
    assert await asked.more(1) == b"x"
    await asked.answer(413, body=b"no")
    answer = await asking.answer()
    assert (answer.status, answer.body) == (413, b"no")


async def test_an_endpoint_that_breaks_off(pair: Pair) -> None:
    """A response that was cut short does not look complete."""
    await pair.serve()
    asking, asked = await pair.open(await pair.clients.ask())
    await asked.whole()
    await asked.begin(200, [])
    await asked.send(b"half")
    assert (await asking.head()).status == 200
    await asked.abort()
    assert (await asking.answer()).broken


async def test_an_endpoint_that_breaks_off_before(pair: Pair) -> None:
    await pair.serve()
    asking, asked = await pair.open(await pair.clients.ask("POST", body=b"x"))
    await asked.whole()
    await asked.abort()
    assert (await asking.answer()).status == 502


async def test_a_client_that_leaves(pair: Pair) -> None:
    await pair.serve()
    asking, asked = await pair.open(await pair.clients.begin("POST", body=True, length=100))
    await asking.send(b"x")
    await asked.more(1)
    await asking.leave()
    await asked.gone()
    await pair.stage.quiet()
    assert pair.stage.word(SERVICE, Word.ABORTED) == 1


async def test_large_bodies_both_ways(pair: Pair) -> None:
    """An echo, while it is sent."""
    await pair.serve()
    body = bytes(range(256)) * (BIG // 256)
    asking = await pair.clients.begin("POST", body=True)
    sending = asyncio.create_task(_send(asking, body))
    asked = await pair.endpoints.asked()
    await asked.begin(200, [])

    async def echo() -> None:
        left = len(body)
        while left:
            piece = await asked.more(min(left, 50_000))
            left -= len(piece)
            await asked.send(piece)
        await asked.whole()
        await asked.finish_response()

    _, _, answer = await asyncio.gather(sending, echo(), asking.answer())
    assert answer.body == body


async def test_requests_are_buffered(pair: Pair) -> None:
    await pair.serve(limits=spec.RouteLimits(buffer_request=100_000))
    asking = await pair.clients.begin("POST", body=True)
    await asking.send(b"hello ")
    await asyncio.sleep(0)
    await asking.send(b"world")
    assert pair.stage.backend.untouched()
    await asking.finish()
    asked = await pair.endpoints.asked()
    request = await asked.whole()
    assert request.body == b"hello world"
    assert request.get("content-length") == "11"
    await asked.answer()
    await asking.answer()


async def test_a_request_that_is_too_large(pair: Pair) -> None:
    await pair.serve(limits=spec.RouteLimits(body_bytes=10))
    asking = await pair.clients.begin("POST", body=True)
    await asking.send(b"x" * 11)
    answer = await asking.answer()
    assert answer.status == 413
    await pair.stage.quiet()


async def test_tunnels(pair: Pair) -> None:
    """A WebSocket, each direction with its own end."""
    await pair.serve()
    asking, asked = await pair.open(await pair.clients.begin(path="/chat", upgrade=True))
    assert asked.request.path == "/chat"
    assert asked.request.get("sec-websocket-version") == "13"
    await asked.accept_tunnel()
    head = await asking.head()
    assert head.status == (200 if pair.down == "2" else 101)
    assert head.get("sec-websocket-accept") == (None if pair.down == "2" else "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    await asking.send(b"from the client")
    assert await asked.more(15) == b"from the client"
    await asked.send(b"from the endpoint")
    assert await asking.tunnelled(17) == b"from the endpoint"
    await asking.end_tunnel()
    await asked.tunnel_end()
    await asked.send(b"still")
    assert await asking.tunnelled(5) == b"still"
    await asked.end_tunnel()
    await asking.tunnel_end()
    await pair.stage.quiet()


async def test_a_tunnel_that_is_not_granted(pair: Pair) -> None:
    await pair.serve()
    asking, asked = await pair.open(await pair.clients.begin(upgrade=True))
    await asked.answer(403, body=b"no")
    answer = await asking.answer()
    assert (answer.status, answer.body) == (403, b"no")


async def test_much_through_a_tunnel(pair: Pair) -> None:
    await pair.serve()
    asking, asked = await pair.open(await pair.clients.begin(upgrade=True))
    await asked.accept_tunnel()
    await asking.head()
    data = bytes(range(256)) * 4000
    _, got = await asyncio.gather(asking.send(data), asked.more(len(data)))
    assert got == data
    _, got = await asyncio.gather(asked.send(data), asking.tunnelled(len(data)))
    assert got == data
    await asking.leave()
    await asked.gone()


async def test_grpc_trailers_only(pair: Pair) -> None:
    await pair.serve()
    asking, asked = await pair.open(await pair.clients.ask("POST", body=b"\0\0\0\0\0"))
    await asked.whole()
    await asked.answer(
        200, [("content-type", "application/grpc"), ("grpc-status", "12")], None if pair.up == "2" else b""
    )
    answer = await asking.answer()
    assert answer.get("grpc-status") == "12"
    assert answer.body == b""


async def test_one_after_the_other(pair: Pair) -> None:
    """Connections upstream serve again."""
    await pair.serve()
    for number in range(5):
        asking = await pair.clients.ask()
        if number == 0 or pair.up == "2":
            asked = await pair.endpoints.asked()
        else:
            asked = await pair.endpoints.asked_again()
        await asked.whole()
        await asked.answer(body=b"%d" % number)
        assert (await asking.answer()).body == b"%d" % number
    await pair.stage.quiet()
    assert pair.stage.word(ENDPOINT, Word.CONNECTIONS) == 1
    assert pair.stage.word(SERVICE, Word.RESPONSES_2XX) == 5


@pytest.mark.parametrize("count", [2, 40])
async def test_many_at_a_time(pair: Pair, count: int) -> None:
    await pair.serve()
    asking = [await pair.clients.ask(path=f"/{number}") for number in range(count)]
    asked = [await pair.endpoints.asked() for _ in range(count)]
    for one in reversed(asked):
        await one.whole()
        await one.answer(body=one.request.path.encode())
    answers = [(await one.answer()).body for one in asking]
    assert answers == [b"/%d" % number for number in range(count)]
    await until(lambda: pair.stage.word(SERVICE, Word.RESPONSES_2XX) == count, "all to be counted")


async def test_a_slow_response_stops_its_endpoint(pair: Pair) -> None:
    """A client that reads nothing: the endpoint cannot send more than what fits in between."""
    await pair.serve()
    asking, asked = await pair.open(await pair.clients.ask())
    await asked.whole()
    await asked.begin(200, [])
    asking.hold()
    sent = await asked.flood(40_000_000)
    assert sent < 25_000_000
    await asking.leave()
    await asked.gone()


async def test_a_slow_endpoint_stops_its_client(pair: Pair) -> None:
    await pair.serve()
    asking = await pair.clients.begin("POST", body=True, length=60_000_000)
    asked = await pair.endpoints.asked()
    asked.hold()
    sent = await asking.flood(40_000_000)
    assert sent < 25_000_000
    await asking.leave()
    await asked.gone()
