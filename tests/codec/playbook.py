r"""Conversations with a codec, written as tables: what comes in, what it says, what goes out.

    play = Playbook(Http1Server())
    play.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / last")
    play.send(ok(b"Content-Length: 2"), data(b"hi", last=True))
    play.writes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    play.next()

Each step is checked at once. Events are lines of text; `line` says how they read.
"""

from __future__ import annotations

import pytest

from codec.corpus import head as head_bytes
from codec.subjects import request_head, response_head
from headgate.core.events import Closing, Data, Event, Reset, Tunnel, Violation
from headgate.core.head import Head
from headgate.core.http1 import Http1Client, Http1Server, ProtocolError


def line(event: Event) -> str:
    """An event as a line: "GET /x length=3", "200 OK chunked close", "data 'abc' last", "closing" …

    Streams behind the first begin with their number, as in "#1 GET / last".
    """
    stream = f"#{event.stream} " if event.stream else ""
    last = " last" if event.last else ""
    match event:
        case Head(status=status) if status:
            return f"{stream}{status} {event.reason_text}{_framing(event)}{last}"
        case Head() if event.method_name is not None:
            return f"{stream}{event.method_name} {event.target_text}{_framing(event)}{last}"
        case Head():
            fields = ", ".join(f"{name.decode()}: {value.decode()}" for name, value in event.items())
            return f"{stream}trailers {fields}"
        case Data():
            return f"{stream}data {event.payload.decode('latin-1')!r}{last}"
        case Violation():
            return f"{stream}violation {event.status} {event.reason}"
        case Reset():
            return f"{stream}reset {event.reason}"
        case Closing():
            return "closing"
        case Tunnel():
            return f"{stream}tunnel"
    raise AssertionError(event)


def _framing(head: Head) -> str:
    parts = [
        "" if head.version == 11 else f" {head.version / 10}",
        " chunked" if head.chunked else "",
        f" length={head.content_length}" if head.content_length >= 0 else "",
        "" if head.keep_alive else " close",
    ]
    return "".join(parts)


class Playbook:
    """A codec and what was said so far."""

    def __init__(self, codec: Http1Server | Http1Client) -> None:
        self.codec = codec
        self.head: Head | None = None  # the last one that came in

    def receive(self, data: bytes, *lines: str) -> Playbook:
        """Feed bytes; exactly these events come of them."""
        return self._expect(self.codec.receive(data), lines)

    def end(self, *lines: str) -> Playbook:
        """The peer sends no more."""
        return self._expect(self.codec.receive(b""), lines)

    def next(self, *lines: str) -> Playbook:
        """The exchange is over; these events come of what was held."""
        return self._expect(self.codec.next(), lines)

    def send(self, *events: Event) -> Playbook:
        for event in events:
            self.codec.send(event)
        return self

    def refuses(self, event: Event, reason: str) -> Playbook:
        """Sending this would break the protocol; nothing of it goes out behind what did."""
        self.codec.output()
        with pytest.raises(ProtocolError, match=reason):
            self.codec.send(event)
        assert self.codec.output() == b""
        return self

    def writes(self, data: bytes) -> Playbook:
        """Exactly these bytes go out now."""
        assert self.codec.output() == data
        return self

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """The fields of the last head that are sent on."""
        assert self.head is not None
        return self.head.items()

    def _expect(self, events: list[Event], lines: tuple[str, ...]) -> Playbook:
        for event in events:
            if isinstance(event, Head):
                self.head = event
        assert [line(event) for event in events] == list(lines)
        return self


def data(payload: bytes = b"", *, last: bool = False) -> Data:
    return Data(payload, last=last)


END = data(last=True)


def request(start: bytes, *lines: bytes) -> Head:
    """A request head to send; Host is there already."""
    return request_head(head_bytes(start, b"Host: a", *lines))


def response(start: bytes, *lines: bytes, asked: bytes = b"GET") -> Head:
    """A response head to send."""
    return response_head(head_bytes(start, *lines), asked)


def ok(*lines: bytes) -> Head:
    return response(b"HTTP/1.1 200 OK", *lines)


def trailers(*lines: bytes) -> Head:
    """Trailers to send."""
    server = Http1Server()
    server.receive(head_bytes(b"POST / HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked"))
    event = server.receive(b"0\r\n" + b"\r\n".join(lines) + b"\r\n\r\n")[0]
    assert isinstance(event, Head)
    return event


def server_asked(start: bytes = b"GET / HTTP/1.1", *lines: bytes) -> Playbook:
    """A server that has read one request without a body."""
    play = Playbook(Http1Server())
    for event in play.codec.receive(head_bytes(start, b"Host: a", *lines)):
        assert isinstance(event, Head), event
        play.head = event
    return play


def client_asking(start: bytes = b"GET / HTTP/1.1", *lines: bytes) -> Playbook:
    """A client that has sent one request head."""
    play = Playbook(Http1Client()).send(request(start, *lines))
    play.codec.output()
    return play
