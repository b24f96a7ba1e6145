"""What peers of an HTTP/2 connection say behind its beginning, valid and not.

Shared by the codec rules, the differential tests and the seeds of the fuzz targets. A sample is the
bytes of one direction; what they come to is the matter of tests/unit/core/test_http2_*.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack

from hpack import Encoder

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
    PUSH_PROMISE,
    SETTINGS,
    Field,
    answer,
    block,
    data,
    frame,
    headers,
    request,
    reset,
    settings,
    window_update,
)


@dataclass(frozen=True, slots=True)
class Said:
    """Bytes of one direction, and whether they break the rules of the connection."""

    name: str
    data: bytes
    breaks: bool = False

    def __str__(self) -> str:
        return self.name


def _browser(count: int) -> bytes:
    """Requests as browsers send them: indexed, Huffman-coded, with priorities."""
    encoder = Encoder()
    said = b""
    for number in range(count):
        fields: list[Field] = [
            *GET[:3],
            (b":path", b"/page/%d?q=1" % number),
            (b"user-agent", b"Mozilla/5.0 (X11; Linux)"),
            (b"accept", b"text/html,application/xhtml+xml"),
            (b"accept-encoding", b"gzip, deflate, br"),
            (b"cookie", b"a=1"),
            (b"cookie", b"session=0123456789abcdef"),
            (b"priority", b"u=%d, i" % (number % 8)),
        ]
        stream = 2 * number + 1
        said += frame(HEADERS, END_HEADERS | END_STREAM, stream, encoder.encode(fields))
    return said


def _in_pieces(fields: tuple[Field, ...], size: int, stream: int = 1) -> bytes:
    whole = block(fields)
    said = frame(HEADERS, END_STREAM, stream, whole[:size])
    for at in range(size, len(whole), size):
        last = at + size >= len(whole)
        said += frame(CONTINUATION, END_HEADERS if last else 0, stream, whole[at : at + size])
    return said


OPEN = request(pseudo=POST, last=False)
BLOCK = block(GET)
LENGTH = ((b"content-length", b"5"),)

REQUESTS = (
    Said("nothing", b""),
    Said("a request", request((b"accept", b"*/*"))),
    Said("requests of a browser", _browser(12)),
    Said("a body", OPEN + data(b"hello") + data(b" world", last=True)),
    Said("a body with its length", request(*LENGTH, pseudo=POST, last=False) + data(b"hello", last=True)),
    Said("a body too short", request(*LENGTH, pseudo=POST, last=False) + data(b"hel") + data(b"", last=True)),
    Said(
        "a body too long", request(*LENGTH, pseudo=POST, last=False) + data(b"hel") + data(b"lo!", last=True)
    ),
    Said(
        "padding",
        OPEN + frame(DATA, PADDED, 1, b"\x05abc" + bytes(5)) + frame(DATA, PADDED | END_STREAM, 1, b"\0"),
    ),
    Said("trailers", OPEN + data(b"x") + headers([(b"x-sum", b"1"), (b"content-length", b"9")])),
    Said("trailers that end nothing", OPEN + headers([(b"a", b"b")], last=False) + data(b"x")),
    Said("continuations", _in_pieces((*GET, *[(b"x-%d" % n, b"y" * 9) for n in range(20)]), 30)),
    Said("the old priorities", frame(HEADERS, 37, 1, bytes(5) + BLOCK) + frame(PRIORITY, 0, 3, bytes(5))),
    Said("updates of priorities", frame(PRIORITY_UPDATE, payload=pack(">I", 1) + b"u=1") + request()),
    Said(
        "streams side by side",
        OPEN + request(stream=3) + data(b"a") + request(stream=5, last=False) + data(b"b", 5),
    ),
    Said("a reset in a body", OPEN + data(b"a") + reset(1) + request(stream=3)),
    Said(
        "late frames",
        OPEN + window_update(0, 1) + data(b"late") + headers([(b"a", b"b")]) + request(stream=3),
    ),
    Said("data behind a reset", OPEN + reset(1) + data(b"late") + request(stream=3)),
    Said(
        "pings and settings", frame(PING, payload=b"12345678") + settings((4, 100), (0xABCD, 1)) + request()
    ),
    Said(
        "windows",
        request() + window_update(100) + window_update(100, 1) + settings((4, 0)) + settings((4, 9)),
    ),
    Said("unknown frames", frame(99, 7, 5, b"abc") + request() + frame(0xFE)),
    Said(
        "a tunnel",
        headers((*POST[1:], (b":method", b"CONNECT"), (b":protocol", b"websocket")), last=False) + data(b"x"),
    ),
    Said(
        "connect",
        headers(((b":method", b"CONNECT"), (b":authority", b"a:1")), last=False) + data(b"x", last=True),
    ),
    Said(
        "no length and an end",
        request((b"content-length", b"0"), pseudo=POST, last=False) + data(b"", last=True),
    ),
    Said("a malformed head", request((b"A", b"b"), last=False) + data(b"x") + request(stream=3)),
    Said("a refused path", request(pseudo=(*GET[:3], (b":path", b"/%00"))) + request(stream=3)),
    Said("a line in a value", request((b"a", b"b\r\nhost: c")) + request(stream=3)),
    Said("a head too large", _in_pieces((*GET, *[(b"x", b"y" * 9000)] * 4), 16000) + request(stream=3)),
    Said("goodbye", request() + frame(GOAWAY, payload=pack(">II", 0, 0) + b"bye") + request(stream=3)),
    Said("data behind the end", request() + data(b"x") + request(stream=3)),
    Said("idle data", data(b"x", 3), breaks=True),
    Said("idle reset", request() + reset(3), breaks=True),
    Said("bad padding", OPEN + frame(DATA, PADDED, 1, b"\x09abc"), breaks=True),
    Said("bad padding of a head", frame(HEADERS, END_HEADERS | PADDED, 1, b"\xff" + BLOCK), breaks=True),
    Said("bad compression", frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff"), breaks=True),
    Said("bad huffman", frame(HEADERS, END_HEADERS, 1, b"\0\x84\xff\xff\xff\xff\0"), breaks=True),
    Said("an even number", request(stream=2), breaks=True),
    Said("a lower number", request(stream=5) + request(stream=3), breaks=True),
    Said("an interrupted head", frame(HEADERS, 0, 1, BLOCK[:5]) + request(stream=3), breaks=True),
    Said(
        "an endless head",
        frame(HEADERS, 0, 1, BLOCK) + frame(CONTINUATION, 0, 1, bytes(16384)) * 6,
        breaks=True,
    ),
    Said("a large frame", frame(99, payload=bytes(16385)), breaks=True),
    Said("a promise", request() + frame(PUSH_PROMISE, 4, 1, pack(">I", 2) + BLOCK), breaks=True),
    Said("wrong settings", settings((4, 1 << 31)), breaks=True),
    Said("settings of a wrong size", frame(SETTINGS, payload=b"abc"), breaks=True),
    Said("a ping of a wrong size", frame(PING, ACK, payload=b"abc"), breaks=True),
    Said("a window too large", window_update(0x7FFFFFFF), breaks=True),
    Said("a flood of pings", frame(PING, payload=bytes(8)) * 300, breaks=True),
    Said("HTTP/1", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", breaks=True),
)

# Of a server, to requests on streams 1 (GET), 3 (HEAD) and 5 (extended CONNECT).
RESPONSES = (
    Said("silence", b""),
    Said("an answer", answer(last=False) + data(b"hello", last=True)),
    Said("an interim answer", answer(status=b"103", last=False) + answer((b"content-length", b"0"))),
    Said(
        "answers side by side",
        answer(last=False) + answer(stream=3) + data(b"x", last=True) + answer(stream=5, last=False),
    ),
    Said("a tunnel", answer(stream=5, last=False) + data(b"ping", 5) + data(b"", 5, last=True)),
    Said("trailers", answer(last=False) + data(b"x") + headers([(b"grpc-status", b"0")])),
    Said("trailers only", answer((b"grpc-status", b"12"))),
    Said("a length", answer((b"content-length", b"3"), last=False) + data(b"ab") + data(b"c", last=True)),
    Said(
        "too little",
        answer((b"content-length", b"3"), last=False) + data(b"ab", last=True) + answer(stream=3),
    ),
    Said("too much", answer((b"content-length", b"3"), last=False) + data(b"abcd")),
    Said("a body of HEAD", answer(stream=3, last=False) + data(b"x", 3, last=True)),
    Said("no body of HEAD", answer((b"content-length", b"9"), stream=3)),
    Said("a refusal", reset(1, 7) + reset(3, 8)),
    Said("an early end", answer() + reset(1, 0)),
    Said("goodbye", frame(GOAWAY, payload=pack(">II", 1, 0)) + answer()),
    Said("bad status", answer(status=b"1000") + answer(stream=3)),
    Said("switching protocols", answer(status=b"101", last=False)),
    Said("data before a head", data(b"x") + answer(stream=3)),
    Said("late frames", answer(status=b"9") + data(b"late") + answer() + window_update(1, 1)),
    Said("settings", settings((3, 1), (4, 10), (1, 0), (8, 1)) + frame(SETTINGS, ACK)),
    Said("fields of HTTP/1", answer((b"transfer-encoding", b"chunked"))),
    Said("an idle stream", answer(stream=7), breaks=True),
    Said("an even stream", answer(stream=2), breaks=True),
    Said("a promise", frame(PUSH_PROMISE, 4, 1, pack(">I", 2) + BLOCK), breaks=True),
    Said("push for clients", settings((2, 1)), breaks=True),
    Said("twice the end", answer() + answer(), breaks=True),
    Said("HTTP/1", b"HTTP/1.1 400 Bad Request\r\n\r\n", breaks=True),
)
