"""Hundreds of clients that read or write by drops: memory stays bounded, and those that are too slow end."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import pytest

from support import Product, RawClient, crowd, merge, proxying, until
from support.content import Check, content
from support.processes import pss, workers
from support.traffic import Traffic

MIB = 1 << 20
COUNT = 200
SIZE = 10 * MIB
KIB = 1024
# What one exchange may hold: a buffer each way, and its own small things.
BOUND = COUNT * (2 * 64 + 16) * KIB
USUAL = {"keep_alive": 4, "download": 4, "upload": 4}


def config(address: str, **more: Any) -> dict[str, Any]:
    return merge(proxying(address, process={"workers": 2, "drain_timeout": "2s"}), more)


class Watch:
    """The highest PSS of the workers while the block runs, above that at its beginning."""

    def __init__(self, product: Product) -> None:
        self._pids = workers(product)
        self._first = self._now()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.growth = 0

    def _now(self) -> int:
        return sum(map(pss, self._pids))

    def _look(self) -> None:
        while not self._over.wait(0.1):
            self.growth = max(self.growth, self._now() - self._first)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def warm(product: Product) -> None:
    """Let the workers take the memory that they keep."""
    with Traffic(product.port, USUAL) as traffic:
        traffic.go_on(300)
    assert traffic.failures == []


@contextmanager
def drip(clients: list[RawClient], step: Callable[[RawClient], None], pause: float) -> Iterator[None]:
    """Do a little for every client, again and again, in the background."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(pause):
            for client in clients:
                step(client)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def read_some(client: RawClient) -> None:
    client.socket.setblocking(False)
    try:
        client.received += client.socket.recv(2 * KIB)
    except BlockingIOError:
        return


@pytest.mark.parametrize("way", ["bytes", "chunks"])
def test_slow_readers(origin: str, way: str) -> None:
    with Product(config(origin)) as product:
        warm(product)
        with Watch(product) as watch, crowd(product.port, COUNT, patience=30) as clients:
            for number, client in enumerate(clients):
                client.send(f"GET /{way}/{SIZE}/{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            with drip(clients, read_some, 0.2), Traffic(product.port, USUAL) as traffic:
                traffic.go_on(500, 60)
            assert traffic.failures == []  # nobody else suffers
            assert product.shows("headgate_listener_in_flight", COUNT)
            for number, client in enumerate(clients[:10]):  # and they get everything, when they read on
                finish(client, number)
        print(f"\n{COUNT} slow readers of {way}: at most {watch.growth // KIB} KiB more")
        assert watch.growth < BOUND
        until(lambda: product.metric("headgate_listener_in_flight") == 0, "all gone")


def finish(client: RawClient, seed: int) -> None:
    head = client.response_head()
    check = Check(seed)
    client.patience = 30
    if head.get("Content-Length"):
        while check.size < SIZE:
            check.feed(client.read(min(SIZE - check.size, 128 * KIB)))
        return
    while size := int(client.read_until(b"\r\n"), 16):
        check.feed(client.read(size))
        client.expect(b"\r\n")
    assert check.size == SIZE


def send_some(client: RawClient) -> None:
    client.send(bytes(2 * KIB))


@pytest.mark.parametrize("framing", [f"Content-Length: {SIZE}", "Transfer-Encoding: chunked"])
def test_slow_writers(origin: str, framing: str) -> None:
    with Product(config(origin)) as product:
        warm(product)
        with Watch(product) as watch, crowd(product.port, COUNT, patience=30) as clients:
            for client in clients:
                client.send(f"POST /sum/0 HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode())
                if "chunked" in framing:
                    client.send(b"%x\r\n" % SIZE)
            with drip(clients, send_some, 0.2), Traffic(product.port, USUAL) as traffic:
                traffic.go_on(500, 60)
            assert traffic.failures == []
            assert product.shows("headgate_listener_in_flight", COUNT)
        print(f"\n{COUNT} slow writers: at most {watch.growth // KIB} KiB more")
        assert watch.growth < BOUND
        until(lambda: product.metric("headgate_listener_in_flight") == 0, "all gone")


def test_readers_that_stop_are_ended(origin: str) -> None:
    limits = {"timeouts": {"response_idle": "1s"}, "limits": {"minimum_rate": "off"}}
    with Product(config(origin, **limits)) as product, crowd(product.port, 50) as clients:
        for client in clients:
            client.send(f"GET /bytes/{SIZE}/0 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        began = time.monotonic()
        until(lambda: product.metric("headgate_listener_in_flight") == 50, "all under way")
        until(lambda: product.metric("headgate_listener_in_flight") == 0, "the end of all", 15)
        assert time.monotonic() - began < 5
        for client in clients:
            assert len(client.read_to_end()) < SIZE


@pytest.mark.parametrize("way", ["bytes", "chunks"])
def test_a_steady_reader_is_not_ended_however_slow(origin: str, way: str) -> None:
    """The kernel holds megabytes: long after the last byte came from the endpoint the client still reads."""
    limits = {"timeouts": {"response_idle": "1s"}, "limits": {"minimum_rate": "off"}}
    with Product(config(origin, **limits)) as product, RawClient(product.port, patience=10) as client:
        client.send(f"GET /{way}/{SIZE}/0 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        limit = time.monotonic() + 3
        while time.monotonic() < limit:
            client.received += client.socket.recv(32 * KIB)
            time.sleep(0.1)
        finish(client, 0)


def test_a_steady_writer_is_not_ended_by_a_slow_endpoint(origin: str) -> None:
    limits = {"timeouts": {"body_idle": "500ms", "response_idle": "500ms", "first_byte": "5s"}}
    with slow_reader() as (address, reads), Product(config(address, **limits)) as product:
        with RawClient(product.port, patience=30) as client:
            client.send(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {SIZE}\r\n\r\n".encode())
            sending = threading.Thread(target=client.send, args=(content(0, SIZE),))
            sending.start()
            response = client.final()
            sending.join()
            assert (response.status, response.body) == (200, str(SIZE).encode())
        assert reads[0] > 3


@contextmanager
def slow_reader() -> Iterator[tuple[str, list[float]]]:
    """A server that takes more than three seconds to read a body of SIZE; gives its address and the time."""
    took = [0.0]

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            began = time.monotonic()
            data = bytearray()
            while (end := data.find(b"\r\n\r\n")) < 0 or len(data) < end + 4 + SIZE:
                data += connection.recv(SIZE // 64)
                time.sleep(0.05)
            took[0] = time.monotonic() - began
            body = str(len(data) - end - 4).encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", took
        thread.join()


def test_those_below_the_minimum_rate_are_ended(origin: str) -> None:
    """They move all the time, so that no idle limit catches them."""
    limits = {"limits": {"minimum_rate": "1MiB/s", "minimum_rate_grace": "1s"}}
    with (
        Product(config(origin, **limits)) as product,
        crowd(product.port, 30) as readers,
        crowd(product.port, 30) as writers,
    ):
        for reader in readers:
            reader.send(f"GET /bytes/{4 * SIZE}/0 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for writer in writers:
            writer.send(f"POST /sum/0 HTTP/1.1\r\nHost: x\r\nContent-Length: {SIZE}\r\n\r\n".encode())
        until(lambda: product.metric("headgate_listener_in_flight") == 60, "all under way")
        began = time.monotonic()
        with drip(readers, read_some, 0.1), drip(writers, send_some, 0.1):
            until(lambda: not product.metric("headgate_listener_in_flight"), "the end of all", 30)
        print(f"\nended after {time.monotonic() - began:.1f} s")
        for writer in writers:
            assert writer.response().status == 408
        for reader in readers:
            assert len(reader.read_to_end()) < 4 * SIZE


def test_heads_that_drip_are_ended(origin: str) -> None:
    with Product(config(origin, timeouts={"head": "1s"})) as product, crowd(product.port, COUNT) as clients:
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ")
        with drip(clients, lambda client: client.send(b"x"), 0.2):
            poll = select.poll()
            for client in clients:
                poll.register(client.socket, select.POLLIN)
            until(lambda: len(poll.poll(0)) == COUNT, "an answer for all")
        for client in clients:
            assert client.response().status == 408
