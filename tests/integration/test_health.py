"""Health of endpoints in the running product: who gets requests, and who does not."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import signal
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
from support.peers import running
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
        body = self.path.encode()
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(body)))
        with contextlib.suppress(OSError):
            self.end_headers()
            self.wfile.write(body)

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


@contextlib.contextmanager
def load_on(product: Product, clients: int = 4) -> Iterator[Load]:
    with Load(product.port, clients=clients) as load:
        yield load
    assert load.failures == []


def shares(product: Product, load: Load, endpoints: list[str], requests: int) -> list[float]:
    """How many of about so many requests each endpoint answers from now on."""
    before = [got(product, endpoint) for endpoint in endpoints]
    load.go_on(requests)
    return [got(product, endpoint) - old for endpoint, old in zip(endpoints, before, strict=True)]


MORTAL = """
import sys, time
from support.load import PathBackend
with PathBackend(port=int(sys.argv[1])):
    time.sleep(600)
"""
PAUSES = 3.0  # of a machine that is busy with something else
PROBES = {"interval": "100ms", "timeout": "1s", "healthy": 2, "unhealthy": 2}


@pytest.mark.alone
def test_a_killed_endpoint_leaves_a_single_process_and_comes_back_slowly(
    backends: list[SlowBackend], tmp_path: Path
) -> None:
    """Without retries. With all roles: test_failing_endpoints.py."""
    port = free_port()
    mortal = f"127.0.0.1:{port}"
    command = [sys.executable, "-c", MORTAL, str(port)]
    endpoints = [backends[0].address, backends[1].address, mortal]
    config = proxying(
        *endpoints,
        services={"backend": {"health_check": PROBES, "slow_start": "60s"}},
    )
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(running(command, port, tmp_path / "log"))
        product = stack.enter_context(Product(config, "--single"))
        until(lambda: product.metric("headgate_endpoint_healthy") == 3, "all healthy")
        with Load(product.port, clients=4) as load:
            assert all(shares(product, load, endpoints, 90))
            peer.send_signal(signal.SIGKILL)
            peer.wait()
            until(lambda: product.metric("headgate_endpoint_healthy", endpoint=mortal) == 0, "out")
            load.go_on(20)  # what was on its way
            failed = list(load.failures)
            assert len(failed) <= 8, "only exchanges that were there when it died"
            attempts = product.metric("headgate_endpoint_failures_total", endpoint=mortal)
            assert shares(product, load, endpoints, 90)[2] == 0
            assert product.metric("headgate_endpoint_failures_total", endpoint=mortal) == attempts
            stack.enter_context(running(command, port, tmp_path / "log2"))
            until(lambda: product.metric("headgate_endpoint_healthy", endpoint=mortal) == 1, "back")
            back = shares(product, load, endpoints, 300)
            assert 0 < back[2] < sum(back) * 0.15, "its weight begins with a tenth"
        assert load.failures == failed
        assert f"endpoint {mortal} of backend is unhealthy: " in product.log
        assert f"endpoint {mortal} of backend is healthy again" in product.log


@pytest.mark.alone
def test_a_slow_endpoint_is_ejected(backends: list[SlowBackend]) -> None:
    endpoints = [backend.address for backend in backends]
    outliers = {"minimum": 5, "interval": "500ms"}
    config = proxying(
        *endpoints,
        process={"workers": 2},
        services={"backend": {"outliers": outliers}},
    )
    with Product(config) as product, load_on(product, 20) as load:
        assert all(shares(product, load, endpoints, 200))
        assert product.metric("headgate_endpoint_ejections_total") == 0
        backends[2].seconds *= 50
        begun = time.monotonic()
        until(
            lambda: product.metric("headgate_endpoint_ejections_total", endpoint=endpoints[2]) == 1,
            "ejection",
        )
        assert time.monotonic() - begun < 2.0 + PAUSES
        load.go_on(20)  # what was asked before
        after = shares(product, load, endpoints, 400)
        assert after[2] <= 20, "only what was there already"
        assert min(after[:2] + after[3:]) > 50
        assert product.metric("headgate_endpoint_healthy") == 4
        assert (
            f"endpoint {endpoints[2]} of backend is ejected for 30 s: slower than the others" in product.log
        )


def test_errors_eject_and_a_dry_run_does_not(backends: list[SlowBackend]) -> None:
    endpoints = [backend.address for backend in backends]
    backends[0].status = 500
    dry = proxying(
        *endpoints,
        services={"backend": {"outliers": {"dry_run": True, "consecutive_errors": 3}}},
    )
    with Product(dry) as product:
        while product.metric("headgate_service_outliers_spared_total") == 0:
            ask(product)
        assert product.metric("headgate_endpoint_healthy") == 5
        assert "would be ejected for 30 s: too many errors" in product.log
        product.write(merge(product.config, {"services": {"backend": {"outliers": {"dry_run": False}}}}))
        product.signal(signal.SIGHUP)
        until(lambda: "snapshot 2 is served" in product.log, "the reload")
        while product.metric("headgate_endpoint_healthy") == 5:
            ask(product)
        assert [ask(product)[0] for _ in range(20)] == [200] * 20


def ask(product: Product, path: str = "/") -> tuple[int, bytes]:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=15)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def order(product: Product, endpoint: str, order: str, token: str = "secret", **body: Any) -> tuple[int, Any]:
    """Give an order by the API."""
    connection = http.client.HTTPConnection("127.0.0.1", product.admin_port, timeout=15)
    try:
        connection.request(
            "POST",
            f"/api/v1/services/backend/endpoints/{endpoint}/{order}",
            json.dumps(body),
            {"Authorization": f"Bearer {token}"},
        )
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_a_drain_lets_old_ones_end_and_survives_a_reload(backends: list[SlowBackend]) -> None:
    endpoints = [backends[0].address, backends[1].address]
    config = proxying(*endpoints, process={"workers": 3}, admin={"token": "secret"})
    with Product(config) as product:
        held: list[tuple[int, bytes]] = []
        threads = [threading.Thread(target=lambda: held.append(ask(product, "/held"))) for _ in range(6)]
        for thread in threads:
            thread.start()
        assert all(backends[0].held.acquire(timeout=10) for _ in range(1))
        assert order(product, endpoints[0], "drain", token="guess")[0] == 401
        status, shown = order(product, endpoints[0], "drain")
        assert (status, shown["mode"], shown["in_flight"] > 0) == (200, "draining", True)
        with load_on(product) as load:
            load.go_on(20)  # what was on its way
            assert shares(product, load, endpoints, 80)[0] == 0
            product.signal(signal.SIGHUP)
            until(lambda: "snapshot 2 is served" in product.log, "the reload")
            assert shares(product, load, endpoints, 80)[0] == 0
            backends[0].go.set()
            backends[1].go.set()
            for thread in threads:
                thread.join(15)
            assert [status for status, _ in held] == [200] * 6
            assert order(product, endpoints[0], "enable")[0] == 200
            assert shares(product, load, endpoints, 80)[0] > 0
            assert order(product, endpoints[0], "weight", weight=0)[1]["weight"] == 0
            load.go_on(20)  # what was on its way
            assert shares(product, load, endpoints, 100)[0] == 0
            assert order(product, endpoints[0], "weight", weight=None)[1]["weight"] == 1
            assert order(product, endpoints[1], "health", health="unhealthy")[1]["healthy"] is False
            load.go_on(20)  # what was on its way
            assert shares(product, load, endpoints, 100)[1] == 0


@pytest.mark.parametrize(
    ("endpoint", "name", "body", "status", "reason"),
    [
        ("127.0.0.1:1", "drain", {}, 404, "has no endpoint '127.0.0.1:1'"),
        ("", "stop", {}, 404, "there is no order 'stop'"),
        ("", "weight", {"weight": -1}, 400, "weight is no whole number"),
        ("", "weight", {}, 400, "the body has no weight"),
        ("", "health", {"health": "fine"}, 400, "health is none of"),
    ],
)
def test_orders_that_cannot_be(
    tokened: Product, endpoint: str, name: str, body: dict[str, Any], status: int, reason: str
) -> None:
    got_status, answer = order(tokened, endpoint or "127.0.0.1:9", name, **body)
    assert got_status == status
    assert reason in answer["error"]


@pytest.fixture(scope="module")
def tokened() -> Iterator[Product]:
    with Product(proxying("127.0.0.1:9", admin={"token": "secret"})) as product:
        yield product


def test_the_services_are_shown(tokened: Product) -> None:
    status, body = tokened.admin("/api/v1/services")
    (service,) = json.loads(body)["services"]
    assert (status, service["name"], service["endpoints"][0]["name"]) == (200, "backend", "127.0.0.1:9")
    assert "secret" not in body


def test_the_commands(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    config = proxying("127.0.0.1:9")
    with Product(config) as product:
        product.write(
            merge(product.config, {"admin": {"bind": [product.config["admin"]["bind"], f"unix:{path}"]}})
        )
        product.signal(signal.SIGHUP)
        until(path.exists, "the socket")
        until(lambda: "snapshot 2 is served" in product.log, "the reload")
        file = ["-c", str(product.file)]
        assert "healthy, weight 1, 0 in flight" in command("services", *file).stdout
        drained = command("endpoint", "drain", "backend", "127.0.0.1:9", *file)
        assert drained.stdout == "127.0.0.1:9  healthy, draining, weight 1, 0 in flight\n", drained.stderr
        assert ask(product)[0] == 503
        weighed = command("endpoint", "weight", "backend", "127.0.0.1:9", "7", "--admin", f"unix:{path}")
        assert "draining, weight 7" in weighed.stdout
        address = f"127.0.0.1:{product.admin_port}"
        refused = command("endpoint", "enable", "backend", "127.0.0.1:9", "--admin", address)
        assert (refused.returncode, "changes are taken on a unix socket only" in refused.stderr) == (1, True)
        unknown = command("endpoint", "enable", "backend", "127.0.0.1:8", *file)
        assert (unknown.returncode, "there are: 127.0.0.1:9" in unknown.stderr) == (1, True)
    gone = command("services", "--admin", address)
    assert (gone.returncode, f"nobody answers at {address}" in gone.stderr) == (1, True)
    assert command("services").returncode == 2


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "headgate.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
