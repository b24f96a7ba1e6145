"""A client's connection of HTTP/2: its streams, its limits, its end."""

from __future__ import annotations

import asyncio
import json
import struct
from contextlib import suppress

import pytest

from headgate import spec
from headgate.core.cells import Word, WorkerWord
from unit.proxy.http2_end import Http2End, Streamed
from unit.proxy.stage import LISTENER, OK, ROUTE, SERVICE, End, Stage, until

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
RESPOND = {"respond": spec.Respond(body="hello")}


async def opened(stage: Stage, *, credit: bool = True, receive_bytes: int = 0, **settings: int) -> Http2End:
    """A client whose connection is greeted by both sides."""
    end = Http2End((await stage.client(receive_bytes)).socket, credit=credit)
    await end.begin(**settings)
    await end.until(lambda: end.settings)
    return end


async def test_the_preface_in_pieces(stage: Stage) -> None:
    await stage.serve(route=RESPOND)
    client = await stage.client()
    end = Http2End(client.socket)
    await client.send(*(PREFACE[at : at + 5] for at in range(0, len(PREFACE), 5)))
    end.h2.initiate_connection()
    end.h2.data_to_send()
    await end.raw(SETTINGS)
    assert (await end.ask()).body == b"hello"


async def test_what_looks_like_the_preface(stage: Stage) -> None:
    """A method of HTTP/1.1 may begin as it does."""
    await stage.serve(route=RESPOND)
    client = await stage.client()
    await client.send(b"P", b"R", b"OPFIND / HTTP/1.1\r\nHost: a.example\r\n\r\n")
    assert (await client.response()).body == b"hello"
    await client.send(PREFACE + SETTINGS)
    assert (await client.response()).status in (400, 505)


async def test_a_slow_preface(stage: Stage) -> None:
    await stage.serve(route=RESPOND, listener=spec.ListenerLimits(head_timeout=0.3))
    client = await stage.client()
    await client.send(PREFACE[:10])
    assert (await client.response()).status == 408


async def test_where_it_is_off(stage: Stage) -> None:
    await stage.serve(route=RESPOND, http2=spec.Http2(enabled=False))
    client = await stage.client()
    await client.send(PREFACE + SETTINGS)
    assert (await client.response()).status in (400, 505)


async def test_counters_and_records(stage: Stage) -> None:
    await stage.serve(access_log=spec.AccessLog())
    client = await opened(stage)
    assert stage.word(LISTENER, Word.OPEN) == 1
    asked = await client.start()
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(OK)
    assert (await client.answer(asked)).body == b"ok"
    await stage.quiet()
    stage.runtime.context.write_records()
    record = json.loads(stage.records.text)
    assert record["protocol"] == "HTTP/2.0"
    assert record["status"] == 200
    assert record["bytes_out"] == 2
    assert stage.word(LISTENER, Word.CONNECTIONS) == 1
    assert stage.word(LISTENER, Word.RESPONSES_2XX) == 1
    assert stage.word(0, WorkerWord.WORKER_CONNECTIONS) == 1
    client.close()
    await until(lambda: not stage.word(LISTENER, Word.OPEN), "the connection to close")


async def test_answers_of_one_read_go_out_together(stage: Stage) -> None:
    """System calls are what costs."""
    await stage.serve(route=RESPOND)
    client = await opened(stage)
    for _ in range(50):  # a new connection begins fewer in a turn
        assert (await client.answer(await client.start())).status == 200
    for _ in range(50):
        stream = client.h2.get_next_available_stream_id()
        client.streams[stream] = Streamed(stream)
        client.h2.send_headers(
            stream,
            [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a.example")],
            True,
        )
    before = client.reads
    await client.flush()
    await client.until(lambda: all(stream.ended for stream in client.streams.values()))
    assert client.reads - before <= 3


async def test_too_many_streams(stage: Stage) -> None:
    """The one beyond the limit is refused, so that the client may send it again."""
    await stage.serve(http2=spec.Http2(max_streams=2))
    client = await opened(stage)
    assert client.settings[3] == 2
    client.h2.remote_settings[3] = 100
    client.h2.remote_settings.acknowledge()
    first = [await client.start() for _ in range(2)]
    third = await client.start()
    await client.until(lambda: third.over)
    assert third.reset == 7
    for _ in first:
        upstream = await stage.backend.accept()
        await upstream.request()
        await upstream.send(OK)
    for asked in first:
        assert (await client.answer(asked)).status == 200


async def test_a_client_that_resets_a_stream(stage: Stage) -> None:
    await stage.serve()
    client = await opened(stage)
    asked, other = await client.start(), await client.start()
    ends = [await stage.backend.accept() for _ in range(2)]
    for end in ends:
        await end.request()
    await client.reset_stream(asked.stream)
    await until(lambda: stage.runtime.active == 1, "the exchange to end")
    over = [end for end in ends if await _ended(end)]
    assert len(over) == 1
    left = next(end for end in ends if end not in over)
    await left.send(OK)
    assert (await client.answer(other)).body == b"ok"
    assert stage.word(SERVICE, Word.ABORTED) == 1


async def _ended(end: End) -> bool:
    return not await end.silent(0.2)


async def test_a_malformed_request(stage: Stage) -> None:
    """Only its stream suffers."""
    await stage.serve(route=RESPOND)
    client = await opened(stage)
    asked = await client.start(fields=[("connection", "close")])
    await client.until(lambda: asked.over)
    assert asked.status == 400 or asked.reset == 1
    assert (await client.ask()).body == b"hello"
    assert stage.word(0, WorkerWord.WORKER_VIOLATIONS) == 1


async def test_a_connection_error(stage: Stage) -> None:
    """All exchanges of the connection end; why is said."""
    await stage.serve()
    client = await opened(stage)
    await client.start()
    upstream = await stage.backend.accept()
    await upstream.request()
    await client.raw(b"\0\0\1\6\0\0\0\0\0x")  # a PING of one byte
    await client.end()
    assert client.goaways[-1][0] == 6  # FRAME_SIZE_ERROR
    assert not client.was_reset
    assert await upstream.end() == b""
    assert stage.word(0, WorkerWord.WORKER_VIOLATIONS) == 1


async def test_a_client_that_vanishes(stage: Stage) -> None:
    await stage.serve()
    client = await opened(stage)
    for _ in range(3):
        await client.start()
    ends = [await stage.backend.accept() for _ in range(3)]
    client.reset()
    for end in ends:
        await end.request()
        assert await end.end() == b""
    await stage.quiet()
    assert stage.word(ROUTE, Word.ABORTED) == 3


async def test_a_client_that_sends_no_more(stage: Stage) -> None:
    """The end of its side is the end of all its streams (RFC 9113 section 5.1)."""
    await stage.serve()
    client = await opened(stage)
    await client.start()
    upstream = await stage.backend.accept()
    await upstream.request()
    client.half_close()
    assert await upstream.end() == b""
    await client.end()


async def test_an_early_answer_asks_for_no_more(stage: Stage) -> None:
    """RFC 9113 section 8.1: NO_ERROR behind a complete response."""
    await stage.serve(route=RESPOND)
    client = await opened(stage)
    asked = await client.start("POST", end=False)
    await client.until(lambda: asked.reset is not None)
    assert asked.body == b"hello"
    assert asked.ended
    assert asked.reset == 0
    assert (await client.ask()).body == b"hello"


async def test_an_idle_connection(stage: Stage) -> None:
    await stage.serve(route=RESPOND, listener=spec.ListenerLimits(keep_alive_timeout=0.3))
    client = await opened(stage)
    assert (await client.ask()).body == b"hello"
    await client.end()
    assert client.goaways[-1] == (0, 1)
    assert not client.was_reset


async def test_a_connection_without_a_request(stage: Stage) -> None:
    await stage.serve(route=RESPOND, listener=spec.ListenerLimits(keep_alive_timeout=0.3))
    client = await opened(stage)
    await client.end()
    assert client.goaways[-1] == (0, 0)


async def test_a_head_that_never_ends(stage: Stage) -> None:
    await stage.serve(route=RESPOND, listener=spec.ListenerLimits(head_timeout=0.3))
    client = await opened(stage)
    await client.raw(b"\0\0\1\1\0\0\0\0\1\x82")  # HEADERS without END_HEADERS
    await client.end()
    assert client.goaways
    await stage.quiet()


async def test_a_body_that_never_ends(stage: Stage) -> None:
    await stage.serve(limits=spec.RouteLimits(body_idle_timeout=0.3))
    client = await opened(stage)
    asked = await client.start("POST", end=False)
    other = await client.start()
    await client.until(lambda: asked.fields)
    assert asked.status == 408
    for _ in range(2):
        upstream = await stage.backend.accept()
        if (await upstream.request_head()).method == "GET":
            await upstream.send(OK)
    assert (await client.answer(other)).body == b"ok"


async def test_a_request_that_takes_too_long(stage: Stage) -> None:
    await stage.serve(limits=spec.RouteLimits(request_timeout=0.3))
    client = await opened(stage)
    assert (await client.ask()).status == 504


async def test_a_client_that_reads_nothing(stage: Stage) -> None:
    """Its stream ends, its connection lives."""
    await stage.serve(limits=spec.RouteLimits(response_idle_timeout=0.5))
    client = await opened(stage, credit=False)
    asked = await client.start()
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(200_000))
    await client.until(lambda: asked.reset is not None)
    assert len(asked.body) == 65535
    await client.until(lambda: asked.over)
    client.h2.increment_flow_control_window(65535)
    assert await upstream.end() == b""
    other = await client.start()
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(OK)
    assert (await client.answer(other)).body == b"ok"


async def test_a_slow_stream_stops_only_itself(stage: Stage) -> None:
    await stage.serve()
    client = await opened(stage, credit=False)
    client.h2.increment_flow_control_window(1 << 20)  # of the connection
    slow = await client.start(path="/slow")
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
    assert await upstream.flood(50_000_000) < 20_000_000
    await client.until(lambda: len(slow.body) == 65535)
    quick = await client.start(path="/quick")
    other = await stage.backend.accept()
    for number in range(20):
        if number:
            quick = await client.start(path="/quick")
        await other.request()
        await other.send(OK)
        assert (await client.answer(quick)).body == b"ok"
    assert await client.take(slow.stream) == 65535
    await client.until(lambda: len(slow.body) == 2 * 65535)


async def test_a_slow_upload_stops_only_itself(stage: Stage) -> None:
    await stage.serve()
    client = await opened(stage)
    slow = await client.start("POST", "/slow", end=False)
    upstream = await stage.backend.accept()
    await upstream.request_head()
    sent = await client.flood(slow.stream, 60_000_000)
    assert 65_535 <= sent < 30_000_000
    quick = await client.start("POST", "/quick", end=False)
    other = await stage.backend.accept()
    await asyncio.gather(client.send_body(quick.stream, bytes(500_000)), other.request())
    await other.send(OK)
    assert (await client.answer(quick)).body == b"ok"


async def test_windows_of_the_client_are_kept(stage: Stage) -> None:
    """Of stream and connection, also when they change."""
    await stage.serve(route={"respond": spec.Respond(body="x" * 100_000)})
    client = await opened(stage, credit=False, initial_window_size=1000)
    asked = await client.start()
    await client.until(lambda: len(asked.body) == 1000)
    assert await client.silent(0.1)
    await client.change(initial_window_size=3000)
    await client.until(lambda: len(asked.body) == 3000)
    client.h2.increment_flow_control_window(1 << 20, asked.stream)
    await client.flush()
    await client.until(lambda: len(asked.body) == 65_535)
    client.h2.increment_flow_control_window(1 << 20)
    await client.flush()
    await client.answer(asked)
    assert len(asked.body) == 100_000


async def test_drain_lets_streams_end(stage: Stage) -> None:
    """What is on its way is served; then the connection ends in order."""
    await stage.serve()
    client = await opened(stage)
    asked = await client.start()
    upstream = await stage.backend.accept()
    await upstream.request()
    stage.runtime.drain()
    await client.until(lambda: client.goaways)
    assert client.goaways == [(0, 0x7FFFFFFF)]
    late = await client.start()
    second = await stage.backend.accept()
    await second.request()
    await second.send(OK)
    assert (await client.answer(late)).body == b"ok"
    await client.until(lambda: len(client.goaways) == 2)
    assert client.goaways[1] == (0, late.stream)
    await upstream.send(OK)
    assert (await client.answer(asked)).body == b"ok"
    await client.end()
    assert not client.was_reset


async def test_drain_of_an_idle_connection(stage: Stage) -> None:
    await stage.serve(route=RESPOND)
    client = await opened(stage)
    await client.ask()
    stage.runtime.drain()
    await client.end()
    assert client.goaways == [(0, 0x7FFFFFFF), (0, 1)]


async def test_abort(stage: Stage) -> None:
    await stage.serve()
    client = await opened(stage)
    await client.start()
    await (await stage.backend.accept()).request()
    stage.runtime.abort()
    await client.end()


async def test_too_many_connections_of_one_client(stage: Stage) -> None:
    await stage.serve(route=RESPOND, listener=spec.ListenerLimits(connections_per_client=1))
    await opened(stage)
    other = await stage.client()
    await other.send(PREFACE + SETTINGS)
    assert (await other.response()).status == 429
    assert stage.word(0, WorkerWord.WORKER_CLIENT_LIMIT) == 1


async def test_connect_is_not_served(stage: Stage) -> None:
    await stage.serve(route=RESPOND)
    client = await opened(stage)
    stream = client.h2.get_next_available_stream_id()
    client.streams[stream] = Streamed(stream)
    client.h2.send_headers(stream, [(":method", "CONNECT"), (":authority", "a.example:443")])
    await client.flush()
    await client.until(lambda: client.streams[stream].over)
    assert client.streams[stream].status == 405


async def test_early_bytes_of_a_tunnel(stage: Stage) -> None:
    """What the client sends before the endpoint agreed waits, and is not much."""
    await stage.serve()
    client = await opened(stage)
    asked = await client.start("CONNECT", "/chat", end=False, pseudo=[(":protocol", "websocket")])
    await client.send_body(asked.stream, b"early", end=False)
    upstream = await stage.backend.accept()
    request = await upstream.request()
    assert (request.method, request.target, request.get("upgrade")) == ("GET", "/chat", "websocket")
    from headgate.proxy import websocket

    key = (request.get("sec-websocket-key") or "").encode()
    await upstream.send(
        b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "
        + websocket.accept_of(key)
        + b"\r\n\r\n"
    )
    await upstream.expect(b"early")
    await client.until(lambda: asked.status == 200)
    assert await client.flood(asked.stream, 200_000) == 200_000
    await upstream.expect(bytes(200_000))


@pytest.mark.parametrize("accept", [b"", b"Sec-WebSocket-Accept: d3Jvbmc=\r\n"])
async def test_an_endpoint_that_did_not_read_the_key(stage: Stage, accept: bytes) -> None:
    await stage.serve()
    client = await opened(stage)
    asked = await client.start("CONNECT", "/chat", end=False, pseudo=[(":protocol", "websocket")])
    upstream = await stage.backend.accept()
    await upstream.request()
    await upstream.send(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + accept + b"\r\n")
    assert (await client.answer(asked)).status == 502


async def test_many_pings_of_a_client_that_reads_nothing(stage: Stage) -> None:
    """What waits for it is bounded: it is not read either, or its connection ends."""
    await stage.serve(route=RESPOND)
    client = await stage.client(receive_bytes=4096)
    await client.send(PREFACE + SETTINGS)
    ping = b"\0\0\x08\6\0\0\0\0\0" + bytes(8)
    sent = 0
    with suppress(BrokenPipeError, ConnectionResetError):
        while sent < 100_000_000:
            taken = client.fill(ping * 10_000)
            sent += taken
            if not taken:
                await asyncio.sleep(0.2)
                if not client.fill(ping * 10):
                    break
    assert sent < 100_000_000


async def test_unknown_frames_are_ignored(stage: Stage) -> None:
    await stage.serve(route=RESPOND)
    client = await opened(stage)
    await client.raw(b"\0\0\3\xfa\0" + struct.pack(">I", 0) + b"abc")
    assert (await client.ask()).body == b"hello"
