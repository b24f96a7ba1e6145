"""A strict reader of HTTP/1 messages for tests: RFC 9112 grammar and nothing beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_START = {
    "request": re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/(1\.[01])"),
    "response": re.compile(rb"HTTP/(1\.[01]) ([1-5][0-9]{2}) ([\t\x20-\x7e\x80-\xff]*)"),
}
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})")
_BODILESS = {204, 304}


class MalformedError(Exception):
    """The bytes are not the message that they should be."""


@dataclass
class Message:
    """One HTTP/1 message exactly as it was received."""

    version: str
    method: str = ""
    target: str = ""
    status: int = 0
    reason: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)
    framing: str = "none"  # none, length, chunked or close
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    trailers: list[tuple[str, str]] = field(default_factory=list)
    size: int = 0  # bytes of the whole message
    head: bytes = b""  # start line and fields with the empty line

    def all(self, name: str) -> list[str]:
        """The values of every field line of that name, in order."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """The value of the only field line of that name, or None. Two of them are a failure."""
        values = self.all(name)
        assert len(values) < 2, f"{name} occurs {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def names(self) -> list[str]:
        """Field names as they came, in order."""
        return [name for name, _ in self.fields]


def parse_head(data: bytes, side: str) -> Message | None:
    """The head at the start of `data` ("request" or "response"), None when incomplete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[: end + 4]
    start, *lines = data[:end].split(b"\r\n")
    matched = _START[side].fullmatch(start)
    if matched is None:
        raise MalformedError(f"start line {start!r}")
    parts = [part.decode("latin-1") for part in matched.groups()]
    if side == "request":
        message = Message(method=parts[0], target=parts[1], version=parts[2])
    else:
        message = Message(version=parts[0], status=int(parts[1]), reason=parts[2])
    message.fields = _fields(lines)
    message.head = head
    message.size = len(head)
    return message


def parse(data: bytes, side: str, *, to: str = "GET", eof: bool = False) -> Message | None:
    """The first message in `data`, or None when more bytes are needed.

    `to` is the method that a response answers. Raises MalformedError, also for a message that is cut
    short when `eof` says that nothing more comes.
    """
    message = parse_head(data, side)
    if message is not None:
        message.framing = _framing(message, side, to)
        complete = _read_body(message, data, eof)
        if complete:
            return message
    if eof and data:
        raise MalformedError(f"cut short: {data[:2000]!r}")
    return None


def _framing(message: Message, side: str, to: str) -> str:
    codings, lengths = message.all("Transfer-Encoding"), message.all("Content-Length")
    if side == "response" and (message.status < 200 or message.status in _BODILESS or to == "HEAD"):
        return "none"
    if codings:
        if lengths:
            raise MalformedError("both framings")
        if [coding.lower() for coding in codings] != ["chunked"]:
            raise MalformedError(f"transfer codings {codings}")
        return "chunked"
    if lengths:
        if len(lengths) > 1 or not re.fullmatch("[0-9]{1,18}", lengths[0]):
            raise MalformedError(f"content lengths {lengths}")
        return "length"
    return "none" if side == "request" else "close"


def _read_body(message: Message, data: bytes, eof: bool) -> bool:
    start = len(message.head)
    if message.framing == "length":
        length = int(message.get("Content-Length") or 0)
        message.body = data[start : start + length]
        message.size = start + length
        return len(message.body) == length
    if message.framing == "close":
        message.body = data[start:]
        message.size = len(data)
        return eof
    if message.framing == "chunked":
        return _read_chunks(message, data, start)
    return True


def _read_chunks(message: Message, data: bytes, at: int) -> bool:
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return False
        matched = _CHUNK.fullmatch(data, at, end)
        if matched is None:
            raise MalformedError(f"chunk size line {data[at:end]!r}")
        size = int(matched[1], 16)
        at = end + 2
        if size == 0:
            return _read_trailers(message, data, at)
        if len(data) < at + size + 2:
            return False
        if data[at + size : at + size + 2] != b"\r\n":
            raise MalformedError(f"no CRLF after the chunk: {data[at + size : at + size + 8]!r}")
        message.chunks.append(data[at : at + size])
        message.body += message.chunks[-1]
        at += size + 2


def _read_trailers(message: Message, data: bytes, at: int) -> bool:
    lines: list[bytes] = []
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return False
        line, at = data[at:end], end + 2
        if not line:
            message.trailers = _fields(lines)
            message.size = at
            return True
        lines.append(line)


def _fields(lines: list[bytes]) -> list[tuple[str, str]]:
    fields = []
    for line in lines:
        matched = _FIELD.fullmatch(line)
        if matched is None:
            raise MalformedError(f"field line {line!r}")
        fields.append((matched[1].decode("latin-1"), matched[2].decode("latin-1")))
    return fields
