"""SIGKILL at full load, with clients that never retry: what is lost, and what is not."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Any

import pytest

from support import Product, crowd, merge, proxying, until
from support.load import surviving
from support.peers import wrk
from support.processes import (
    Kill,
    client_ports,
    kill_controller,
    kill_worker,
    pid_of,
    ready,
    stop,
    waiting,
    workers,
)
from support.traffic import Failure, Traffic

QUEUED = 40
LONG_LIVED = 16


def config(address: str, **more: Any) -> dict[str, Any]:
    return merge(proxying(address, process={"workers": 2, "drain_timeout": "5s"}), more)


@contextmanager
def full_load(product: Product, **clients: int) -> Iterator[Traffic]:
    """As much as the machine can bear, and in between the clients that are believed."""
    with (
        wrk(product.port, "/text/wrk", connections=32),
        Traffic(product.port, clients, per_connection=50) as traffic,
    ):
        traffic.go_on()
        yield traffic


def unexplained(failures: list[Failure], kills: list[Kill]) -> list[Failure]:
    """The failures on connections that no killed worker had accepted."""
    return [
        failure
        for failure in failures
        if not any(kill.explains(failure.port, failure.opened, failure.failed) for kill in kills)
    ]


def report(what: str, traffic: Traffic, kills: list[Kill]) -> None:
    """Figures for whoever runs this with -s."""
    own = Counter(failure.kind for failure in traffic.failures)
    connections = sum(len(kill.ports) for kill in kills)
    print(
        f"\n{what}: {len(kills)} kills of workers with {connections} connections in all; "
        f"{traffic.total} exchanges ended well {dict(traffic.done)}, {own.total()} failed {dict(own)}, "
        f"{len(unexplained(traffic.failures, kills))} of them on other connections"
    )


def kill_workers(address: str, times: int, *, patient: bool) -> None:
    """Kill workers in turn; `patient` waits for the replacement each time, else both may be missing."""
    with surviving(config(address)) as product:
        kills = []
        with full_load(product, keep_alive=12, per_request=12) as traffic:
            for slot in islice(cycle((0, 1)), times):
                kills.append(kill_worker(product, slot))
                traffic.go_on()
                if patient:
                    ready(product)
            ready(product)
            traffic.go_on()
        report("patient" if patient else "impatient", traffic, kills)
        assert unexplained(traffic.failures, kills) == []
        assert product.metric("headgate_worker_restarts_total") == times
        until(lambda: product.metric("headgate_listener_in_flight") == 0, "gauges at zero")


def test_a_killed_worker_costs_only_its_own_exchanges(texts: str) -> None:
    kill_workers(texts, 5, patient=True)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_fifty_killed_workers(texts: str) -> None:
    kill_workers(texts, 50, patient=True)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_fifty_killed_workers_with_no_time_to_recover(texts: str) -> None:
    kill_workers(texts, 50, patient=False)


def settled(product: Product, traffic: Traffic) -> bool:
    """Whether every client's connection has been accepted by a worker."""
    ports = traffic.ports
    accepted = (client_ports(pid, product.port) for pid in workers(product))
    return len(ports) == LONG_LIVED and ports <= set().union(*accepted)


def kill_out_of_the_blue(address: str, times: int) -> None:
    """Without standing still first: here connections live for long, so that the list from before is
    exact once all of them were accepted.
    """
    with surviving(config(address)) as product:
        kills = []
        with (
            wrk(product.port, "/text/wrk", connections=32),
            Traffic(product.port, {"keep_alive": LONG_LIVED}, per_connection=1_000_000) as traffic,
        ):
            for slot in islice(cycle((0, 1)), times):
                until(lambda: settled(product, traffic), "all connections to be accepted", 30)
                pid = pid_of(product, f"w{slot}")
                ports = client_ports(pid, product.port)
                at = time.monotonic()
                os.kill(pid, signal.SIGKILL)
                kills.append(Kill(at, ports))
                traffic.go_on()
                ready(product)
        report("out of the blue", traffic, kills)
        assert unexplained(traffic.failures, kills) == []


def test_a_worker_is_killed_out_of_the_blue(texts: str) -> None:
    kill_out_of_the_blue(texts, 2)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_workers_are_killed_out_of_the_blue(texts: str) -> None:
    kill_out_of_the_blue(texts, 20)


def test_what_waits_in_the_queues_of_killed_workers_is_served(texts: str) -> None:
    with surviving(config(texts)) as product:
        pids = workers(product)
        for pid in pids:
            stop(pid)
        with crowd(product.port, QUEUED, patience=20) as clients:
            for client in clients[::2]:  # some say something while they wait
                client.send(b"GET /text/early HTTP/1.1\r\nHost: x\r\n\r\n")
            until(lambda: sum(waiting(product.port)) == QUEUED, "all in the queues")
            assert min(waiting(product.port)) > 0
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            for client in clients[1::2]:
                client.send(b"GET /text/late HTTP/1.1\r\nHost: x\r\n\r\n")
            for number, client in enumerate(clients):
                response = client.final()
                assert (response.status, response.body) == (200, (b"/text/early", b"/text/late")[number % 2])
        ready(product)


def test_bodies_and_tunnels_of_the_neighbour_live_on(origin: str) -> None:
    with surviving(config(origin)) as product:
        kills = []
        clients = {"download": 4, "upload": 4, "echo": 2, "tunnel": 6, "pipelined": 2, "abort": 2}
        with Traffic(product.port, clients) as traffic:
            for slot in (0, 1):
                traffic.go_on()
                kills.append(kill_worker(product, slot))
                ready(product)
            traffic.go_on()
        report("bodies and tunnels", traffic, kills)
        assert unexplained(traffic.failures, kills) == []
        assert any(kill.ports for kill in kills)


def kill_controllers(address: str, times: int) -> None:
    """Every other one dies while it reloads."""
    with surviving(config(address)) as product:
        everything = workers(product)
        with full_load(product, keep_alive=8, per_request=8, pipelined=2) as traffic:
            for number in range(times):
                if number % 2:
                    product.write(merge(product.config, {"timeouts": {"head": f"{10 + number}s"}}))
                    product.signal(signal.SIGHUP)
                    time.sleep(0.01 * number)  # anywhere within the reload
                kill_controller(product)
                traffic.go_on()
                ready(product)
            product.signal(signal.SIGHUP)
            until(lambda: product.metric("headgate_reload_last_success") == 1, "a reload", 30)
            traffic.go_on()
        print(f"\n{times} kills of controllers: {traffic.total} exchanges, {len(traffic.failures)} failed")
        assert traffic.failures == []
        assert workers(product) == everything
        assert product.metric("headgate_controller_restarts_total") == times


def test_a_killed_controller_costs_nothing(texts: str) -> None:
    kill_controllers(texts, 3)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_twenty_killed_controllers(texts: str) -> None:
    kill_controllers(texts, 20)
