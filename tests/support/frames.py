"""Frames of HTTP/2, written and read byte by byte: nothing here knows the codec."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import pack, unpack

from hpack import Decoder

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
PRIORITY_UPDATE = 16
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 1, 1, 4, 8, 32
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

Field = tuple[bytes, bytes]


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return pack(">I", len(payload))[1:] + pack(">BBI", kind, flags, stream) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, payload=b"".join(pack(">HI", name, value) for name, value in pairs))


BEGIN = settings() + frame(SETTINGS, ACK)
HELLO = PREFACE + BEGIN  # of a client


def window_update(size: int, stream: int = 0) -> bytes:
    return frame(WINDOW_UPDATE, stream=stream, payload=pack(">I", size))


def reset(stream: int, code: int = 8) -> bytes:
    return frame(RST_STREAM, stream=stream, payload=pack(">I", code))


def data(payload: bytes, stream: int = 1, *, last: bool = False) -> bytes:
    return frame(DATA, END_STREAM if last else 0, stream, payload)


def block(fields: Iterable[Field], first: bytes = b"\0") -> bytes:
    """Literals without indexing, so that a block depends on nothing before it."""
    return b"".join(first + _string(name) + _string(value) for name, value in fields)


def _string(text: bytes) -> bytes:
    size = len(text)
    if size < 127:
        return bytes([size]) + text
    size -= 127
    out = b"\x7f"
    while size >= 128:
        out += bytes([size % 128 + 128])
        size //= 128
    return out + bytes([size]) + text


def headers(fields: Iterable[Field], stream: int = 1, *, last: bool = True) -> bytes:
    whole = block(fields)
    parts = [whole[at : at + 16384] for at in range(0, len(whole), 16384)] or [b""]
    flags = END_STREAM if last else 0
    said = b""
    for number, part in enumerate(parts, 1):
        flags |= END_HEADERS if number == len(parts) else 0
        said += frame(CONTINUATION if said else HEADERS, flags, stream, part)
        flags = 0
    return said


GET = ((b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/"))
POST = ((b":method", b"POST"), *GET[1:])


def request(*fields: Field, stream: int = 1, last: bool = True, pseudo: Iterable[Field] = GET) -> bytes:
    return headers((*pseudo, *fields), stream, last=last)


def answer(*fields: Field, stream: int = 1, last: bool = True, status: bytes = b"200") -> bytes:
    return headers(((b":status", status), *fields), stream, last=last)


@dataclass(frozen=True, slots=True)
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def number(self) -> int:
        """The code of a reset or GOAWAY, or the size of a window update."""
        return int(unpack(">I", self.payload[4:8] if self.kind == GOAWAY else self.payload[:4])[0])


def frames(output: bytes) -> list[Frame]:
    """Whole frames; a connection preface in front is left out."""
    output = output.removeprefix(PREFACE)
    found = []
    while output:
        size = int.from_bytes(output[:3])
        kind, flags, stream = unpack(">BBI", output[3:9])
        assert len(output) >= 9 + size, "half a frame"
        found.append(Frame(kind, flags, stream, output[9 : 9 + size]))
        output = output[9 + size :]
    return found


class Blocks:
    """The header blocks of one direction, in order."""

    def __init__(self) -> None:
        self._decoder = Decoder()

    def read(self, payload: bytes) -> list[Field]:
        return [(bytes(name), bytes(value)) for name, value in self._decoder.decode(payload, raw=True)]
