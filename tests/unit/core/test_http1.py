"""What a codec says of itself. What it reads and writes is in tests/codec."""

from __future__ import annotations

import pytest

from codec.playbook import END, client_asking, data, ok, response, server_asked
from headgate.core.http1 import Http1, Http1Client, Http1Server, Reading, Writing

CHUNKED = b"Transfer-Encoding: chunked"


def test_a_new_codec() -> None:
    server, client = Http1Server(), Http1Client()
    assert (server.reading, server.writing) == (Reading.READ_HEAD, Writing.WRITE_IDLE)
    assert (client.reading, client.writing) == (Reading.READ_HELD, Writing.WRITE_IDLE)
    assert client.persistent
    assert not server.closing
    for codec in (server, client):
        assert (codec.held_bytes, codec.input_ended, codec.deadline()) == (0, False, None)


@pytest.mark.parametrize(
    ("stream", "reading"),
    [
        (b"POST", Reading.READ_HEAD),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n", Reading.READ_LENGTH),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", Reading.READ_HELD),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Reading.READ_CHUNK_SIZE),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;", Reading.READ_CHUNK_EXTENSION),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r", Reading.READ_CHUNK_SIZE_LF),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n", Reading.READ_CHUNK_DATA),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab", Reading.READ_CHUNK_CR),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r", Reading.READ_CHUNK_LF),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", Reading.READ_TRAILERS),
        (b"\0", Reading.READ_OVER),
    ],
)
def test_where_the_reader_stands(stream: bytes, reading: Reading) -> None:
    server = Http1Server()
    server.receive(stream)
    assert server.reading == reading


def test_where_the_writer_stands() -> None:
    assert server_asked().send(ok(b"Content-Length: 2")).codec.writing == Writing.WRITE_LENGTH
    assert server_asked().send(ok(CHUNKED)).codec.writing == Writing.WRITE_CHUNKED
    assert server_asked(b"GET / HTTP/1.0").send(ok(CHUNKED)).codec.writing == Writing.WRITE_TO_END
    assert server_asked().send(response(b"HTTP/1.1 204 No")).codec.writing == Writing.WRITE_NOTHING
    assert server_asked().send(ok(), END).codec.writing == Writing.WRITE_OVER
    assert client_asking().codec.writing == Writing.WRITE_OVER
    play = client_asking(b"POST / HTTP/1.1", b"Content-Length: 2")
    assert play.codec.writing == Writing.WRITE_LENGTH
    assert play.send(data(b"hi", last=True)).codec.writing == Writing.WRITE_OVER


@pytest.mark.parametrize("codec", [Http1Server(), Http1Client()])
def test_none_is_nothing_to_feed_or_send(codec: Http1) -> None:
    with pytest.raises(TypeError):
        codec.receive(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        codec.send(None)  # type: ignore[arg-type]
    assert not codec.input_ended
