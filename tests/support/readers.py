"""Readers that disagree with each other on purpose: what may a server make of a stream of bytes?

Each takes everything that one connection received and says where the requests in it end. A request
that all of them bound in the same way cannot be read as two by a server that is like any of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import h11
import httptools

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Reading:
    """What a reader made of a stream: where each complete request ends, and what is left over."""

    ends: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    rest: bytes = b""  # begun and not complete
    refused: str = ""  # why the reader stopped


def read_h11(data: bytes) -> Reading:
    """As h11 reads, a strict parser in Python."""
    reading = Reading()
    at = 0
    while at < len(data):
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        body = bytearray()
        connection.receive_data(data[at:])
        try:
            while True:
                event = connection.next_event()
                if isinstance(event, h11.Data):
                    body += event.data
                elif event is h11.NEED_DATA or isinstance(event, h11.EndOfMessage) or event is h11.PAUSED:
                    break
        except h11.RemoteProtocolError as error:
            reading.refused = str(error)
            break
        if not isinstance(event, h11.EndOfMessage):
            break
        at = len(data) - len(connection.trailing_data[0])
        reading.ends.append(at)
        reading.bodies.append(bytes(body))
    reading.rest = data[at:]
    return reading


_KNOWN_METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT")


class _Ends:
    """The callbacks of llhttp for one request."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.complete = False

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


def read_llhttp(data: bytes) -> Reading:
    """As Node.js and uvicorn read. Methods unknown to llhttp are read as POST."""
    reading = Reading()
    at = 0
    while at < len(data):
        end = _read_one_llhttp(data, at, reading)
        if end is None:
            break
        at = end
    reading.rest = data[at:]
    return reading


def _read_one_llhttp(data: bytes, at: int, reading: Reading) -> int | None:
    callbacks = _Ends()
    parser: Any = httptools.HttpRequestParser(callbacks)
    method = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?= )").match(data, at)
    if method and method[0] not in _KNOWN_METHODS:
        parser.feed_data(b"POST")
        at = method.end()
    for position in range(at, len(data)):
        try:
            parser.feed_data(data[position : position + 1])
        except httptools.HttpParserUpgrade:
            callbacks.complete = True
        except httptools.HttpParserError as error:
            reading.refused = str(error)
            return None
        if callbacks.complete:
            reading.ends.append(position + 1)
            reading.bodies.append(bytes(callbacks.body))
            return position + 1
    return None


def read_leniently(data: bytes, *, prefer: str) -> Reading:
    """As a careless server might read: bare LF ends lines, spaces around names are nothing, any line
    that starts with a space continues the one before, every Transfer-Encoding that contains
    "chunked" is chunked, the first digits of a Content-Length count. With both framings it takes
    the one that `prefer` names ("length" or "chunked").
    """
    reading = Reading()
    at = 0
    while at < len(data):
        head = re.compile(rb"(?:\r?\n)*(.*?)\r?\n\r?\n", re.DOTALL).match(data, at)
        if head is None:
            break
        length, chunked = _framing(head[1])
        if chunked and (prefer == "chunked" or length is None):
            ended = _skip_chunks(data, head.end())
        else:
            body = data[head.end() : head.end() + (length or 0)]
            ended = (head.end() + (length or 0), body)
        if ended is None or ended[0] > len(data):
            break
        at = ended[0]
        reading.ends.append(at)
        reading.bodies.append(ended[1])
    reading.rest = data[at:]
    return reading


def _framing(head: bytes) -> tuple[int | None, bool]:
    length, chunked = None, False
    lines = re.sub(rb"[\r\n]+[ \t]+", b" ", head)
    for line in re.split(rb"[\r\n]+", lines)[1:]:
        name, _, value = line.partition(b":")
        name = re.sub(rb"[^!-~]", b"", name).lower().replace(b"_", b"-")
        if name == b"content-length" and length is None:
            digits = re.search(rb"\d+", value)
            length = int(digits[0]) if digits else None
        elif name == b"transfer-encoding":
            chunked = chunked or b"chunked" in value.lower()
    return length, chunked


def _skip_chunks(data: bytes, at: int) -> tuple[int, bytes] | None:
    body = bytearray()
    while size := re.compile(rb"\s*(?:0x)?([0-9A-Fa-f]+)[^\n]*\n").match(data, at):
        at = size.end()
        count = int(size[1], 16)
        if count == 0:
            end = re.compile(rb"(?:[^\r\n][^\n]*\n)*\r?\n").match(data, at)
            return (end.end(), bytes(body)) if end else None
        body += data[at : at + count]
        at += count
    return None


READERS: dict[str, Callable[[bytes], Reading]] = {
    "h11": read_h11,
    "llhttp": read_llhttp,
    "lenient, length first": lambda data: read_leniently(data, prefer="length"),
    "lenient, chunked first": lambda data: read_leniently(data, prefer="chunked"),
}


def agree(data: bytes) -> Reading:
    """The reading that all readers share. Raises AssertionError when two of them differ, when one
    refuses what others take, or when the rest could be read on its own.
    """
    readings = {name: read(data) for name, read in READERS.items()}
    first = readings["h11"]
    for name, reading in readings.items():
        same = (reading.ends, reading.bodies) == (first.ends, first.bodies)
        assert same, f"h11 reads {first}, {name} reads {reading} in {data[:4000]!r}"
        assert not reading.refused, f"{name} refuses: {reading.refused} in {data[:4000]!r}"
    return first
