"""A slow reader stops a fast writer: memory stays bounded, and not a byte is lost."""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING

import pytest

from conformance.plays import request, response
from support import Backend, Product, RawClient, Wire, until

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = bytes(range(256)) * 256  # 64 KiB
SIZE = 96 * 1024 * 1024
KERNEL = 72 * 1024 * 1024  # what socket buffers on two hops may swallow
GROWTH = 8 * 1024 * 1024  # what the product may grow by


def fill(wire: Wire, size: int) -> int:
    """Send blocks until the peer takes no more for a moment; how many bytes it took."""
    sent = 0
    wire.socket.setblocking(False)
    while sent < size and select.select([], [wire.socket], [], 0.3)[1]:
        sent += wire.socket.send(BLOCK[sent % len(BLOCK) :][: size - sent])
    return sent


def drain(reader: Wire, writer: Wire, sent: int, size: int) -> None:
    """Go on until all is there: every byte in its place."""
    got = 0
    reader.socket.setblocking(False)
    limit = time.monotonic() + 30
    while got < size:
        assert time.monotonic() < limit, f"{got} of {size} bytes arrived"
        writers = [writer.socket] if sent < size else []
        readable, writable, _ = select.select([reader.socket], writers, [], 5)
        if writable:
            sent += writer.socket.send(BLOCK[sent % len(BLOCK) :][: size - sent])
        if readable:
            data = reader.socket.recv(len(BLOCK))
            assert data, f"the end after {got} of {size} bytes"
            place = got % len(BLOCK)
            assert data == (BLOCK[place:] + BLOCK)[: len(data)]
            got += len(data)


@pytest.fixture
def pair(backend: Backend, client: RawClient) -> Callable[[str, bytes], Wire]:
    """Begin an exchange: the client's request line and fields, and the head of the answer."""

    def begin(start: str, answer: bytes) -> Wire:
        client.send(request(f"Content-Length: {SIZE}" if start.startswith("POST") else "X-A: b", start=start))
        upstream = backend.accept()
        upstream.request_head()
        if answer:
            upstream.send(answer)
            client.response_head()
        return upstream

    return begin


def test_slow_client(product: Product, client: RawClient, pair: Callable[[str, bytes], Wire]) -> None:
    upstream = pair("GET / HTTP/1.1", response(f"Content-Length: {SIZE}"))
    before = product.memory()
    sent = fill(upstream, SIZE)
    assert sent < KERNEL
    assert product.memory() - before < GROWTH
    drain(client, upstream, sent, SIZE)


def test_slow_backend(product: Product, client: RawClient, pair: Callable[[str, bytes], Wire]) -> None:
    upstream = pair("POST / HTTP/1.1", b"")
    before = product.memory()
    sent = fill(client, SIZE)
    assert sent < KERNEL
    assert product.memory() - before < GROWTH
    drain(upstream, client, sent, SIZE)


def test_slow_tunnel(product: Product, backend: Backend, client: RawClient) -> None:
    client.send(request("Connection: Upgrade", "Upgrade: websocket"))
    upstream = backend.accept()
    upstream.request()
    upstream.send(
        response("Connection: Upgrade", "Upgrade: websocket", start="HTTP/1.1 101 Switching Protocols")
    )
    client.response()
    before = product.memory()
    sent = fill(client, SIZE)
    assert sent < KERNEL
    assert product.memory() - before < GROWTH
    drain(upstream, client, sent, SIZE)


def test_client_gone_while_reading_is_paused(client: RawClient, pair: Callable[[str, bytes], Wire]) -> None:
    """The backend reads nothing, so the gateway reads nothing more either, and notices all the same."""
    upstream = pair("POST / HTTP/1.1", b"")
    fill(client, SIZE)
    client.reset()
    poll = select.poll()
    poll.register(upstream.socket, select.POLLRDHUP)
    assert poll.poll(5000), "the gateway holds on to an exchange whose client is gone"


def test_client_gone_while_writing_is_paused(client: RawClient, pair: Callable[[str, bytes], Wire]) -> None:
    upstream = pair("GET / HTTP/1.1", response(f"Content-Length: {SIZE}"))
    fill(upstream, SIZE)
    client.reset()
    poll = select.poll()
    poll.register(upstream.socket, select.POLLRDHUP)
    assert poll.poll(5000), "the gateway holds on to an exchange whose client is gone"


def test_pipelining_is_no_way_around(product: Product, backend: Backend, client: RawClient) -> None:
    """Requests that wait for their turn are not read without bound."""
    before = product.memory()
    asked = request("X-A: " + "a" * 1000)
    client.socket.setblocking(False)
    sent = 0
    while sent < SIZE and select.select([], [client.socket], [], 0.3)[1]:
        try:
            sent += client.socket.send(asked * 64)
        except BlockingIOError:
            continue
    assert sent < KERNEL
    assert product.memory() - before < GROWTH
    assert len(backend.wires) + (not backend.untouched()) <= 1


def test_answers_nobody_reads(product: Product, backend: Backend, client: RawClient) -> None:
    """Answers of the gateway itself pile up no more than anything else."""
    del backend
    before = product.memory()
    asked = request("Max-Forwards: 0", start="OPTIONS / HTTP/1.1")
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.socket.setblocking(False)
    sent = 0
    while sent < SIZE and select.select([], [client.socket], [], 0.3)[1]:
        try:
            sent += client.socket.send(asked * 64)
        except BlockingIOError:
            continue
    assert sent < KERNEL
    assert product.memory() - before < GROWTH


def test_memory_comes_back(product: Product) -> None:
    """Behind all that, the product is as large as a product."""
    until(lambda: product.memory() < 200 * 1024 * 1024, "memory to come back")
