"""Floods over HTTP/2: whoever sends one is told to calm down, and nobody else notices."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from contextlib import suppress

import pytest

from headgate import spec
from headgate.core.cells import Block, Word, WorkerWord
from headgate.core.http2_abuse import Abuse
from unit.proxy.http2_end import Http2End
from unit.proxy.stage import ENDPOINT, LISTENER, Stage, until

CALM = 11  # ENHANCE_YOUR_CALM
HEAD = b"\x82\x84\x86\x41\x01a"  # GET / http, authority a


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def rapid_resets(number: int) -> bytes:
    return frame(1, 5, 2 * number + 1, HEAD) + frame(3, 0, 2 * number + 1, b"\0\0\0\x08")


def pings(_: int) -> bytes:
    return frame(6, 0, 0, bytes(8))


def settings(number: int) -> bytes:
    return frame(4, 0, 0, struct.pack(">HI", 4, 60_000 + number % 1000))


def empty_data(number: int) -> bytes:
    return (frame(1, 4, 1, b"\x83" + HEAD[1:]) if number == 0 else b"") + frame(0, 0, 1)


def window_updates(_: int) -> bytes:
    return frame(8, 0, 0, b"\0\0\0\1")


def priorities(number: int) -> bytes:
    return frame(2, 0, 2 * number + 1, b"\0\0\0\0\x10")


def continuations(number: int) -> bytes:
    return frame(1, 0, 1, b"\x82") if number == 0 else frame(9, 0, 1, b"")


def unknown_frames(_: int) -> bytes:
    return frame(0xFA, 0, 0)


FLOODS: tuple[tuple[Callable[[int], bytes], Abuse], ...] = (
    (pings, Abuse.PINGS),
    (settings, Abuse.SETTINGS_CHANGES),
    (empty_data, Abuse.EMPTY_FRAMES),
    (window_updates, Abuse.WINDOW_UPDATES),
    (priorities, Abuse.PRIORITIES),
    (continuations, Abuse.CONTINUATIONS),
    (unknown_frames, Abuse.UNKNOWN_FRAMES),
)


def counted(stage: Stage, abuse: Abuse) -> int:
    return Block(memoryview(stage.memory), 0).read(WorkerWord.WORKER_ABUSES + abuse)


@pytest.mark.parametrize(("flood", "abuse"), FLOODS, ids=[flood.__name__ for flood, _ in FLOODS])
async def test_a_flood(stage: Stage, flood: Callable[[int], bytes], abuse: Abuse) -> None:
    await stage.serve(route={"respond": spec.Respond(body="hello")})
    other = Http2End((await stage.client()).socket)
    await other.begin()
    end = Http2End((await stage.client()).socket)
    await end.begin()
    await end.until(lambda: end.settings)
    end.deaf = True
    sending = asyncio.create_task(_send(end, b"".join(flood(number) for number in range(20_000))))
    for _ in range(5000):
        assert (await other.ask()).body == b"hello"
        if counted(stage, abuse):
            break
    with suppress(AssertionError):
        await end.until(lambda: end.goaways)
    assert end.was_reset or end.goaways[-1][0] == CALM
    await sending
    assert counted(stage, abuse) == 1
    assert (await other.ask()).body == b"hello"
    end.close()
    await until(lambda: stage.runtime.connections == 1, "the connection to end")


async def _send(end: Http2End, data: bytes) -> None:
    with suppress(ConnectionError, OSError):
        await asyncio.get_running_loop().sock_sendall(end.socket, data)


async def test_tiny_windows(stage: Stage) -> None:
    """Much waits when the connection ends, and could still be sent: the worker does not try for ever."""
    await stage.serve(route={"respond": spec.Respond(body="x" * 20_000)})
    other = Http2End((await stage.client()).socket)
    await other.begin()
    end = Http2End((await stage.client()).socket)
    await end.begin()
    await end.until(lambda: end.settings)
    end.deaf = True
    streams = range(1, 200, 2)
    await _send(end, frame(4, 0, 0, struct.pack(">HI", 4, 1)))
    await _send(end, b"".join(frame(1, 5, stream, HEAD) for stream in streams))
    credit = b"".join(frame(8, 0, stream, b"\0\0\0\1") for stream in streams)
    for _ in range(1000):
        await _send(end, credit)
        assert (await other.ask()).status == 200
        if counted(stage, Abuse.TINY_WINDOWS):
            break
    assert counted(stage, Abuse.TINY_WINDOWS) == 1
    end.close()
    await until(lambda: stage.runtime.connections == 1, "the connection to end")


async def test_resets_that_reach_endpoints(stage: Stage) -> None:
    """CVE-2023-44487: each costs an exchange, until it is enough."""
    await stage.serve(pool=spec.Pool(connections=4, waiting=10))
    end = Http2End((await stage.client()).socket)
    await end.begin()
    await end.until(lambda: end.settings)
    sending = asyncio.create_task(_send(end, b"".join(rapid_resets(number) for number in range(20_000))))
    await until(lambda: counted(stage, Abuse.RAPID_RESETS), "it to be enough")
    await sending
    await stage.quiet()
    end.close()
    await until(lambda: not stage.runtime.connections, "the connection to end")


async def test_others_have_their_turn_between_many_requests(stage: Stage) -> None:
    await stage.serve(route={"respond": spec.Respond(body="hello")}, http2=spec.Http2(max_streams=1000))
    other = Http2End((await stage.client()).socket)
    await other.begin()
    end = Http2End((await stage.client()).socket)
    await end.begin()
    await end.until(lambda: end.settings)
    end.socket.send(b"".join(frame(1, 5, stream, HEAD) for stream in range(1, 2000, 2)))
    assert (await other.ask()).body == b"hello"
    assert stage.word(LISTENER, Word.RESPONSES_2XX) < 1001, "the answer came before most others"
    await until(lambda: stage.word(LISTENER, Word.RESPONSES_2XX) == 1001, "all to be answered")


async def earn_trust(stage: Stage, end: Http2End) -> None:
    """A new connection begins one request in a turn of the event loop, one that behaved fifty."""
    end.deaf = True
    await _send(end, b"".join(frame(1, 5, stream, HEAD) for stream in range(1, 101, 2)))
    await until(lambda: stage.word(LISTENER, Word.RESPONSES_2XX) == 50, "fifty answers")


async def test_a_new_connection_takes_back_what_it_asked(stage: Stage) -> None:
    """Most of it before a connection is opened for it."""
    await stage.serve()
    end = Http2End((await stage.client()).socket)
    await end.begin()
    await end.until(lambda: end.settings)
    await _send(end, b"".join(rapid_resets(number) for number in range(45)))
    await until(lambda: stage.word(LISTENER, Word.ABORTED) == 45, "all to end")
    assert stage.word(ENDPOINT, Word.CONNECTIONS) < 20
    end.close()


async def test_a_request_that_breaks_the_rules_at_once_is_recorded_with_the_reason(stage: Stage) -> None:
    await stage.serve(access_log=spec.AccessLog())
    end = Http2End((await stage.client()).socket)
    await end.begin()
    await end.until(lambda: end.settings)
    more = b"\x0f\x0d\x011"  # content-length: 1
    await _send(end, frame(1, 4, 1, b"\x83" + HEAD[1:] + more) + frame(0, 1, 1, b"ab"))
    await until(lambda: stage.word(LISTENER, Word.ABORTED) == 1, "it to end")
    stage.runtime.context.write_records()
    assert b'"reason":"http_request_error"' in stage.records.text
    end.close()
    await until(lambda: not stage.runtime.connections, "the connection to end")


async def test_requests_that_are_taken_back_before_their_turn(stage: Stage) -> None:
    """Connections to endpoints are opened some at a time, and not for those who left meanwhile."""
    await stage.serve(route={"respond": spec.Respond(body="hello")})
    end = Http2End((await stage.client()).socket)
    await end.begin()
    await end.until(lambda: end.settings)
    await earn_trust(stage, end)
    await stage.serve()
    streams = range(101, 281, 2)
    resets = b"".join(frame(3, 0, stream, b"\0\0\0\x08") for stream in streams)
    await _send(end, b"".join(frame(1, 5, stream, HEAD) for stream in streams) + resets)
    await until(lambda: stage.word(LISTENER, Word.ABORTED) == 90, "all to end")
    await until(lambda: stage.word(ENDPOINT, Word.CONNECTIONS) == 1, "that of the first turn")
    end.close()
    await until(lambda: not stage.runtime.connections, "the connection to end")
    assert stage.word(ENDPOINT, Word.CONNECTIONS) == 1


async def test_many_streams_that_never_end(stage: Stage) -> None:
    """What one connection may hold open is limited, and the others have their own."""
    await stage.serve(http2=spec.Http2(max_streams=10))
    end = Http2End((await stage.client()).socket)
    await end.begin()
    await end.until(lambda: end.settings)
    await _send(end, b"".join(frame(1, 4, 2 * number + 1, b"\x83" + HEAD[1:]) for number in range(500)))
    await until(lambda: stage.runtime.active == 10, "ten exchanges to begin")
    assert stage.runtime.active == 10
