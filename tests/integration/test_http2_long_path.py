"""One fast stream fills a path of 1 Gbit/s and 50 ms: 6.25 MB are under way on it, in either direction.

With a window that stays at 64 KiB a body would take 30 seconds instead of the 6 that it has here. How fast
the machine is matters little: a path that is slow is long too, and the window grows to what it holds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from support import Backend, Product, RawClient, Wire, peers, proxying
from support.content import Check, parts
from support.http2 import Flag, Frame, Http2Wire, Kind, Setting, data, headers, window_update
from support.path import LongPath
from support.wire import readable

SIZE = 40_000_000
ONE_WAY = 0.025
FULL = 6_250_000  # bytes under way when the path is full
SECONDS = 6.0
WINDOW = 16 << 20


class Bulk(Http2Wire):
    """An end that sends a large body as windows allow, and checks those that come.

    A stream in `stopped` gets no credit. `most`: the largest window that a stream which sends has had.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.patience = 30
        self.checks: dict[int, Check] = {}
        self.done: set[int] = set()
        self.stopped: set[int] = set()
        self.windows = {0: 65535}
        self.initial = 65535
        self.most = 0

    def pour(self, stream: int, seed: int) -> None:
        """Send the body `seed`."""
        self.windows.setdefault(stream, self.initial)
        for number, piece in enumerate(parts(seed, SIZE, 16384), 1):
            while min(self.windows[0], self.windows[stream]) < len(piece) or self._more():
                self.read_frame()
            for each in (0, stream):
                self.windows[each] -= len(piece)
            self.send(data(stream, bytes(piece), end=16384 * number >= SIZE))
            self.most = max(self.most, self.windows[stream] + len(piece))

    def _more(self) -> bool:
        return len(self.received) > self.taken or readable(self.socket, 0)

    def _note(self, came: Frame) -> None:
        del self.received[: self.taken], self.frames[:]
        self.taken = 0
        if came.kind == Kind.WINDOW_UPDATE:
            self.windows[came.stream] = self.windows.get(came.stream, self.initial) + came.number
        elif came.kind == Kind.SETTINGS and not came.flags & Flag.ACK:
            self.initial = came.settings.get(Setting.INITIAL_WINDOW_SIZE, self.initial)
        if came.kind == Kind.DATA and came.stream in self.checks:
            self.checks[came.stream].feed(came.content)
            if came.flags & Flag.END_STREAM:
                self.done.add(came.stream)
        else:
            super()._note(came)

    def _answer(self, came: Frame) -> None:
        if came.kind == Kind.DATA and came.stream in self.stopped:
            self.send(window_update(0, len(came.payload)))
        else:
            super()._answer(came)

    def wait_for(self, stream: int) -> None:
        """Read until the body of the stream is complete."""
        while stream not in self.done:
            self.read_frame()
        assert self.checks[stream].size == SIZE


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with peers.origin(tmp_path_factory.mktemp("origin")) as address:
        yield address


def test_an_upload(origin: str) -> None:
    """The window that the client has grows, without its asking."""
    with (
        Product(proxying(origin)) as product,
        LongPath(product.port, ONE_WAY) as path,
        Bulk.connected(path.port) as client,
    ):
        began = time.monotonic()
        stream = client.ask(method="POST", path="/sum/7", end=False)
        client.pour(stream, 7)
        assert client.message(stream).body == b"%d" % SIZE
        report("upload", began, client)


def report(what: str, began: float, end: Bulk | None = None) -> None:
    took = time.monotonic() - began
    most = f", a window of {end.most} bytes" if end else ""
    print(f"\n{what}: {SIZE} bytes in {took:.2f} s, {took / ONE_WAY / 2:.0f} round trips{most}")
    assert took < SECONDS
    assert end is None or end.most >= FULL


def test_a_download_from_an_endpoint_far_away() -> None:
    """So does the window that an endpoint over HTTP/2 has."""
    with (
        Backend() as backend,
        LongPath(backend.port, ONE_WAY) as path,
        Product(proxying(f"h2c://{path.address}")) as product,
        RawClient(product.port, patience=30) as client,
    ):
        client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        endpoint = Bulk(backend.accept().socket, client=False)
        endpoint.read_preface()
        endpoint.greet()
        stream = endpoint.read_kind(Kind.HEADERS).stream
        began = time.monotonic()
        reading = threading.Thread(target=read_all, args=(client, 7))
        reading.start()
        block = endpoint.block([(":status", "200"), ("content-length", str(SIZE))])
        endpoint.send(headers(stream, block))
        endpoint.pour(stream, 7)
        reading.join()
        report("download", began, endpoint)


def read_all(client: RawClient, seed: int) -> None:
    client.response_head()
    check = Check(seed)
    while check.size < SIZE:
        check.feed(client.read(min(SIZE - check.size, 65536)))
        del client.received[: client.taken]
        client.taken = 0


def test_a_download_beside_a_stream_that_nobody_reads(origin: str) -> None:
    """That one stops, with its own connection to the endpoint, and nothing else does."""
    stopping = {"match": {"path": "/stopped"}, "name": "stopped", "service": "stopped"}
    with Backend() as backend:
        config = proxying(origin)
        config["routes"].insert(0, stopping)
        config["services"]["stopped"] = {"endpoints": [backend.address]}
        with (
            Product(config) as product,
            LongPath(product.port, ONE_WAY) as path,
            Bulk.connected(path.port) as client,
        ):
            client.send(window_update(0, WINDOW))
            stopped = client.ask(path="/stopped")
            client.stopped.add(stopped)
            client.checks[stopped] = Check(9)
            upstream = backend.accept()
            upstream.request()
            sending = threading.Thread(target=send_all, args=(upstream, 9))
            sending.start()
            began = time.monotonic()
            fast = client.ask(path=f"/bytes/{SIZE}/5")
            client.checks[fast] = Check(5)
            client.send(window_update(fast, WINDOW))
            client.wait_for(fast)
            report("download beside another", began)
            assert client.checks[stopped].size <= 65535
            assert sending.is_alive()
            client.stopped.clear()
            client.send(window_update(stopped, WINDOW))
            client.wait_for(stopped)
            sending.join()


def send_all(wire: Wire, seed: int) -> None:
    wire.patience = 60
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
    for piece in parts(seed, SIZE):
        wire.send(bytes(piece))
