"""Faults that are asked for, with real processes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.asking import Client
from support.ports import free_port
from support.product import Product, until

BODY = "x" * 300


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    port = free_port()
    faults: dict[str, dict[str, Any]] = {
        "abort": {"abort": 503, "percent": 25},
        "some": {"abort": 418, "match": {"cookies": {"test": "1"}}},
        "delay": {"delay": "200ms"},
        "both": {"delay": "200ms", "abort": 500},
        "slow": {"slow_body": "1KiB/s"},
    }
    config = {
        "process": {"workers": 1, "drain_timeout": "1s"},
        "access_log": {"format": "json", "path": "stdout"},
        "listeners": {
            "web": {"bind": f"127.0.0.1:{free_port()}"},
            "app": {"bind": f"127.0.0.1:{port}"},
        },
        "routes": [
            *(
                {"name": name, "listeners": ["web"], "match": {"path": f"/{name}"}, "service": "app"}
                | {"fault": fault}
                | ({"buffering": {"request": "1KiB"}} if name == "delay" else {})
                for name, fault in faults.items()
            ),
            {"name": "app", "listeners": ["app"], "respond": {"body": BODY}},
        ],
        "services": {"app": {"endpoints": [f"127.0.0.1:{port}"]}},
    }
    with Product(config) as made:
        yield made


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def client(product: Product, request: pytest.FixtureRequest) -> Iterator[Client]:
    port = int(product.config["listeners"]["web"]["bind"].rpartition(":")[2])
    with Client(port, http2=request.param) as made:
        yield made


def injected(product: Product, route: str) -> dict[str, float]:
    words = ("delay", "abort", "slow_body")
    return {word: product.metric("headgate_fault_injected_total", route=route, fault=word) for word in words}


def timed(client: Client, path: str, **more: Any) -> tuple[float, int, bytes]:
    start = time.monotonic()
    answer = client.ask(path, **more)
    return time.monotonic() - start, answer.status, answer.body


def test_a_part_is_answered_with_an_error(product: Product, client: Client) -> None:
    before = injected(product, "abort")["abort"]
    assert Counter(client.ask("/abort").status for _ in range(40)) == {200: 30, 503: 10}
    assert injected(product, "abort")["abort"] == before + 10


def test_only_requests_that_match(client: Client) -> None:
    assert client.ask("/some").status == 200
    assert client.ask("/some", {"cookie": "test=1"}).status == 418


@pytest.mark.parametrize("body", [None, b"y", b"y" * 60_000], ids=["no body", "a body", "a long body"])
def test_a_delay(product: Product, client: Client, body: bytes | None) -> None:
    before = injected(product, "delay")["delay"]
    method = "GET" if body is None else "POST"
    seconds, status, got = timed(client, "/delay", method=method, body=body)
    assert (status, got) == (200, BODY.encode())
    assert seconds >= 0.2
    assert injected(product, "delay")["delay"] == before + 1


def test_a_delay_is_never_short(product: Product, client: Client) -> None:
    """However often others wake the worker meanwhile."""
    port = int(product.config["listeners"]["web"]["bind"].rpartition(":")[2])
    over = threading.Event()

    def wake() -> None:
        with Client(port) as other:
            while not over.is_set():
                assert other.ask("/some").status == 200

    with ThreadPoolExecutor(1) as threads:
        waking = threads.submit(wake)
        shortest = min(timed(client, "/delay")[0] for _ in range(8))
        over.set()
        waking.result()
    assert shortest >= 0.2


def test_a_delay_and_then_an_error(client: Client) -> None:
    seconds, status, _ = timed(client, "/both")
    assert status == 500
    assert seconds >= 0.2


def test_a_slow_body(product: Product, client: Client) -> None:
    """Whole, and no faster than it may be: the first of its six pieces comes after one step, too."""
    before = injected(product, "slow")["slow_body"]
    seconds, status, got = timed(client, "/slow")
    assert (status, got) == (200, BODY.encode())
    assert seconds >= 0.25
    assert injected(product, "slow")["slow_body"] == before + 1


def test_clients_that_leave_meanwhile(product: Product) -> None:
    port = int(product.config["listeners"]["web"]["bind"].rpartition(":")[2])
    for path in ("/delay", "/slow"):
        with Client(port, http2=True) as client:
            client.begin(path)
    with Client(port) as client:
        assert timed(client, "/delay")[1] == 200  # the worker lives when their time comes
        assert timed(client, "/slow")[1] == 200
    assert product.metric("headgate_worker_errors_total") == 0
    until(lambda: product.metric("headgate_route_in_flight") == 0, "all to be over")


def test_records_say_it(product: Product, client: Client) -> None:
    client.ask("/both")
    assert '"detail":"a fault that is asked for"' in product.log
