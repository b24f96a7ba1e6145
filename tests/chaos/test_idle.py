"""Ten thousand idle connections, and none left to open."""

from __future__ import annotations

import resource
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from support import Product, RawClient, crowd, merge, proxying, until
from support.processes import busy, descriptors, pss, workers
from support.traffic import Traffic

COUNT = 10_000
FEW = 256  # files that a product may open that shall run out of them
BATCH = 500
SOURCES = 5  # addresses that the clients come from
KIB = 1024
GET = b"GET /text/a HTTP/1.1\r\nHost: x\r\n\r\n"


def config(address: str, **more: Any) -> dict[str, Any]:
    return merge(proxying(address, process={"workers": 2, "drain_timeout": "2s"}), more)


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process, and the product that it starts, open enough."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = COUNT + 2000
    if before[0] < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(before[1], wanted)))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextmanager
def multitude(port: int, count: int) -> Iterator[list[socket.socket]]:
    """So many connections from several addresses."""
    connections: list[socket.socket] = []
    try:
        for number in range(count):
            source = (f"127.0.0.{2 + number % SOURCES}", 0)
            connections.append(socket.create_connection(("127.0.0.1", port), 20, source))
        yield connections
    finally:
        for connection in connections:
            connection.close()


def ask_all(connections: list[socket.socket]) -> None:
    """One exchange on each, in batches."""
    for start in range(0, len(connections), BATCH):
        batch = connections[start : start + BATCH]
        for connection in batch:
            connection.sendall(GET)
        for connection in batch:
            data = b""
            while not data.endswith(b"/text/a"):
                piece = connection.recv(4096)
                assert piece, data
                data += piece
            assert data.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("used", [False, True], ids=["fresh", "used"])
def test_ten_thousand_idle_connections(many_files: None, texts: str, used: bool) -> None:
    limits = {"limits": {"connections": COUNT}, "timeouts": {"keep_alive": "10m"}}
    with Product(config(texts, **limits)) as product:
        with multitude(product.port, 200) as connections:  # for what the workers keep
            ask_all(connections)
        until(lambda: product.metric("headgate_listener_open_connections") == 0, "all closed")
        pids = workers(product)
        before = sum(map(pss, pids))
        with multitude(product.port, COUNT) as connections:
            until(lambda: product.metric("headgate_listener_open_connections") == COUNT, "all accepted", 20)
            if used:
                ask_all(connections)
                until(lambda: product.metric("headgate_listener_in_flight") == 0, "all idle")
            each = (sum(map(pss, pids)) - before) / COUNT
            print(f"\n{each:.0f} bytes for each of {COUNT} idle connections")
            assert each <= 3 * KIB
            assert max(map(busy, pids)) < 0.25  # being there is no work
            ask_all(connections)
        until(lambda: product.metric("headgate_listener_open_connections") == 0, "all closed", 20)


def test_out_of_files(texts: str) -> None:
    """More connections than files: the worker takes what it can, waits without spinning, and goes on."""
    limits = {"process": {"workers": 1}, "limits": {"connections": 10_000}}
    with Product(config(texts, **limits), open_files=FEW) as product:
        (pid,) = workers(product)
        with crowd(product.port, FEW + 100, patience=20) as clients:
            accepted = until(lambda: exhausted(product), "the limit")
            print(f"\n{accepted:.0f} connections, {descriptors(pid)} files of {FEW}")
            assert busy(pid) < 0.1
            # Those that it has are served; connections to the backend are files too.
            for client in clients[:20]:
                assert client.exchange(GET).status == 200
            # Some go: others, which waited in the queue all the time, come in.
            for client in clients[: FEW // 2]:
                client.close()
            for client in clients[FEW // 2 :]:
                assert client.exchange(GET).status == 200
                client.close()
        until(lambda: product.metric("headgate_listener_open_connections") == 0, "all closed")
        with Traffic(product.port, {"keep_alive": 8, "per_request": 8}) as traffic:
            traffic.go_on(300)
        assert traffic.failures == []
        assert product.metric("headgate_worker_accept_pauses_total") > 0


def exhausted(product: Product) -> float:
    """The number of connections, once the worker accepts no more."""
    opened = product.metric("headgate_listener_open_connections")
    return opened if product.metric("headgate_worker_accept_pauses_total") and opened > FEW / 2 else 0.0


def test_more_clients_than_connections(texts: str) -> None:
    """At the set limit the rest waits in the queue, and comes in as others go."""
    limits = {"process": {"workers": 1}, "limits": {"connections": 50}}
    with Product(config(texts, **limits)) as product:
        (pid,) = workers(product)
        with crowd(product.port, 200, patience=20) as clients:
            until(lambda: product.metric("headgate_listener_open_connections") == 50, "the limit")
            assert busy(pid) < 0.1
            for client in clients:  # all get their turn, the first ones go
                client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            poll = select.poll()
            for client in clients:
                poll.register(client.socket, select.POLLIN)
            until(lambda: len(poll.poll(0)) == 200, "answers for all", 20)
            for client in clients:
                assert client.final().status == 200
        assert product.metric("headgate_worker_accept_pauses_total") > 0


def test_files_run_out_under_load(origin: str) -> None:
    limits = {"process": {"workers": 1}, "limits": {"connections": 10_000}}
    with Product(config(origin, **limits), open_files=FEW) as product:
        clients = {"keep_alive": 60, "per_request": 60, "download": 40, "upload": 40, "echo": 20}
        with Traffic(product.port, clients) as traffic:
            traffic.go_on(500, 60)
        # 503 is an honest answer of a worker that cannot open a connection to the backend.
        assert [failure for failure in traffic.failures if "503" not in failure.what] == []
        began = time.monotonic()
        with RawClient(product.port) as client:
            assert client.exchange(GET).status == 200
        assert time.monotonic() - began < 3
