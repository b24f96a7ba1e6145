"""Floods of HTTP/2: each kind ends its connection, costs little memory and output, and is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from struct import pack

import pytest

from codec.subjects import response_head
from headgate.core.events import Data, Violation
from headgate.core.http2 import Http2Server
from headgate.core.http2_abuse import LIMITS, Abuse
from support.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    POST,
    PRIORITY,
    PRIORITY_UPDATE,
    SETTINGS,
    block,
    data,
    frame,
    frames,
    request,
    reset,
    settings,
    window_update,
)
from support.http2 import Code
from unit.core.http2_stage import code_of, respond, server

BLOCK = block(GET)


def streams() -> Iterator[int]:
    return count(3, 2)


def rapid_resets() -> Iterator[bytes]:
    for stream in streams():
        yield request(stream=stream) + reset(stream)


def provoked_resets() -> Iterator[bytes]:
    """The peer makes us reset: the same cost for us, and no RST_STREAM from it."""
    for stream in streams():
        yield request(stream=stream, last=False) + window_update(0, stream)


def malformed_requests() -> Iterator[bytes]:
    for stream in streams():
        yield request((b"A", b"b"), stream=stream)


def too_many_streams() -> Iterator[bytes]:
    for stream in streams():
        yield request(stream=stream)


def continuations() -> Iterator[bytes]:
    yield frame(HEADERS, END_STREAM, 3, BLOCK)
    while True:
        yield frame(CONTINUATION, 0, 3, block([(b"a", b"b")]))


def long_continuations() -> Iterator[bytes]:
    yield frame(HEADERS, END_STREAM, 3, BLOCK)
    while True:
        yield frame(CONTINUATION, 0, 3, bytes(16384))


def large_heads() -> Iterator[bytes]:
    """A bomb: a field of 4 KiB in the table, and then its index over and over."""
    bomb = b"\x40" + b"\x01a" + b"\x7f\x81\x1e" + b"b" * 3968
    for stream in streams():
        yield frame(HEADERS, END_HEADERS | END_STREAM, stream, BLOCK + bomb + b"\xbe" * 8000)


def empty_data() -> Iterator[bytes]:
    yield request(stream=3, pseudo=POST, last=False)
    while True:
        yield data(b"", 3)


def padding() -> Iterator[bytes]:
    """Frames that are not empty, and carry nothing all the same."""
    yield request(stream=3, pseudo=POST, last=False)
    while True:
        yield frame(DATA, PADDED, 3, b"\x04" + bytes(4))


def heads_of_reset_streams() -> Iterator[bytes]:
    yield request(stream=3, last=False) + window_update(0, 3)
    while True:
        yield request(stream=3)


def empty_continuations() -> Iterator[bytes]:
    for stream in streams():
        yield frame(HEADERS, END_STREAM, stream, BLOCK) + frame(CONTINUATION, 0, stream) * 40
        yield frame(CONTINUATION, END_HEADERS, stream) + reset(stream) * 0


def forever(said: bytes) -> Callable[[], Iterator[bytes]]:
    def again() -> Iterator[bytes]:
        while True:
            yield said

    return again


FLOODS: dict[str, tuple[Callable[[], Iterator[bytes]], Abuse]] = {
    "rapid resets": (rapid_resets, Abuse.RAPID_RESETS),
    "provoked resets": (provoked_resets, Abuse.RAPID_RESETS),
    "malformed requests": (malformed_requests, Abuse.REFUSED_STREAMS),
    "too many streams": (too_many_streams, Abuse.REFUSED_STREAMS),
    "continuations": (continuations, Abuse.CONTINUATIONS),
    "long continuations": (long_continuations, Abuse.CONTINUATIONS),
    "large heads": (large_heads, Abuse.LARGE_HEADS),
    "empty data": (empty_data, Abuse.EMPTY_FRAMES),
    "padding": (padding, Abuse.EMPTY_FRAMES),
    "heads of reset streams": (heads_of_reset_streams, Abuse.REFUSED_STREAMS),
    "empty continuations": (empty_continuations, Abuse.CONTINUATIONS),
    "pings": (forever(frame(PING, payload=bytes(8))), Abuse.PINGS),
    "answers to no ping": (forever(frame(PING, ACK, payload=bytes(8))), Abuse.PINGS),
    "acknowledgements": (forever(frame(SETTINGS, ACK)), Abuse.SETTINGS_CHANGES),
    "farewells": (forever(frame(GOAWAY, payload=bytes(8))), Abuse.GOAWAYS),
    "settings": (forever(settings()), Abuse.SETTINGS_CHANGES),
    "full settings": (forever(settings(*[(4, 65535)] * 100)), Abuse.SETTINGS_CHANGES),
    "window updates": (forever(window_update(1)), Abuse.WINDOW_UPDATES),
    "window updates of a stream": (forever(window_update(1, 1)), Abuse.WINDOW_UPDATES),
    "priorities": (forever(frame(PRIORITY, 0, 5, pack(">IB", 3, 1))), Abuse.PRIORITIES),
    "updates of priorities": (
        forever(frame(PRIORITY_UPDATE, payload=pack(">I", 99) + b"u=1")),
        Abuse.PRIORITIES,
    ),
    "unknown frames": (forever(frame(77, 0, 0, b"x")), Abuse.UNKNOWN_FRAMES),
    "late resets": (forever(reset(1)), Abuse.RAPID_RESETS),
}


def flooded(name: str, *, size: int = 1) -> tuple[Http2Server, int, int]:
    """Say it until the connection ends. The codec, bytes that were fed, and bytes that came out."""
    flood, _ = FLOODS[name]
    codec = server()
    codec.receive(request())
    fed = out = 0
    said = flood()
    while not codec.over:
        piece = b"".join(next(said) for _ in range(size))
        events = codec.receive(piece)
        fed += len(piece)
        output = codec.output()
        out += len(output)
        assert codec.kept_bytes < 256 * 1024
        assert fed < 20 << 20, "it never ends"
    violation = events[-1]
    assert isinstance(violation, Violation)
    assert violation.code == Code.ENHANCE_YOUR_CALM
    assert output[-len(violation.reason) :] == violation.reason.encode()
    return codec, fed, out


@pytest.mark.parametrize("size", [1, 40])
@pytest.mark.parametrize("name", [name for name in FLOODS if name != "late resets"])
def test_floods_end_the_connection(name: str, size: int) -> None:
    codec, fed, out = flooded(name, size=size)
    kind = FLOODS[name][1]
    if name != "long continuations":  # which has a limit of its own
        assert codec.tolerance.exceeded == kind
    assert out < 4 * fed + 100, "what comes out is bounded by what comes in"
    assert codec.receive(request(stream=99999)) == []


def test_every_kind_has_a_limit_and_a_flood() -> None:
    assert len(LIMITS) == Abuse.ABUSES
    assert {kind for _, kind in FLOODS.values()} | {Abuse.TINY_WINDOWS} == set(Abuse) - {Abuse.ABUSES}


def test_tiny_windows() -> None:
    """A window of single bytes makes a frame of each."""
    codec = server()
    codec.receive(settings((4, 0)) + request())
    codec.send(response_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), 1)
    codec.send(Data(bytes(50_000), 1))
    for _ in range(50_000):
        codec.receive(window_update(1, 1), now=1.0)
        if any(isinstance(event, Violation) for event in codec.go_on()):
            break
    assert codec.over
    assert codec.tolerance.exceeded == Abuse.TINY_WINDOWS
    codec.output()


def test_time_gives_back() -> None:
    """A ping a second is a sign of life."""
    codec = server()
    for second in range(10_000):
        assert codec.receive(frame(PING, payload=bytes(8)), now=float(second)) == []
        assert codec.output() == frame(PING, ACK, payload=bytes(8))


def test_answers_to_our_pings_are_welcome() -> None:
    """An upload on a long path: each round trip is measured, and each answer expected."""
    codec = server(window_bytes=65536, budget_bytes=1 << 30)
    codec.receive(request(pseudo=POST, last=False))
    answered = 0
    for _ in range(2000):
        codec.receive(data(bytes(16384)))
        codec.take(1, 16384)
        pings = [each for each in frames(codec.output()) if each.kind == PING]
        answered += len(pings)
        for each in pings:
            codec.receive(frame(PING, ACK, payload=each.payload))
    assert not codec.over
    assert answered > LIMITS[Abuse.PINGS][0]


def test_requests_behind_the_last_one_are_counted() -> None:
    codec = server()
    codec.settle_end()
    for stream in streams():
        codec.receive(request(stream=stream))
        if codec.over:
            break
        assert stream < 20_000
    assert codec.tolerance.exceeded == Abuse.REFUSED_STREAMS
    codec.output()


def test_busy_clients_are_welcome() -> None:
    """They take back every other request, answer pieces with windows, and ping now and then."""
    codec = server()
    codec.now = 1.0
    for stream in range(1, 8001, 2):
        codec.now += 0.02
        codec.receive(request(stream=stream))
        if stream % 4 == 1:
            respond(codec, stream)
        else:
            codec.receive(reset(stream))
        codec.receive(window_update(2) * 20 + frame(PRIORITY, 0, stream, bytes(5)))
        if stream % 10 == 1:
            codec.receive(frame(PING, payload=bytes(8)))
        codec.output()
    assert not codec.over


def test_too_many_streams_are_refused() -> None:
    codec = server(max_streams=2)
    events = codec.receive(b"".join(request(stream=stream) for stream in (1, 3, 5)))
    assert len(events) == 2
    assert code_of(codec) == (5, Code.REFUSED_STREAM)
    respond(codec, 1)
    codec.output()
    assert codec.receive(data(b"late", 5) + window_update(1, 5)) == []
    (head,) = codec.receive(request(stream=7))
    assert head.stream == 7
