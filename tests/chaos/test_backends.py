"""Backends that die, stand still, crawl or break off: no answer is passed on as more than it is."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support import (
    Backend,
    Product,
    RawClient,
    crowd,
    free_port,
    merge,
    proxying,
    until,
)
from support.content import chunk, content
from support.peers import origin_command, running
from support.processes import pss, stopped, workers
from support.traffic import Failure, Traffic, framing

CLIENTS = {"keep_alive": 4, "per_request": 4, "pipelined": 2, "download": 6, "upload": 6, "echo": 4}
MIB = 1 << 20
GET = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"


def config(address: str, **more: Any) -> dict[str, Any]:
    quick = {"timeouts": {"connect": "500ms", "first_byte": "1s", "response_idle": "1s"}}
    return merge(proxying(address, process={"workers": 2}), quick, more)


class Origin:
    """programs/origin.py on a port that stays the same."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[int]:
        """Gives its process."""
        with running(origin_command(self.port), self.port, self._folder / "origin.log") as process:
            yield process.pid


SEEN = r"AssertionError\(\(?50[234]\b|IncompleteRead|Connection|BrokenPipe|RuntimeError"


def honest(failures: list[Failure]) -> None:
    """Every failure is one that the client sees: an error status or a broken connection, nothing wrong."""
    for failure in failures:
        assert re.match(SEEN, failure.what), failure


def test_a_backend_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    backend = Origin(tmp_path)
    with Product(config(backend.address)) as product, Traffic(product.port, CLIENTS) as traffic:
        for _ in range(3):
            with backend.running() as pid:
                traffic.go_on()
                until(lambda: product.metric("headgate_listener_in_flight") > 0, "exchanges under way")
                os.kill(pid, signal.SIGKILL)
                failed = len(traffic.failures)
                until(lambda: len(traffic.failures) > failed + 20, "failures")  # noqa: B023 - called before the loop goes on
        with backend.running():
            traffic.go_on()
            traffic.stop()
        print(f"\n{traffic.total} exchanges ended well, {len(traffic.failures)} failed")
        honest(traffic.failures)
        until(lambda: product.metric("headgate_listener_in_flight") == 0, "gauges at zero")
        product.check()


def test_a_backend_that_stands_still(tmp_path: Path) -> None:
    backend = Origin(tmp_path)
    with backend.running() as pid, Product(config(backend.address)) as product:
        with Traffic(product.port, {"keep_alive": 8, "download": 4}, size=3 * MIB) as traffic:
            traffic.go_on()
            with stopped(pid):
                began = time.monotonic()
                with crowd(product.port, 20) as clients:
                    for client in clients:
                        client.send(GET % b"/text/a")
                    for client in clients:
                        response = client.final()
                        assert response.status == 504
                        assert "http_response_timeout" in (response.get("Proxy-Status") or "")
                assert time.monotonic() - began < 3
            traffic.go_on()
        honest(traffic.failures)
        assert traffic.failures
        before = len(traffic.failures)
        with Traffic(product.port, CLIENTS) as traffic:
            traffic.go_on()
        assert traffic.failures == []
        assert before


def test_a_backend_that_does_not_accept(origin: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        port = deaf.getsockname()[1]
        queue = [socket.socket() for _ in range(8)]
        for waiting in queue:  # fills its queue: what comes now gets no answer at all
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        both = {"backend": {"endpoints": [f"127.0.0.1:{port}", origin]}}
        with Product(config(f"127.0.0.1:{port}")) as product, crowd(product.port, 6) as clients:
            for client in clients:
                client.send(GET % b"/text/a")
            for client in clients:
                assert client.final().status == 504
            # One that answers is found when there is one.
            product.write(merge(product.config, {"services": both}))
            product.signal(signal.SIGHUP)
            until(lambda: product.metric("headgate_snapshot_version") == 2, "the reload")
            for client in clients:
                assert client.exchange(GET % b"/text/a").status == 200
        for waiting in queue:
            waiting.close()


@pytest.mark.parametrize(
    ("size", "at"),
    [
        (10, 0),
        (10, 5),
        (100_000, 65_536),
        (1 * MIB, 1),
        (10 * MIB, 5 * MIB),
        (10 * MIB, 10 * MIB - 1),
    ],
)
@pytest.mark.parametrize("way", ["cut", "cutchunks", "reset"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_what_is_cut_is_never_complete(broken: Product, way: str, size: int, at: int, version: str) -> None:
    with RawClient(broken.port) as client:
        client.send(f"GET /{way}/{size}/{at} HTTP/{version}\r\nHost: x\r\n\r\n".encode())
        head = client.response_head()
        data = client.read_to_end()
    if head.status == 502:
        return
    assert head.status == 200
    if head.get("Content-Length"):
        assert len(data) < size
    elif head.get("Transfer-Encoding"):
        assert not data.endswith(b"0\r\n\r\n")
    else:  # its end is that of the connection: only a reset shows that something is missing
        assert client.was_reset
    if not head.get("Transfer-Encoding"):
        assert data == content(0, len(data))


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_what_stalls_is_never_complete(broken: Product, version: str) -> None:
    for size, at in ((10, 5), (10 * MIB, 3 * MIB)):
        with RawClient(broken.port) as client:
            client.send(f"GET /stall/{size}/{at} HTTP/{version}\r\nHost: x\r\n\r\n".encode())
            head = client.response_head()
            assert head.status == 200
            assert len(client.read_to_end()) == at


@pytest.mark.parametrize("early", [False, True], ids=["mute", "early"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_an_upload_that_is_taken_and_not_answered_ends(early: bool, chunked: bool) -> None:
    """Its last bytes wait for the backend to read, which then says nothing more."""
    size = 10 * MIB
    body = chunk(bytes(size)) + b"0\r\n\r\n" if chunked else bytes(size)
    with Backend() as backend, Product(config(backend.address)) as product, RawClient(product.port) as client:
        field = framing(size, chunked).encode()
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % field)
        wire = backend.accept()
        wire.request_head()
        if early:
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
            assert client.response_head().status == 200
        sending = threading.Thread(target=client.send, args=(body,))
        sending.start()
        while len(wire.received) < size:
            wire.read(min(128 * 1024, size - len(wire.received)))
            time.sleep(0.001)  # slower than the client
        sending.join()
        began = time.monotonic()
        if early:
            assert client.read_to_end() == b""
        else:
            assert client.response().status == 504
        assert time.monotonic() - began < 3


@pytest.fixture(scope="module")
def broken(origin: str) -> Iterator[Product]:
    """One product for all cases: it must not suffer from any of them."""
    with Product(config(origin)) as product:
        yield product
        until(lambda: product.metric("headgate_listener_in_flight") == 0, "gauges at zero")
        with Traffic(product.port, CLIENTS) as traffic:
            traffic.go_on()
        assert traffic.failures == []


@pytest.mark.parametrize("way", ["upload", "download"])
def test_memory_is_bounded_while_nothing_moves(tmp_path: Path, way: str) -> None:
    backend = Origin(tmp_path)
    slow = {
        "timeouts": {"first_byte": "60s", "response_idle": "60s", "idle": "60s"},
        "limits": {"minimum_rate": "off"},
    }
    count = 60
    with backend.running() as pid, Product(merge(config(backend.address), slow)) as product:
        with Traffic(product.port, CLIENTS) as traffic:
            traffic.go_on(300)
        before = sum(map(pss, workers(product)))
        with Traffic(product.port, {way: count}, size=10 * MIB) as traffic:
            with stopped(pid):
                growth = []
                limit = time.monotonic() + 2
                while time.monotonic() < limit:
                    growth.append(sum(map(pss, workers(product))) - before)
                    time.sleep(0.1)
            traffic.go_on(count, 60)
        print(f"\n{way}: at most {max(growth) / 1024:.0f} KiB more for {count} bodies of up to 10 MiB")
        assert max(growth) < count * (2 * 64 + 16) * 1024
        assert traffic.failures == []
