"""Health of endpoints in the running product: who gets requests, and who does not."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from support import Product, free_port, proxying
from support.load import Load
from support.peers import origin_command, running
from support.product import merge, until


class _Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, SlowBackend)
        if self.path == "/held":
            server.held.release()
            server.go.wait(10)
        time.sleep(server.seconds)
        self.send_response(server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Nothing."""


class SlowBackend(http.server.ThreadingHTTPServer):
    """Answers after `seconds` with `status`; /held only when `go` is set."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        self.seconds = 0.004
        self.status = 200
        self.held = threading.Semaphore(0)
        self.go = threading.Event()
        super().__init__(("127.0.0.1", free_port()), _Answer)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections end in any state."""

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self.shutdown()
        self.thread.join()
        self.server_close()


@pytest.fixture
def backends() -> Iterator[list[SlowBackend]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(SlowBackend()) for _ in range(5)]


def got(product: Product, endpoint: str) -> float:
    """Requests that an endpoint has answered."""
    return product.metric("headgate_endpoint_requests_total", endpoint=endpoint)


def shares(product: Product, load: Load, endpoints: list[str], requests: int) -> list[float]:
    """How many of about so many requests each endpoint answers from now on."""
    before = [got(product, endpoint) for endpoint in endpoints]
    load.go_on(requests)
    return [got(product, endpoint) - old for endpoint, old in zip(endpoints, before, strict=True)]


PROBES = {"interval": "100ms", "timeout": "1s", "healthy": 2, "unhealthy": 2}


@pytest.mark.parametrize("arguments", [(), ("--single",)], ids=["roles", "single"])
def test_a_killed_endpoint_leaves_and_comes_back_slowly(
    backends: list[SlowBackend], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    port = free_port()
    mortal = f"127.0.0.1:{port}"
    endpoints = [backends[0].address, backends[1].address, mortal]
    config = proxying(
        *endpoints,
        process={"workers": 2},
        services={"backend": {"health_check": PROBES, "slow_start": "60s"}},
    )
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(running(origin_command(port), port, tmp_path / "log"))
        product = stack.enter_context(Product(config, *arguments))
        until(lambda: product.metric("headgate_endpoint_healthy") == 3, "all healthy")
        with Load(product.port, clients=4) as load:
            assert all(shares(product, load, endpoints, 90))
            peer.send_signal(signal.SIGKILL)
            peer.wait()
            until(lambda: product.metric("headgate_endpoint_healthy", endpoint=mortal) == 0, "out")
            attempts = product.metric("headgate_endpoint_failures_total", endpoint=mortal)
            assert shares(product, load, endpoints, 90)[2] == 0
            assert product.metric("headgate_endpoint_failures_total", endpoint=mortal) == attempts
            stack.enter_context(running(origin_command(port), port, tmp_path / "log2"))
            until(lambda: product.metric("headgate_endpoint_healthy", endpoint=mortal) == 1, "back")
            back = shares(product, load, endpoints, 300)
            assert 0 < back[2] < sum(back) * 0.15, "its weight begins with a tenth"
        assert load.failures == []
        assert f"endpoint {mortal} of backend is unhealthy: " in product.log
        assert f"endpoint {mortal} of backend is healthy again" in product.log
