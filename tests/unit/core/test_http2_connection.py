"""Connections of HTTP/2: preface, settings, errors of frames, their scope and code (RFC 9113)."""

from __future__ import annotations

from struct import pack

import pytest

from headgate.core.events import Closing, Reset, Violation
from headgate.core.http2 import Http2Client, Http2Server
from support.frames import (
    ACK,
    BEGIN,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    HELLO,
    PADDED,
    PING,
    PREFACE,
    PRIORITISED,
    PRIORITY,
    PRIORITY_UPDATE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    answer,
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
from unit.core.http2_stage import client, code_of, describe, heads, respond, server

BLOCK = block(GET)
OPEN = request(last=False)
PROTOCOL, FLOW, CLOSED, SIZE = 1, 3, 5, 6

# What a client may not say, and the code that the connection ends with.
CONNECTION_ERRORS = {
    "DATA without a stream": (frame(DATA, payload=b"x"), PROTOCOL),
    "DATA on an idle stream": (data(b"x", 3), PROTOCOL),
    "DATA of an even number": (data(b"x", 2), PROTOCOL),
    "DATA with too much padding": (OPEN + frame(DATA, PADDED, 1, b"\x02x"), PROTOCOL),
    "DATA without its padding": (OPEN + frame(DATA, PADDED, 1, b""), SIZE),
    "a frame too large": (OPEN + frame(DATA, 0, 1, bytes(16385)), SIZE),
    "an unknown frame too large": (frame(99, 0, 0, bytes(16385)), SIZE),
    "HEADERS without a stream": (frame(HEADERS, END_HEADERS, 0, BLOCK), PROTOCOL),
    "HEADERS of an even number": (request(stream=2), PROTOCOL),
    "HEADERS of a lower number": (request(stream=5) + request(stream=3), PROTOCOL),
    "HEADERS with too much padding": (frame(HEADERS, END_HEADERS | PADDED, 1, b"\x05abcd"), PROTOCOL),
    "HEADERS without their padding": (frame(HEADERS, END_HEADERS | PADDED, 1, b""), SIZE),
    "HEADERS without their priority": (frame(HEADERS, END_HEADERS | PRIORITISED, 1, b"abcd"), SIZE),
    "HEADERS that cannot be decoded": (frame(HEADERS, END_HEADERS, 1, b"\x80"), 9),
    "HEADERS that end in a field": (frame(HEADERS, END_HEADERS, 1, BLOCK[:-1]), 9),
    "PRIORITY without a stream": (frame(PRIORITY, payload=bytes(5)), PROTOCOL),
    "RST_STREAM without a stream": (reset(0), PROTOCOL),
    "RST_STREAM on an idle stream": (reset(1), PROTOCOL),
    "RST_STREAM of a wrong size": (OPEN + frame(RST_STREAM, 0, 1, bytes(5)), SIZE),
    "SETTINGS on a stream": (frame(SETTINGS, 0, 1), PROTOCOL),
    "SETTINGS of a wrong size": (frame(SETTINGS, payload=bytes(5)), SIZE),
    "an acknowledgement with settings": (frame(SETTINGS, ACK, 0, bytes(6)), SIZE),
    "ENABLE_PUSH of 2": (settings((2, 2)), PROTOCOL),
    "INITIAL_WINDOW_SIZE of 2^31": (settings((4, 1 << 31)), FLOW),
    "MAX_FRAME_SIZE too small": (settings((5, 16383)), PROTOCOL),
    "MAX_FRAME_SIZE too large": (settings((5, 1 << 24)), PROTOCOL),
    "ENABLE_CONNECT_PROTOCOL of 2": (settings((8, 2)), PROTOCOL),
    "NO_RFC7540_PRIORITIES of 2": (settings((9, 2)), PROTOCOL),
    "PUSH_PROMISE": (OPEN + frame(PUSH_PROMISE, END_HEADERS, 1, pack(">I", 2) + BLOCK), PROTOCOL),
    "PING on a stream": (frame(PING, 0, 1, bytes(8)), PROTOCOL),
    "PING of a wrong size": (frame(PING, payload=bytes(7)), SIZE),
    "GOAWAY on a stream": (frame(GOAWAY, 0, 1, bytes(8)), PROTOCOL),
    "GOAWAY of a wrong size": (frame(GOAWAY, payload=bytes(7)), SIZE),
    "WINDOW_UPDATE of a wrong size": (frame(WINDOW_UPDATE, payload=bytes(5)), SIZE),
    "WINDOW_UPDATE of nothing": (window_update(0), PROTOCOL),
    "WINDOW_UPDATE on an idle stream": (window_update(1, 1), PROTOCOL),
    "a window of the connection too large": (window_update(0x7FFFFFFF), FLOW),
    "a window of a stream too large by settings": (
        OPEN + window_update(0x7FFF0000, 1) + settings((4, 0x20000)), FLOW,
    ),
    "CONTINUATION of nothing": (frame(CONTINUATION, END_HEADERS, 1, BLOCK), PROTOCOL),
    "CONTINUATION behind the end": (OPEN + frame(CONTINUATION, END_HEADERS, 1, BLOCK), PROTOCOL),
    "CONTINUATION of another stream": (
        frame(HEADERS, 0, 1, BLOCK[:3]) + frame(CONTINUATION, END_HEADERS, 3, BLOCK[3:]), PROTOCOL,
    ),
    "a header block interrupted": (frame(HEADERS, 0, 1, BLOCK[:3]) + frame(PING, payload=bytes(8)), PROTOCOL),
    "a header block interrupted by what is unknown": (frame(HEADERS, 0, 1, BLOCK[:3]) + frame(99), PROTOCOL),
    "PRIORITY_UPDATE on a stream": (frame(PRIORITY_UPDATE, 0, 1, pack(">I", 1)), PROTOCOL),
    "PRIORITY_UPDATE of no stream": (frame(PRIORITY_UPDATE, payload=pack(">I", 0)), PROTOCOL),
    "PRIORITY_UPDATE of a wrong size": (frame(PRIORITY_UPDATE, payload=b"abc"), SIZE),
    "PRIORITY of a wrong size on an idle stream": (frame(PRIORITY, 0, 1, bytes(4)), SIZE),
}  # fmt: skip


@pytest.mark.parametrize("name", CONNECTION_ERRORS)
def test_errors_of_the_connection(name: str) -> None:
    said, code = CONNECTION_ERRORS[name]
    codec = server()
    violation = codec.receive(said)[-1]
    assert isinstance(violation, Violation)
    assert (violation.stream, violation.code, violation.status) == (0, code, 400)
    assert code_of(codec) == (0, code)
    assert codec.over
    assert codec.closing
    assert codec.receive(request(stream=7)) == []
    assert codec.output() == b""


# What a client may not say on a stream, with the code that it ends with.
STREAM_ERRORS = {
    "DATA behind the end": (request() + data(b"x"), CLOSED),
    "HEADERS behind the end": (request() + request(), CLOSED),
    "trailers that end nothing": (OPEN + request(last=False, pseudo=()), PROTOCOL),
    "trailers with pseudo-fields": (OPEN + request(), PROTOCOL),
    "trailers with a field of connections": (OPEN + request((b"connection", b"x"), pseudo=()), PROTOCOL),
    "WINDOW_UPDATE of nothing": (OPEN + window_update(0, 1), PROTOCOL),
    "a window too large": (OPEN + window_update(0x7FFFFFFF, 1), FLOW),
    "PRIORITY of a wrong size": (OPEN + frame(PRIORITY, 0, 1, bytes(4)), SIZE),
    "a stream that depends on itself": (OPEN + frame(PRIORITY, 0, 1, pack(">IB", 1, 9)), PROTOCOL),
    "more than the window": (OPEN + data(bytes(16384)) * 4 + data(b"x"), FLOW),
}


@pytest.mark.parametrize("name", STREAM_ERRORS)
def test_errors_of_a_stream(name: str) -> None:
    said, code = STREAM_ERRORS[name]
    codec = server()
    event = codec.receive(said)[-1]
    assert isinstance(event, Reset)
    assert (event.stream, event.code, event.ours, event.unprocessed) == (1, code, True, False)
    assert code_of(codec) == (1, code)
    assert codec.open_streams == 0
    # What was on its way is ignored, and others do not suffer.
    assert codec.receive(data(b"late") + request(stream=1) + reset(1) + window_update(5, 1)) == []
    assert codec.output() == b""
    assert heads(codec.receive(request(stream=3)))


def test_a_stream_that_depends_on_itself_from_the_start() -> None:
    codec = server()
    said = frame(HEADERS, END_HEADERS | END_STREAM | PRIORITISED, 1, pack(">IB", 1, 9) + BLOCK)
    assert codec.receive(said) == []
    assert code_of(codec) == (1, PROTOCOL)
    assert heads(codec.receive(request(stream=3)))


def test_streams_that_ended_take_nothing_more() -> None:
    """RFC 9113 section 5.1: an error of the connection, since both sides know that it is over."""
    for said in (data(b"x"), request()):
        codec = server()
        codec.receive(request())
        respond(codec)
        codec.output()
        assert isinstance(codec.receive(said)[-1], Violation)
        assert code_of(codec) == (0, CLOSED)


def test_streams_that_the_client_reset_take_nothing_more() -> None:
    for said in (data(b"x"), request()):
        codec = server()
        codec.receive(OPEN)
        (event,) = codec.receive(reset(1, 8))
        assert isinstance(event, Reset)
        assert (event.code, event.ours, event.reason) == (8, False, "reset by the peer: CANCEL")
        assert codec.receive(said) == []
        assert code_of(codec) == (1, CLOSED)


def test_late_frames_of_closed_streams_are_ignored() -> None:
    codec = server()
    codec.receive(request())
    respond(codec)
    codec.output()
    assert codec.receive(reset(1) + window_update(9, 1) + frame(PRIORITY, 0, 1, bytes(5))) == []
    assert codec.output() == b""


# --- The preface and settings -------------------------------------------------------------------


def test_a_server_says_its_settings_first() -> None:
    codec = Http2Server(max_streams=77, head_bytes=1000, window_bytes=100_000, budget_bytes=1 << 20)
    codec.begin()
    first, second = frames(codec.output())
    assert (first.kind, first.flags, first.stream) == (SETTINGS, 0, 0)
    assert first.payload == b"".join(
        pack(">HI", *pair) for pair in ((3, 77), (4, 100_000), (6, 1000), (8, 1), (9, 1))
    )
    assert (second.kind, second.stream, second.number) == (WINDOW_UPDATE, 0, (1 << 20) - 65535)


def test_a_client_says_the_preface_first() -> None:
    codec = Http2Client(window_bytes=65535, budget_bytes=1 << 20)
    codec.begin()
    assert codec.output() == PREFACE + settings((2, 0), (4, 65535), (6, 32768)) + window_update(
        (1 << 20) - 65535
    )


@pytest.mark.parametrize("at", range(24))
def test_another_preface_is_refused(at: int) -> None:
    codec = Http2Server()
    codec.begin()
    codec.output()
    preface = bytearray(PREFACE)
    preface[at] ^= 1
    assert describe(codec.receive(bytes(preface))) == [("Violation", 0, 400, "no preface of HTTP/2")]
    assert code_of(codec) == (0, PROTOCOL)


@pytest.mark.parametrize("first", [frame(PING, payload=bytes(8)), frame(SETTINGS, ACK), request()])
def test_the_first_frame_must_be_settings(first: bytes) -> None:
    codec = Http2Server()
    codec.begin()
    codec.output()
    assert not codec.settled
    assert describe(codec.receive(PREFACE + first)) == [
        ("Violation", 0, 400, "the first frame is not SETTINGS")
    ]


def test_settings_are_acknowledged_and_unknown_ones_ignored() -> None:
    codec = Http2Server()
    assert codec.in_head
    codec.receive(PREFACE + settings((0xBEEF, 1), (1, 0), (2, 0), (5, 16384), (6, 1)))
    assert codec.output() == frame(SETTINGS, ACK)
    assert codec.settled
    assert not codec.in_head


def test_a_head_that_is_not_complete_is_known() -> None:
    codec = server()
    for size in range(1, len(OPEN)):
        codec.receive(OPEN[size - 1 : size])
        assert codec.in_head
    codec.receive(OPEN[-1:])
    assert not codec.in_head
    codec.receive(frame(HEADERS, 0, 3, BLOCK[:5]))
    assert codec.in_head


def test_pings_are_answered() -> None:
    codec = server()
    assert codec.receive(frame(PING, payload=b"12345678") + frame(PING, ACK, payload=b"abcdefgh")) == []
    assert codec.output() == frame(PING, ACK, payload=b"12345678")


def test_unknown_frames_are_ignored() -> None:
    codec = server()
    said = frame(99, 255, 0, b"x") + frame(100, 0, 12345, b"y" * 100) + frame(PRIORITY, 0, 2, bytes(5))
    assert codec.receive(said + request(stream=3)) != []
    assert codec.output() == b""


def test_the_reserved_bit_is_ignored() -> None:
    codec = server()
    said = bytearray(request())
    said[5] |= 0x80
    assert heads(codec.receive(bytes(said)))[0].stream == 1


# --- The end ------------------------------------------------------------------------------------


def test_a_graceful_end_has_two_steps() -> None:
    codec = server()
    codec.receive(request())
    codec.announce_end()
    assert codec.output() == frame(GOAWAY, payload=pack(">II", 0x7FFFFFFF, 0))
    codec.announce_end()
    assert codec.output() == b""
    assert heads(codec.receive(request(stream=3))), "it was on its way"
    codec.settle_end()
    assert codec.output() == frame(GOAWAY, payload=pack(">II", 3, 0))
    assert codec.receive(request(stream=5)) == [], "the client knows that it may try elsewhere"
    assert codec.output() == b""
    respond(codec, 3)
    assert frames(codec.output())[0].stream == 3


def test_an_end_at_once() -> None:
    codec = server()
    codec.receive(request(stream=9))
    codec.leave(Code.INTERNAL_ERROR, b"oops")
    assert codec.output() == frame(GOAWAY, payload=pack(">II", 9, 2) + b"oops")
    assert codec.over
    codec.leave()
    assert codec.output() == b""
    assert codec.receive(b"") == []


def test_the_peer_goes() -> None:
    codec = server()
    codec.receive(request())
    (event,) = codec.receive(frame(GOAWAY, payload=pack(">II", 0, 2) + b"bye"))
    assert isinstance(event, Closing)
    assert (event.last_stream, event.code) == (0, 2)
    respond(codec)
    assert frames(codec.output())[-1].flags & END_STREAM


def test_the_end_of_input_ends_all_streams() -> None:
    codec = server()
    codec.receive(request(stream=1, last=False) + request(stream=3) + request(stream=5, last=False))
    assert describe(codec.receive(b"")) == [
        ("Reset", 1, "the connection was closed"),
        ("Reset", 3, "the connection was closed"),
        ("Reset", 5, "the connection was closed"),
        ("Closing", 0, False),
    ]
    assert codec.receive(b"") == []


def test_a_clients_connection_errors() -> None:
    for said, code in (
        (settings((2, 1)), PROTOCOL),
        (answer(stream=2), PROTOCOL),
        (answer(stream=3), PROTOCOL),
        (frame(PUSH_PROMISE, END_HEADERS, 1, pack(">I", 2) + BLOCK), PROTOCOL),
        (frame(PRIORITY_UPDATE, payload=pack(">I", 1)), PROTOCOL),
        (settings((8, 1)) + settings((8, 0)), PROTOCOL),
    ):
        codec = client()
        assert isinstance(codec.receive(said)[-1], Violation), said
        assert code_of(codec) == (0, code)
        assert codec.capacity == 0


def test_nothing_is_acknowledged_twice() -> None:
    codec = server()
    assert codec.receive(BEGIN) == []
    assert codec.output() == frame(SETTINGS, ACK)


def test_the_beginning_may_come_in_any_pieces() -> None:
    for size in range(1, len(HELLO)):
        codec = Http2Server()
        assert codec.receive(HELLO[:size]) == []
        assert codec.receive(HELLO[size:]) == []
        assert codec.settled
