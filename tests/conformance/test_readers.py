"""The oracle can fail: streams that parsers read differently are told from those that all read alike."""

from __future__ import annotations

import pytest

from conformance.plays import GET, request
from support import MalformedError, messages
from support.readers import agree

INNER = request(start="GET /inner HTTP/1.1")
POST = "POST / HTTP/1.1"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "stream",
    [
        request("Content-Length: 5", "Transfer-Encoding: chunked", start=POST, body=b"0\r\n\r\n" + INNER),
        request("Transfer-Encoding: xchunked", start=POST, body=b"0\r\n\r\n" + INNER),
        request("Transfer-Encoding : chunked", start=POST, body=b"0\r\n\r\n" + INNER),
        request("Transfer_Encoding: chunked", start=POST, body=CHUNKS + INNER),
        request("Content_Length: 5", start=POST, body=b"hello"),
        request("X-A: b\nContent-Length: 5", start=POST, body=b"hello"),
        request("Content-Length: 5", "Content-Length: 6", start=POST, body=b"hello!"),
        request("Content-Length: +5", start=POST, body=b"hello"),
        request("Transfer-Encoding: chunked", start=POST, body=b"5\nhello\r\n0\r\n\r\n"),
        request("Transfer-Encoding: chunked", start=POST, body=b"0x5\r\nhello\r\n0\r\n\r\n"),
        request("Transfer-Encoding: chunked", start=POST, body=b"5;\nhello\r\n0\r\n\r\n" + INNER),
        request("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5", start=POST, body=b"hello"),
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"hello",
    ],
)
def test_streams_that_differ(stream: bytes) -> None:
    with pytest.raises(AssertionError):
        agree(stream)


@pytest.mark.parametrize(
    ("stream", "bodies"),
    [
        (GET, [b""]),
        (GET + INNER, [b"", b""]),
        (request("Content-Length: 5", start=POST, body=b"hello") + GET, [b"hello", b""]),
        (
            request("Transfer-Encoding: chunked", start=POST, body=CHUNKS) + GET,
            [b"hello", b""],
        ),
        (request(start="BREW / HTTP/1.1") + GET, [b"", b""]),
    ],
)
def test_streams_that_all_read_alike(stream: bytes, bodies: list[bytes]) -> None:
    reading = agree(stream)
    assert reading.bodies == bodies
    assert reading.ends[-1] == len(stream)
    assert reading.rest == b""


def test_a_beginning_is_no_request() -> None:
    for size in range(1, len(INNER)):
        reading = agree(INNER[:size])
        assert (reading.ends, reading.rest) == ([], INNER[:size])


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\nX-A : b\r\n\r\n",
    ],
)
def test_the_strict_reader_refuses(data: bytes) -> None:
    with pytest.raises(MalformedError):
        messages.parse(data, "response", eof=True)
