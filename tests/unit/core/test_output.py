"""The queue of bytes to write. Pieces are put in by codecs; tests/codec has their order and content."""

from __future__ import annotations

import pytest

from headgate.core.events import Data
from headgate.core.head import Head
from headgate.core.http1 import Http1Client, Http1Server
from headgate.core.output import Output

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def tunnel(output: Output) -> Http1Server:
    """A codec that puts data into the queue as it is."""
    client = Http1Client()
    upgrade = b"Connection: Upgrade\r\nUpgrade: x\r\n\r\n"
    head = Http1Server().receive(ASK[:-2] + upgrade)[0]
    assert isinstance(head, Head)
    client.send(head)
    server = Http1Server(output)
    server.receive(ASK[:-2] + upgrade)
    server.send(client.receive(b"HTTP/1.1 101 S\r\n" + upgrade)[0])
    output.take()
    return server


def test_an_empty_queue() -> None:
    output = Output()
    assert len(output) == 0
    assert output.take() == b""


@pytest.mark.parametrize("capacity", [0, 1, 64, 4096])
@pytest.mark.parametrize("sizes", [[1], [2047], [2048], [1, 2048, 1], [5000, 5000], [100] * 100, [3000] * 50])
def test_pieces_come_out_in_order(capacity: int, sizes: list[int]) -> None:
    """Small ones are copied, large ones borrowed; the order is that of sending."""
    output = Output(capacity)
    server = tunnel(output)
    pieces = [bytes([i % 256]) * size for i, size in enumerate(sizes)]
    for piece in pieces:
        server.send(Data(piece))
    assert len(output) == output.total == sum(sizes)
    assert output.take() == b"".join(pieces)
    assert len(output) == 0


def test_a_queue_is_used_again() -> None:
    output = Output()
    server = tunnel(output)
    for size in (10, 5000, 10):
        server.send(Data(b"a" * size))
        assert output.take() == b"a" * size
        assert output.take() == b""


def test_bytes_sent_by_python_stay_alive_until_they_are_written() -> None:
    server = Http1Server()
    server.receive(ASK)
    client = Http1Client()
    head = Http1Server().receive(ASK)[0]
    client.send(head)
    server.send(client.receive(b"HTTP/1.1 200 OK\r\n\r\n")[0])
    for letter in b"ABCDEF":
        server.send(Data(bytes([letter]) * 10_000))
    written = server.output()
    assert [written.count(letter) for letter in b"BDF"] == [10_000] * 3
