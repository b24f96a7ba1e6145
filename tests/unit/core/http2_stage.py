"""Connections to say frames on, for the tests of the HTTP/2 codec."""

from __future__ import annotations

from typing import Any

from codec.subjects import request_head, response_head
from headgate.core.events import Data, Event, Violation
from headgate.core.head import Head
from headgate.core.http2 import Http2, Http2Client, Http2Server
from support.frames import BEGIN, GOAWAY, HELLO, RST_STREAM, Frame, frames

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


def server(**options: Any) -> Http2Server:
    """One that a client has greeted."""
    codec = Http2Server(**options)
    codec.begin()
    assert codec.receive(HELLO) == []
    codec.output()
    return codec


def client(
    *,
    begin: bytes = BEGIN,
    ask: bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    last: bool = True,
    **options: Any,
) -> Http2Client:
    """One that has asked for something on stream 1."""
    codec = Http2Client(**options)
    codec.begin()
    assert codec.receive(begin) == []
    assert codec.open() == 1
    send_request(codec, ask, last=last)
    codec.output()
    return codec


def send_request(codec: Http2Client, ask: bytes, stream: int = 1, *, last: bool = True) -> None:
    head = request_head(ask)
    assert head.last == last, "whether a body follows stands in the head"
    codec.send(head, stream)


def respond(
    codec: Http2Server, stream: int = 1, head: bytes = OK, body: bytes = b"ok", asked: bytes = b"GET"
) -> None:
    codec.send(response_head(head, asked), stream)
    if body:
        codec.send(Data(body, stream, last=True))


def describe(events: list[Event]) -> list[tuple[object, ...]]:
    return [event.describe() for event in events]


def code_of(codec: Http2) -> tuple[int, int]:
    """The stream and code of the error that the codec answers with; stream 0 is the connection."""
    errors = [frame for frame in frames(codec.output()) if frame.kind in {RST_STREAM, GOAWAY}]
    assert len(errors) == 1, errors
    return errors[0].stream, errors[0].number


def heads(events: list[Event]) -> list[Head]:
    return [event for event in events if isinstance(event, Head)]


def body(events: list[Event]) -> bytes:
    return b"".join(event.payload for event in events if isinstance(event, Data))


def violations(events: list[Event]) -> list[tuple[int, int, str]]:
    return [(event.stream, event.status, event.reason) for event in events if isinstance(event, Violation)]


def of_kind(output: bytes, kind: int) -> list[Frame]:
    return [frame for frame in frames(output) if frame.kind == kind]
