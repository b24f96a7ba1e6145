"""The same bytes as three parsers read them: ours, h11 and llhttp (httptools).

A reader stops behind a request that may switch protocols, since what follows is up to the answer, and
behind the final response to the one request that responses answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import h11
import httptools

from codec.corpus import ASKED
from codec.subjects import ClientConversation, ServerConversation
from headgate.core.events import Data, Event, Reset, Violation
from headgate.core.head import Head

Fields = tuple[tuple[bytes, bytes], ...]

# Fields that end at this hop, and those that it writes anew.
HOP_BY_HOP = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"transfer-encoding",
        b"http2-settings", b"expect",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """One complete message. The start is a method and a target, or a status."""

    start: tuple[str, ...]
    fields: Fields
    body: bytes


@dataclass(slots=True)
class Reading:
    """What a parser made of some bytes."""

    messages: list[Message] = field(default_factory=list)
    refused: str = ""  # why the parser stopped
    begun: bool = False  # behind them a head was read whose body is not complete (ours only)
    switched: bool = False  # the last message may switch protocols: nothing behind it was read


def end_to_end(fields: Iterable[tuple[bytes, bytes]], *, absolute: bool = False) -> Fields:
    """The fields that go through, in order, names in lower case. With a target in absolute-form, Host
    is what the target says, whatever was sent.
    """
    fields = [(name.lower(), value) for name, value in fields]
    named = {
        option.strip(b" \t").lower()
        for name, value in fields
        if name == b"connection"
        for option in value.split(b",")
    }
    dropped = HOP_BY_HOP | named | ({b"host"} if absolute else set())
    return tuple((name, value) for name, value in fields if name not in dropped)


def absolute(target: str) -> bool:
    return target.lower().startswith(("http://", "https://"))


def switches(method: str, fields: Iterable[tuple[bytes, bytes]]) -> bool:
    return method == "CONNECT" or any(name.lower() == b"upgrade" for name, _ in fields)


# --- Ours ---


def _ours(events: list[Event]) -> Reading:
    reading = Reading()
    head: Head | None = None
    body = b""
    for event in events:
        if isinstance(event, Violation | Reset):
            reading.refused = event.reason
        elif isinstance(event, Head) and (event.method_name or event.status):
            head, body, reading.begun = event, b"", True
        elif isinstance(event, Data):
            body += event.payload
        interim = isinstance(event, Head) and 100 <= event.status < 200
        if head is not None and not reading.refused and (event.last or interim):
            reading.messages.append(_our_message(head, body))
            reading.begun = False
    return reading


def _our_message(head: Head, body: bytes) -> Message:
    if head.status:
        return Message((str(head.status),), end_to_end(head.items()), body)
    target = head.target_text or ""
    fields = end_to_end(head.items(), absolute=absolute(target))
    return Message((head.method_name or "", target), fields, body)


def our_requests(data: bytes) -> Reading:
    conversation = ServerConversation()
    events = conversation.receive(data)
    for i, event in enumerate(events):
        if isinstance(event, Head) and (event.method_name == "CONNECT" or event.upgrade_text):
            reading = _ours(events[: i + 1])
            reading.switched = True
            return reading
    return _ours(events)


def our_responses(data: bytes, asked: bytes, *, ended: bool) -> Reading:
    conversation = ClientConversation(asked)
    events = conversation.receive(data)
    if ended:
        events += conversation.receive(b"")
    for i, event in enumerate(events):
        if isinstance(event, Head) and event.status == 101:
            reading = _ours(events[: i + 1])
            reading.switched = True
            return reading
    return _ours(events)


# --- h11 ---


def _h11_fields(event: Any) -> list[tuple[bytes, bytes]]:
    return [(bytes(name), bytes(value)) for name, value in event.headers]


def h11_requests(data: bytes) -> Reading:
    reading = Reading()
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    head: Any = None
    body = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                head, body = event, b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                method, target = head.method.decode("latin-1"), head.target.decode("latin-1")
                fields = end_to_end(_h11_fields(head), absolute=absolute(target))
                reading.messages.append(Message((method, target), fields, body))
                if switches(method, _h11_fields(head)):
                    reading.switched = True
                    return reading
                connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE:
                    return reading
                connection.start_next_cycle()
            else:
                return reading
    except h11.RemoteProtocolError as error:
        reading.refused = str(error)
        return reading


def h11_responses(data: bytes, asked: bytes, *, ended: bool) -> Reading:
    reading = Reading()
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    method = b"HEAD" if asked == b"HEAD" else b"GET"
    lines = [line.split(b": ", 1) for line in ASKED[asked].split(b"\r\n")[1:-2]]
    connection.send(h11.Request(method=method, target=b"/", headers=[(line[0], line[1]) for line in lines]))
    connection.send(h11.EndOfMessage())
    head: Any = None
    body = b""
    try:
        connection.receive_data(data)
        if ended:
            connection.receive_data(b"")
        while True:
            event = connection.next_event()
            if isinstance(event, h11.InformationalResponse):
                reading.messages.append(_h11_response(event, b""))
                if event.status_code == 101:
                    reading.switched = True
                    return reading
            elif isinstance(event, h11.Response):
                head, body = event, b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                reading.messages.append(_h11_response(head, body))
                return reading
            else:
                return reading
    except h11.RemoteProtocolError as error:
        reading.refused = str(error)
        return reading


def _h11_response(head: Any, body: bytes) -> Message:
    return Message((str(head.status_code),), end_to_end(_h11_fields(head)), body)


# --- llhttp ---


class _Callbacks:
    """Collects what llhttp says."""

    def __init__(self) -> None:
        self.parser: Any = None
        self.messages: list[Message] = []
        self.target = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.begun = self.headed = self.over = False

    def on_message_begin(self) -> None:
        self.target, self.fields, self.body, self.begun, self.headed = b"", [], b"", True, False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.headed:  # trailers come this way too
            self.fields.append((bytes(name), bytes(value).strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.headed = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.begun = False
        if self.over:
            return
        if isinstance(self.parser, httptools.HttpRequestParser):
            method, target = self.parser.get_method().decode(), self.target.decode("latin-1")
            fields = end_to_end(self.fields, absolute=absolute(target))
            self.messages.append(Message((method, target), fields, self.body))
            self.over = switches(method, self.fields)
        else:
            status = self.parser.get_status_code()
            self.messages.append(Message((str(status),), end_to_end(self.fields), self.body))
            self.over = status == 101 or status >= 200


def _llhttp(callbacks: _Callbacks, data: bytes) -> Reading:
    reading = Reading(callbacks.messages)
    try:
        callbacks.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        reading.switched = True
    except httptools.HttpParserError as error:
        if not callbacks.over:
            reading.refused = str(error)
    return reading


def llhttp_requests(data: bytes) -> Reading:
    callbacks = _Callbacks()
    callbacks.parser = httptools.HttpRequestParser(callbacks)
    reading = _llhttp(callbacks, data)
    reading.switched |= callbacks.over
    return reading


def llhttp_responses(data: bytes, asked: bytes, *, ended: bool) -> Reading:
    """httptools cannot be told that a request was HEAD, nor that the connection ended."""
    callbacks = _Callbacks()
    callbacks.parser = httptools.HttpResponseParser(callbacks)
    reading = _llhttp(callbacks, data)
    framed = any(name.lower() in {b"content-length", b"transfer-encoding"} for name, _ in callbacks.fields)
    if ended and callbacks.begun and callbacks.headed and not framed and not reading.refused:
        callbacks.on_message_complete()
    return reading


REQUEST_READERS: dict[str, Callable[[bytes], Reading]] = {"h11": h11_requests, "llhttp": llhttp_requests}
RESPONSE_READERS: dict[str, Callable[..., Reading]] = {"h11": h11_responses, "llhttp": llhttp_responses}
