"""SIGTERM under full load: what runs is finished, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from support import Product, RawClient, crowd, proxying, until
from support.load import surviving
from support.peers import wrk
from support.processes import gone, kill_controller, pid_of, stop
from support.traffic import Failure, Traffic

EVERYTHING = {
    "keep_alive": 24,
    "per_request": 6,
    "pipelined": 4,
    "download": 4,
    "upload": 4,
    "echo": 3,
    "abort": 2,
}


def config(address: str, **process: Any) -> dict[str, Any]:
    return proxying(address, process={"workers": 2, "drain_timeout": "20s", **process})


def cut(failures: list[Failure], signalled: float) -> list[Failure]:
    """The failures that are no refusals: the connection is older than the signal, or an answer had begun."""
    return [failure for failure in failures if failure.opened < signalled or not failure.unanswered]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_drain_loses_no_exchange(origin: str, number: signal.Signals) -> None:
    with surviving(config(origin)) as product:
        children = product.pids()
        # Clients that think between their requests are those that a closed connection could surprise.
        with (
            wrk(product.port, "/text/wrk", connections=16),
            Traffic(product.port, EVERYTHING, until_refused=True, size=100_000) as traffic,
            Traffic(product.port, {"keep_alive": 100}, until_refused=True, pace=0.02) as thinking,
        ):
            traffic.go_on()
            thinking.go_on()
            signalled = time.monotonic()
            product.signal(number)
            assert product.process.wait(25) == 0
            print(f"\nended after {time.monotonic() - signalled:.2f} s")
            until(lambda: all(map(gone, children)), "no orphans")
        print(f"{traffic.total + thinking.total} exchanges")
        assert cut(traffic.failures + thinking.failures, signalled) == []


def test_a_drain_waits_for_long_exchanges_and_not_for_idle_connections(origin: str) -> None:
    with (
        surviving(config(origin)) as product,
        crowd(product.port, 50) as idle,
        crowd(product.port, 10, patience=10) as slow,
    ):
        for client in idle[:25]:
            assert client.exchange(b"GET /text/a HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
        for client in slow:
            client.send(b"GET /slow/2 HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: product.metric("headgate_listener_in_flight") == 10, "all under way")
        product.signal(signal.SIGTERM)
        for client in slow:
            response = client.final()
            assert (response.body, response.get("connection")) == (b"/slow/2", "close")
            client.expect_end()
        assert product.process.wait(3) == 0
        for client in idle:
            client.expect_end()


def test_a_second_signal_stops_at_once(origin: str) -> None:
    with surviving(config(origin)) as product:
        children = product.pids()
        with (
            Traffic(product.port, {"tunnel": 4, **EVERYTHING}, until_refused=True) as traffic,
            RawClient(product.port) as client,
        ):
            client.send(b"GET /slow/15 HTTP/1.1\r\nHost: x\r\n\r\n")
            traffic.go_on()
            product.signal(signal.SIGTERM)
            until(lambda: "stopping" in product.log, "the first signal")
            second = time.monotonic()
            product.signal(signal.SIGTERM)
            product.process.wait(10)
            assert time.monotonic() - second < 5
            assert all(map(gone, children))
            assert client.read_to_end() == b""
        assert "Traceback" not in product.log


def test_tunnels_are_cut_at_the_limit(origin: str) -> None:
    with surviving(config(origin, drain_timeout="1s")) as product, RawClient(product.port) as tunnel:
        children = product.pids()
        tunnel.send(b"GET /tunnel HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        assert tunnel.response().status == 101
        product.signal(signal.SIGTERM)
        tunnel.send(b"still here")
        tunnel.expect(b"still here")
        tunnel.expect_end()
        assert product.process.wait(10) == 0
        assert all(map(gone, children))


def test_a_worker_that_stands_still_does_not_hold_the_end_up(origin: str) -> None:
    with surviving(config(origin, drain_timeout="1s")) as product:
        children = product.pids()
        stop(pid_of(product, "w1"))
        product.signal(signal.SIGTERM)
        assert product.process.wait(15) == 0
        assert all(map(gone, children))


def test_stopping_without_a_controller(origin: str) -> None:
    with surviving(config(origin)) as product:
        with Traffic(product.port, {"keep_alive": 8}, until_refused=True, pace=0.005) as traffic:
            traffic.go_on()
            for _ in range(4):  # so that the next one comes late
                kill_controller(product)
            children = product.pids()
            signalled = time.monotonic()
            product.signal(signal.SIGTERM)
            assert product.process.wait(25) == 0
        assert all(map(gone, children))
        assert cut(traffic.failures, signalled) == []


@pytest.mark.parametrize(
    ("clients", "limit"), [({"tunnel": 2}, "2s"), (EVERYTHING, "20s")], ids=["tunnels", "everything"]
)
def test_nothing_outlives_a_killed_supervisor(origin: str, clients: dict[str, int], limit: str) -> None:
    product = Product(config(origin, drain_timeout=limit))
    children = product.pids()
    try:
        with Traffic(product.port, clients, until_refused=True) as traffic:
            until(lambda: product.metric("headgate_listener_in_flight") > 0, "exchanges")
            killed = time.monotonic()
            product.signal(signal.SIGKILL)
            product.process.wait(10)
            until(lambda: all(map(gone, children)), "all processes to end", 25)
        lost = cut(traffic.failures, killed)
        assert [failure for failure in lost if failure.kind != "tunnel"] == []
        assert "Traceback" not in product.log
    finally:
        for pid in children:
            if not gone(pid):
                os.kill(pid, signal.SIGKILL)
        product.kill()
