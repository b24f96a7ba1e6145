"""Connections of HTTP/2 to endpoints: many exchanges on each, and what becomes of them when one ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hpack import NeverIndexedHeaderTuple

from headgate import spec
from headgate.core.cells import Word, WorkerWord
from unit.proxy.http2_end import Http2End
from unit.proxy.stage import ENDPOINT, GET, SERVICE, Backend, End, Stage, crowded, post, until


async def accepted(stage: Stage, backend: Backend | None = None, **settings: int) -> Http2End:
    """The endpoint's end of the next connection, greeted."""
    end = Http2End((await (backend or stage.backend).accept()).socket, server=True)
    await end.begin(**settings)
    return end


async def serve(stage: Stage, **more: Any) -> None:
    await stage.serve(scheme="h2c", **more)


async def asking(stage: Stage, count: int, request: bytes = GET) -> list[End]:
    """So many clients of HTTP/1.1 that each ask once."""
    clients = [await stage.client() for _ in range(count)]
    for client in clients:
        await client.send(request)
    return clients


async def test_many_on_one_connection(stage: Stage) -> None:
    await serve(stage)
    clients = await asking(stage, 50)
    end = await accepted(stage)
    asked = [await end.request() for _ in clients]
    assert stage.backend.untouched()
    for number, one in enumerate(asked):
        await end.respond(one, body=b"%d" % number)
    answers = sorted([int((await client.response()).body) for client in clients])
    assert answers == list(range(50))
    assert stage.word(ENDPOINT, Word.CONNECTIONS) == 1
    await until(lambda: stage.word(SERVICE, Word.RESPONSES_2XX) == 50, "all to be counted")


async def test_what_must_not_be_indexed(stage: Stage) -> None:
    """RFC 7541 section 6.2.3: neither on the next hop, in either direction."""
    secret: Any = NeverIndexedHeaderTuple("x-secret", "1")
    await serve(stage)
    client = Http2End((await stage.client()).socket)
    await client.begin()
    asked = await client.start(fields=[secret, ("x-a", "2")])
    end = await accepted(stage)
    request = await end.request()
    await end.respond(request, fields=[("x-a", "2"), secret], body=b"ok", trailers=[secret])
    answer = await client.answer(asked)
    for fields in (request.fields, answer.fields, answer.trailers):
        assert [field for field in fields if not getattr(field, "indexable", True)] == [secret]


async def test_nothing_before_the_settings(stage: Stage) -> None:
    """How much the endpoint takes is known first. Nobody is to push."""
    await serve(stage)
    (client,) = await asking(stage, 1)
    raw = await stage.backend.accept()
    await raw.read(lambda rest: len(rest) > 33)
    greeting, raw.rest = raw.rest, b""
    assert await raw.silent(0.1)
    end = Http2End(raw.socket, server=True)
    await end.begin()
    end.receive(greeting)
    assert end.settings[2] == 0
    await end.respond(await end.request(), body=b"ok")
    assert (await client.response()).body == b"ok"


async def test_settings_that_never_come(stage: Stage) -> None:
    await serve(stage, pool=spec.Pool(connect_timeout=0.3))
    clients = await asking(stage, 3)
    end = await stage.backend.accept()
    for client in clients:
        assert (await client.response()).status == 504
    await end.end()


async def test_an_endpoint_that_speaks_http1(stage: Stage) -> None:
    await serve(stage)
    clients = await asking(stage, 3)
    end = await stage.backend.accept()
    await end.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    for client in clients:
        assert (await client.response()).status == 502
    await end.end()


async def test_nobody_listens(stage: Stage) -> None:
    await serve(stage)
    stage.backend.close()
    for client in await asking(stage, 3):
        assert (await client.response()).status == 502


async def test_a_connection_that_hangs(stage: Stage) -> None:
    await serve(stage, pool=spec.Pool(connect_timeout=0.3))
    with crowded(stage.backend.socket):
        for client in await asking(stage, 3):
            assert (await client.response()).status == 504


@pytest.mark.parametrize("limit", ["ours", "theirs"])
async def test_a_full_connection(stage: Stage, limit: str) -> None:
    """A further one is opened; the first with room is taken."""
    await serve(stage, pool=spec.Pool(streams=3 if limit == "ours" else 100))
    most = 100 if limit == "ours" else 3
    clients = await asking(stage, 3)
    first = await accepted(stage, max_concurrent_streams=most)
    asked = [await first.request() for _ in range(3)]
    clients += await asking(stage, 2)
    second = await accepted(stage, max_concurrent_streams=most)
    more = [await second.request() for _ in range(2)]
    assert await first.nothing_asked()
    await first.respond(asked.pop(), body=b"a")
    assert (await clients[2].response()).body == b"a"
    clients[2] = (await asking(stage, 1))[0]
    asked.append(await first.request())
    for end, streams in ((first, asked), (second, more)):
        for one in streams:
            await end.respond(one, body=b"b")
    for client in clients:
        assert (await client.response()).body == b"b"


async def test_a_full_pool(stage: Stage) -> None:
    """Who finds no room waits; who waits too long, or finds too many waiting, is told."""
    await serve(stage, pool=spec.Pool(streams=2, connections=1, waiting=2, wait_timeout=0.5))
    first = await asking(stage, 2)
    end = await accepted(stage)
    asked = [await end.request() for _ in range(2)]
    waiting = await asking(stage, 2)
    await until(lambda: stage.runtime.active == 4, "two to wait")
    (refused,) = await asking(stage, 1)
    assert (await refused.response()).status == 503
    await end.respond(asked[0], body=b"ok")
    asked.append(await end.request())
    for client in waiting[1:]:
        assert (await client.response()).status == 503
    for one in asked[1:]:
        await end.respond(one, body=b"ok")
    for client in (*first, waiting[0]):
        assert (await client.response()).body == b"ok"
    assert stage.word(ENDPOINT, Word.REJECTED) == 2


async def test_settings_that_change(stage: Stage) -> None:
    """Fewer streams than are open: those end; then no more than are allowed."""
    await serve(stage, pool=spec.Pool(connections=1))
    clients = await asking(stage, 2)
    end = await accepted(stage)
    asked = [await end.request() for _ in range(2)]
    await end.change(max_concurrent_streams=1)
    await end.heard()
    clients += await asking(stage, 2)
    assert await end.nothing_asked()
    await end.respond(asked[0], body=b"ok")
    assert await end.nothing_asked()
    await end.respond(asked[1], body=b"ok")
    third = await end.request()
    await end.change(max_concurrent_streams=10)
    fourth = await end.request()
    for one in (third, fourth):
        await end.respond(one, body=b"ok")
    for client in clients:
        assert (await client.response()).body == b"ok"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_goaway(stage: Stage, method: str) -> None:
    """What the endpoint did not look at goes to another connection, whatever it is; the rest ends where
    it began (RFC 9113 section 6.8).
    """
    await serve(stage)
    request = post("Content-Length: 5", method=method, body=b"hello")
    clients = await asking(stage, 3, request)
    first = await accepted(stage)
    asked = [await first.request() for _ in range(3)]
    await first.go_away(last=asked[0].stream)
    second = await accepted(stage)
    for _ in range(2):
        again = await second.request()
        assert again.get(":method") == method
        assert again.body == b"hello"
        await second.respond(again, body=b"second")
    await first.respond(asked[0], body=b"first")
    bodies = sorted([(await client.response()).body for client in clients])
    assert bodies == [b"first", b"second", b"second"]
    await first.end()
    assert stage.word(ENDPOINT, Word.RETRIES) == 2


async def test_graceful_goaway(stage: Stage) -> None:
    """The first word is only that there will be an end: nothing is lost, nothing new comes."""
    await serve(stage)
    clients = await asking(stage, 2)
    first = await accepted(stage)
    asked = [await first.request() for _ in range(2)]
    await first.go_away(last=0x7FFFFFFF)
    await first.heard()
    await first.go_away(last=asked[1].stream)
    clients += await asking(stage, 1)
    second = await accepted(stage)
    await second.respond(await second.request(), body=b"ok")
    for one in asked:
        await first.respond(one, body=b"ok")
    for client in clients:
        assert (await client.response()).body == b"ok"
    await first.end()
    assert stage.word(ENDPOINT, Word.RETRIES) == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_refused_stream(stage: Stage, method: str) -> None:
    await serve(stage)
    (client,) = await asking(stage, 1, post("Content-Length: 5", method=method, body=b"hello"))
    end = await accepted(stage)
    await end.reset_stream((await end.request()).stream, 7)
    again = await end.request()
    assert again.body == b"hello"
    await end.respond(again, body=b"ok")
    assert (await client.response()).body == b"ok"


async def test_refused_once_more(stage: Stage) -> None:
    await serve(stage)
    (client,) = await asking(stage, 1)
    end = await accepted(stage)
    for _ in range(2):
        await end.reset_stream((await end.request()).stream, 7)
    assert (await client.response()).status == 502
    assert await end.nothing_asked()


async def test_refused_with_more_than_is_kept(stage: Stage) -> None:
    """What was sent and not kept cannot be sent once more."""
    await serve(stage)
    (client,) = await asking(stage, 1, post("Content-Length: 300000", body=bytes(300_000)))
    end = await accepted(stage)
    asked = await end.request_head()
    await end.until(lambda: len(asked.body) > 200_000)
    await end.reset_stream(asked.stream, 7)
    assert (await client.response()).status == 502


@pytest.mark.parametrize("code", [0, 1, 2, 8])
async def test_a_stream_that_is_reset(stage: Stage, code: int) -> None:
    """Its exchange ends, the others go on."""
    await serve(stage)
    clients = await asking(stage, 2)
    end = await accepted(stage)
    asked = [await end.request() for _ in range(2)]
    await end.reset_stream(asked[0].stream, code)
    assert (await clients[0].response()).status == 502
    await end.respond(asked[1], body=b"ok")
    assert (await clients[1].response()).body == b"ok"


async def test_reset_behind_a_complete_response(stage: Stage) -> None:
    """RFC 9113 section 8.1: the endpoint wants no more of the request."""
    await serve(stage)
    (client,) = await asking(stage, 1, post("Content-Length: 100000", body=b"x"))
    end = await accepted(stage)
    asked = await end.request_head()
    await end.respond(asked, 413, body=b"no")
    await end.reset_stream(asked.stream, 0)
    answer = await client.response()
    assert (answer.status, answer.body) == (413, b"no")


@pytest.mark.parametrize(("method", "again"), [("GET", True), ("POST", False)])
async def test_a_connection_that_was_closed(stage: Stage, method: str, *, again: bool) -> None:
    """As with HTTP/1.1: only what may be done twice is sent again, and only when the connection was used
    before.
    """
    await serve(stage)
    (client,) = await asking(stage, 1)
    end = await accepted(stage)
    await end.respond(await end.request(), body=b"ok")
    assert (await client.response()).body == b"ok"
    await client.send(post("Content-Length: 5", method=method, body=b"hello"))
    await end.request()
    end.close()
    if again:
        second = await accepted(stage)
        await second.respond(await second.request(), body=b"again")
        assert (await client.response()).body == b"again"
    else:
        assert (await client.response()).status == 502


async def test_a_connection_that_breaks_within_responses(stage: Stage) -> None:
    await serve(stage)
    clients = await asking(stage, 3)
    end = await accepted(stage)
    for _ in clients:
        await end.respond(await end.request(), body=b"half", end=False)
    for client in clients:
        await client.read(lambda rest: b"half" in rest)
    end.reset()
    for client in clients:
        rest = await client.end()
        assert rest.endswith(b"half\r\n")
    assert stage.word(ENDPOINT, Word.FAILURES) == 3


async def test_an_endpoint_that_breaks_the_protocol(stage: Stage) -> None:
    await serve(stage)
    clients = await asking(stage, 2)
    end = await accepted(stage)
    for _ in clients:
        await end.request()
    await end.raw(b"\0\0\1\6\0\0\0\0\0x")
    for client in clients:
        assert (await client.response()).status == 502
    await end.end()
    assert end.goaways[-1][0] == 6


@pytest.mark.parametrize(
    "fields",
    [
        [("content-length", "10")],
        [("connection", "close")],
        [("transfer-encoding", "chunked")],
        [("x", "a\nb")],
    ],
)
async def test_a_malformed_response(stage: Stage, fields: list[tuple[str, str]]) -> None:
    await serve(stage)
    clients = await asking(stage, 2)
    end = await accepted(stage)
    asked = [await end.request() for _ in clients]
    await end.respond(asked[0], 200, fields)
    assert (await clients[0].response()).status == 502
    await end.respond(asked[1], body=b"ok")
    assert (await clients[1].response()).body == b"ok"


async def test_an_idle_connection_is_closed(stage: Stage) -> None:
    await serve(stage, pool=spec.Pool(idle_timeout=0.3))
    (client,) = await asking(stage, 1)
    end = await accepted(stage)
    await end.respond(await end.request(), body=b"ok")
    await client.response()
    await end.end()
    assert not end.was_reset
    assert end.goaways == [(0, 0)]
    assert not stage.word(ENDPOINT, Word.OPEN)


async def test_an_old_connection_is_closed(stage: Stage) -> None:
    await serve(stage, pool=spec.Pool(age=0.2, idle_timeout=60.0))
    (client,) = await asking(stage, 1)
    end = await accepted(stage)
    asked = await end.request()
    await asyncio.sleep(0.25)
    other = await asking(stage, 1)
    second = await accepted(stage)
    await second.respond(await second.request(), body=b"ok")
    assert (await other[0].response()).body == b"ok"
    await end.respond(asked, body=b"ok")
    assert (await client.response()).body == b"ok"
    await end.end()


async def test_no_idle_connections(stage: Stage) -> None:
    await serve(stage, pool=spec.Pool(idle_connections=0))
    (client,) = await asking(stage, 1)
    end = await accepted(stage)
    await end.respond(await end.request(), body=b"ok")
    await client.response()
    await end.end()


async def test_an_endpoint_that_is_taken_out(stage: Stage) -> None:
    """What it has under way it may end."""
    await serve(stage)
    (client,) = await asking(stage, 1)
    end = await accepted(stage)
    asked = await end.request()
    other = Backend()
    await serve(stage, endpoints=(other.address,))
    await end.respond(asked, body=b"ok")
    assert (await client.response()).body == b"ok"
    await end.end()
    other.close()


async def test_an_endpoint_that_does_not_answer(stage: Stage) -> None:
    """The connection is not trusted with more until it shows that it lives."""
    await serve(stage, limits=spec.RouteLimits(first_byte_timeout=0.3))
    (client,) = await asking(stage, 1)
    first = await accepted(stage)
    await first.request()
    await first.until(lambda: first.acknowledged)
    assert (await client.response()).status == 504
    (client,) = await asking(stage, 1)
    second = await accepted(stage)
    await second.respond(await second.request(), body=b"ok")
    assert (await client.response()).body == b"ok"
    # It answers the PING: it was only slow, and being the first it is used again.
    await first.until(lambda: first.streams[1].reset is not None)
    (client,) = await asking(stage, 1)
    await first.respond(await first.request(), body=b"ok")
    assert (await client.response()).body == b"ok"


async def test_an_endpoint_that_is_dead(stage: Stage) -> None:
    await serve(stage, limits=spec.RouteLimits(first_byte_timeout=0.3))
    (client,) = await asking(stage, 1)
    first = await accepted(stage)
    await first.request()
    assert (await client.response()).status == 504
    await until(lambda: not stage.word(ENDPOINT, Word.OPEN), "the connection to be given up", 8.0)


async def test_a_slow_client_stops_only_its_stream(stage: Stage) -> None:
    await serve(stage)
    slow, quick = await asking(stage, 2)
    end = await accepted(stage)
    asked = [await end.request() for _ in range(2)]
    await end.respond(asked[0], end=False)
    sent = await end.flood(asked[0].stream, 60_000_000)
    assert 65_535 <= sent < 30_000_000
    await end.respond(asked[1], body=bytes(500_000))
    assert len((await quick.response()).body) == 500_000
    slow.hurry()
    await slow.read(lambda rest: len(rest) > 65_535)
    slow.reset()
    await end.until(lambda: asked[0].reset == 8)


async def test_windows_of_the_endpoint_are_kept(stage: Stage) -> None:
    await serve(stage)
    (client,) = await asking(stage, 1, post("Content-Length: 100000", body=bytes(100_000)))
    end = Http2End((await stage.backend.accept()).socket, server=True, credit=False)
    await end.begin(initial_window_size=1000)
    asked = await end.request_head()
    await end.until(lambda: len(asked.body) == 1000)
    assert await end.silent(0.1)
    end.h2.increment_flow_control_window(1 << 20, asked.stream)
    await end.flush()
    await end.until(lambda: len(asked.body) == 65_535)
    end.h2.increment_flow_control_window(1 << 20)
    await end.flush()
    await end.until(lambda: asked.ended)
    assert len(asked.body) == 100_000
    await end.respond(asked, body=b"ok")
    assert (await client.response()).body == b"ok"


async def test_websockets_that_the_endpoint_does_not_take(stage: Stage) -> None:
    """The method for them was not allowed (RFC 8441 section 3)."""
    await serve(stage)
    upgrade = post(
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        method="GET",
    )
    (client,) = await asking(stage, 1, upgrade)
    end = await accepted(stage)
    assert (await client.response()).status == 502
    (client,) = await asking(stage, 1, upgrade)
    assert (await client.response()).status == 502
    (client,) = await asking(stage, 1)
    await end.respond(await end.request(), body=b"ok")
    assert (await client.response()).body == b"ok"


async def test_other_upgrades_are_not_taken(stage: Stage) -> None:
    """They are offers (RFC 9110 section 7.8)."""
    await serve(stage)
    (client,) = await asking(stage, 1, post("Connection: Upgrade", "Upgrade: x", method="GET"))
    end = await accepted(stage)
    asked = await end.request()
    assert asked.get(":method") == "GET"
    assert asked.get("upgrade") is None
    await end.respond(asked, body=b"ok")
    assert (await client.response()).body == b"ok"


async def test_a_tunnel_that_breaks(stage: Stage) -> None:
    await serve(stage)
    upgrade = post("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: a", method="GET")
    (client,) = await asking(stage, 1, upgrade)
    end = await accepted(stage, enable_connect_protocol=1)
    asked = await end.request_head()
    await end.respond(asked, end=False)
    assert (await client.response()).status == 101
    assert stage.word(0, WorkerWord.WORKER_TUNNELS) == 1
    await end.reset_stream(asked.stream, 8)
    await client.end()
    assert not stage.word(0, WorkerWord.WORKER_TUNNELS)
