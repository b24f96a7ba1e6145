"""Fuzz targets of HTTP/2: what comes in any pieces, and operations in any order."""

from __future__ import annotations

from collections.abc import Callable

from codec.http2_corpus import REQUESTS, RESPONSES
from codec.playbook import data as data_event
from codec.playbook import ok, response, trailers
from codec.subjects import request_head
from codec.test_http2_rules import Side, hear
from headgate.core.events import Data, Violation
from headgate.core.http2 import Http2, Http2Client, Http2ProtocolError, Http2Server
from support.frames import BEGIN, HELLO, frames

REQUEST_SEEDS = [said.data[:4096] for said in REQUESTS]
RESPONSE_SEEDS = [said.data[:4096] for said in RESPONSES]


def rules(side: Side) -> Callable[[bytes], None]:
    """The first four bytes say where the rest is cut; events and output do not depend on it."""

    def run(stream: bytes) -> None:
        said = side.hello + stream[4:]
        pieces, at = [], len(side.hello)
        for size in stream[:4]:
            pieces.append(said[at : at + size + 1])
            at += size + 1
        pieces += [said[start : start + 7] for start in range(at, len(said), 7)]
        events, output = hear(side, [said])
        assert hear(side, [side.hello, *pieces]) == (events, output)
        frames(output)

    return run


HEADS = (
    response(b"HTTP/1.1 103 Early"),
    response(b"HTTP/1.1 204 No Content"),
    response(b"HTTP/1.1 304 Not Modified", b"Content-Length: 5"),
    ok(b"Content-Length: 5"),
    ok(b"Transfer-Encoding: chunked"),
    ok(b"Transfer-Encoding: chunked", b"Priority: u=1, i"),
    request_head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    request_head(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
    request_head(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"),
    request_head(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
)
EVENTS = (
    *HEADS,
    data_event(b"hello"),
    data_event(b"x" * 3000),
    data_event(b"y" * 40000),
    data_event(b"hello", last=True),
    Data(b"", last=True),
    trailers(b"X: y"),
    trailers(b"Content-Length: 1"),
)


def greeted() -> tuple[Http2, Http2Client]:
    server, client = Http2Server(max_streams=8), Http2Client()
    server.begin()
    client.begin()
    assert server.receive(HELLO) == client.receive(BEGIN) == []
    server.output()
    client.output()
    return server, client


def operate(plan: bytes) -> None:
    """Each byte is an operation on one of two codecs, on a stream of the low numbers; below 128 it feeds so
    many bytes that follow. What comes out are whole frames; only Http2ProtocolError may be raised.
    """
    codecs = greeted()
    at = 0
    while at + 1 < len(plan):
        code, stream = plan[at], plan[at + 1] % 8 * 2 + 1
        codec = codecs[code & 1]
        at += 2
        try:
            if code < 128:
                at -= 1
                hand_over(codec, plan[at : at + code // 2])
                at += code // 2
            else:
                operation(codec, code, stream)
        except Http2ProtocolError:
            frames(codec.output())
    for codec in codecs:
        frames(codec.output())
        assert codec.output() == b""


def hand_over(codec: Http2, data: bytes) -> None:
    """Feed bytes, and take what they bring."""
    if not data:
        return
    over = codec.over
    events = codec.receive(data)
    assert not (over and events)
    for event in events:
        event.describe()
        if isinstance(event, Data):
            codec.take(event.stream, len(event.payload))
        elif isinstance(event, Violation) and event.stream == 0:
            assert event is events[-1]
            assert codec.over


def operation(codec: Http2, code: int, stream: int) -> None:
    simple: tuple[Callable[[], object], ...] = (
        lambda: frames(codec.output()),
        codec.go_on,
        lambda: codec.go_on(100),
        lambda: codec.reset(stream, 8),
        lambda: codec.take(stream, 1000),
        lambda: codec.set_room(code * 5),
        codec.announce_end,
        codec.settle_end,
        lambda: codec.waits(stream),
    )
    chosen = code >> 1 & 63
    if chosen < len(simple):
        simple[chosen]()
    elif chosen < 16 and isinstance(codec, Http2Client):
        number = codec.open()
        if number > 0 and chosen < 15:
            codec.send(HEADS[6 + chosen % 4], number)
    else:
        codec.send(EVENTS[chosen % len(EVENTS)], stream)


def as_plan(stream: bytes) -> bytes:
    """Feed all of it, with answers between."""
    plan = b"\x95\0" * 3
    for at in range(0, 600, 60):
        piece = stream[at : at + 60]
        plan += bytes([len(piece) * 2]) + piece + bytes([(at * 7) % 64 * 2 + 128, at % 8])
    return plan


def between(plan: bytes) -> None:
    """Two of our codecs talk: whatever they are told to send, neither breaks the protocol for the other."""
    server, client = greeted()
    for code, size in zip(plan[::2], plan[1::2], strict=False):
        codec: Http2 = server if code & 8 else client
        try:
            if not code & 8 and code & 16:
                number = client.open()
                if number > 0:
                    client.send(HEADS[6 + size % 4], number)
            elif code & 32:
                codec.send(EVENTS[size % len(EVENTS)], code % 8 * 2 + 1)
            elif code & 64:
                codec.reset(code % 8 * 2 + 1, 8)
            else:
                codec.go_on(size * 100)
        except Http2ProtocolError:
            codec.go_on(size)
        hear_from(client, server)
        hear_from(server, client)


def hear_from(source: Http2, target: Http2) -> None:
    said = source.output()
    for event in target.receive(said) if said else []:
        assert not (isinstance(event, Violation) and event.stream == 0), event
        if isinstance(event, Data):
            target.take(event.stream, len(event.payload))
