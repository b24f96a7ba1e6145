"""Memory is bounded by settings, whatever peers send (docs/guarantees.md).

What a codec keeps is a head or trailers (at most `head_bytes`, in a buffer of the next power of two),
what it has queued for output, and the input behind a complete message. Whoever drives a server codec
stops reading while a message waits: one read is held at most, once more while it is worked off.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from itertools import chain, islice, repeat
from pathlib import Path

import pytest

from codec.corpus import ASKED, get, head, ok, post
from codec.subjects import SUBJECTS, converse, request_head
from headgate.core.events import Violation
from headgate.core.http1 import Http1, Http1Client, Http1Server

LIMIT = 4096  # of a head
OUTPUT = 4096  # buffer of an output queue from the start
HEAD_BUFFER = 2048  # of a head from the start
READ = 65536
CHUNKED = b"Transfer-Encoding: chunked"


def server() -> Http1:
    return Http1Server(head_bytes=LIMIT)


def client() -> Http1:
    codec = Http1Client(head_bytes=LIMIT)
    codec.send(request_head(ASKED[b"GET"]))
    codec.output()
    return codec


ENDLESS = {
    "method": (server, b"", b"A"),
    "target": (server, b"GET /", b"a"),
    "name": (server, b"GET / HTTP/1.1\r\n", b"a"),
    "value": (server, b"GET / HTTP/1.1\r\nX: ", b"a"),
    "fields": (server, b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
    "empty lines": (server, b"", b"\r\n"),
    "chunk size": (server, post(CHUNKED), b"0"),
    "chunk extension": (server, post(CHUNKED) + b"1;", b"a"),
    "chunk extensions": (server, post(CHUNKED), b"1;a\r\nb\r\n"),
    "trailer": (server, post(CHUNKED) + b"0\r\nX: ", b"a"),
    "trailers": (server, post(CHUNKED) + b"0\r\n", b"X: y\r\n"),
    "status line": (client, b"HTTP/1.1 200 ", b"a"),
    "response fields": (client, b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "interim responses": (client, b"", b"HTTP/1.1 100 C\r\n\r\n"),
}
STREAMS = {
    "body": (server, post(b"Content-Length: 999999999999999999"), b"a"),
    "chunks": (server, post(CHUNKED), b"1\r\na\r\n"),
    "large chunk": (server, post(CHUNKED) + b"fffffffffffffff\r\n", b"a"),
    "body up to the end": (client, ok(), b"a"),
    "bytes behind a response": (client, ok(b"Content-Length: 0"), b"a"),
}


def pieces(begin: bytes, again: bytes, size: int) -> Iterator[bytes]:
    """`begin`, then `again` for ever, in reads of about `size` bytes."""
    return chain([begin] if begin else [], repeat(again * max(1, size // len(again))))


@pytest.mark.parametrize("size", [1, 100, READ])
@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_refused(name: str, size: int) -> None:
    """Refused within twice the largest limit, and kept in no more than a head's buffer."""
    begin_codec, begin, again = ENDLESS[name]
    codec = begin_codec()
    fed = 0
    for piece in pieces(begin, again, size):
        events = codec.receive(piece)
        fed += len(piece)
        assert codec.kept_bytes <= OUTPUT + max(HEAD_BUFFER, LIMIT)
        if events and isinstance(events[-1], Violation):
            break
        assert fed <= 200_000
    codec.receive(again * READ)
    assert codec.kept_bytes <= OUTPUT + max(HEAD_BUFFER, LIMIT)


@pytest.mark.parametrize("size", [1, READ])
@pytest.mark.parametrize("name", STREAMS)
def test_what_streams_is_not_kept(name: str, size: int) -> None:
    begin_codec, begin, again = STREAMS[name]
    codec = begin_codec()
    for piece in islice(pieces(begin, again, size), 200):
        for event in codec.receive(piece):
            assert not isinstance(event, Violation)
        assert codec.kept_bytes <= OUTPUT + HEAD_BUFFER


@pytest.mark.parametrize("size", [1, 1000, READ])
def test_held_input_is_what_was_read_behind_a_request(size: int) -> None:
    codec = server()
    codec.receive(get())
    codec.receive(b"G" * size)
    assert codec.held_bytes == size
    assert codec.kept_bytes <= OUTPUT + max(1024, 2 * size)


def test_held_input_goes_as_it_is_worked_off() -> None:
    codec = server()
    answer = head(b"HTTP/1.1 204 No Content")
    codec.receive(get() * 1000)
    held = codec.held_bytes
    for _ in range(999):
        reader = Http1Client()
        reader.send(request_head(ASKED[b"GET"]))
        codec.send(reader.receive(answer)[0])
        assert codec.output() == answer
        codec.next()
        held -= len(get())
        assert codec.held_bytes == held
    assert held == 0
    assert codec.kept_bytes <= OUTPUT


def test_nothing_leaks() -> None:
    """A thousand conversations of every kind leave no more memory in use than a hundred."""
    samples = [
        (subject, sample) for subject in SUBJECTS for sample in subject.samples if len(sample.data) < 4096
    ]

    def converse_often(times: int) -> None:
        for subject, sample in samples * times:
            converse(subject, sample, [sample.data[:9], sample.data[9:]], ended=True)

    converse_often(10)
    before = resident_bytes()
    converse_often(90)
    assert resident_bytes() - before < 1 << 20


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
