"""Everything at once, for long: nothing fails, and nothing grows."""

from __future__ import annotations

import signal
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from support import Product, merge, proxying, until
from support.processes import descriptors, pss, ready, workers
from support.traffic import Traffic

KIB = 1024
MIB = 1024 * KIB
CLIENTS = {
    "keep_alive": 8,
    "per_request": 4,
    "pipelined": 3,
    "download": 4,
    "to_the_end": 2,
    "upload": 4,
    "echo": 3,
    "tunnel": 6,
    "abort": 4,
}
SPARE = 2 * 64  # descriptors of the pipes that a worker keeps for large bodies
GAUGES = (
    "headgate_listener_in_flight",
    "headgate_listener_open_connections",
    "headgate_route_in_flight",
    "headgate_service_in_flight",
    "headgate_endpoint_in_flight",
    "headgate_endpoint_open_connections",
    "headgate_worker_connections",
    "headgate_worker_tunnels",
)


@dataclass
class Series:
    """Values in the order in which they were seen; the first fifth is warming up."""

    values: list[int] = field(default_factory=list)

    def part(self, number: int) -> float:
        """The median of a fifth."""
        size = len(self.values) // 5
        return statistics.median(self.values[number * size : (number + 1) * size])

    @property
    def growth(self) -> float:
        """From the second fifth to the last."""
        return self.part(4) - self.part(1)


def soak(address: str, seconds: float, reload_seconds: float, allowed_growth: int) -> None:
    records = {"format": "json", "path": "/dev/null"}
    with Product(proxying(address, process={"workers": 2}, access_log=records)) as product:
        pids = workers(product)
        memory = {pid: Series() for pid in pids}
        files = {pid: Series() for pid in pids}
        few = max(map(descriptors, pids))
        reloads = 0
        with Traffic(product.port, CLIENTS, size=700_000) as traffic:
            end = time.monotonic() + seconds
            due = time.monotonic() + reload_seconds
            while time.monotonic() < end and not traffic.failures:
                time.sleep(0.5)
                for pid in pids:
                    memory[pid].values.append(pss(pid))
                    files[pid].values.append(descriptors(pid))
                if time.monotonic() > due:
                    due += reload_seconds
                    reloads += 1
                    reload(product, reloads)
        for pid in pids:
            used, grown = memory[pid].part(1) / KIB, memory[pid].growth / KIB
            opened, more = files[pid].part(1), files[pid].growth
            print(f"\nPSS {used:.0f} KiB, then {grown:+.0f}; files {opened:.0f}, then {more:+.0f}", end="")
        print(f"\n{seconds:.0f} s, {reloads} reloads, {traffic.total} exchanges {dict(traffic.done)}")
        assert traffic.failures == []
        ready(product)
        at_rest(product)
        assert max(map(descriptors, pids)) <= few + SPARE
        assert max(series.growth for series in memory.values()) <= allowed_growth
        assert max(series.growth for series in files.values()) <= 20
        assert product.metric("headgate_reloads_total") == reloads + 1
        assert product.metric("headgate_worker_errors_total") == 0


def at_rest(product: Product) -> None:
    """Nothing is open and nothing runs, once pooled connections are too old."""
    for name in GAUGES:
        until(lambda: product.metric(name) == 0, name, 20)  # noqa: B023 - called before the loop goes on


def reload(product: Product, number: int) -> None:
    """Other routes beside the one that counts, and a service that comes and goes."""
    more: dict[str, Any] = {"routes": [*extra_routes(number), product.config["routes"][-1]]}
    if number % 2:
        more["services"] = {f"other{number % 7}": {"endpoints": ["127.0.0.1:1"]}}
    base = {**product.config, "services": {"backend": product.config["services"]["backend"]}}
    product.write(merge(base, more))
    product.signal(signal.SIGHUP)


def extra_routes(number: int) -> list[dict[str, Any]]:
    return [
        {"name": f"r{number % 5}-{i}", "match": {"host": f"h{i}.test"}, "respond": {"body": str(number)}}
        for i in range(number % 30)
    ]


def test_clients_that_reset_leave_nothing_behind(origin: str) -> None:
    """In the middle of a body, an answer, a tunnel: some of them just as something is sent to them."""
    with Product(proxying(origin, process={"workers": 2})) as product:
        with Traffic(product.port, {"abort": 40, "keep_alive": 2}) as traffic:
            until(lambda: traffic.done["abort"] > 5000, "aborted exchanges", 60)
        assert traffic.failures == []
        at_rest(product)


def test_a_short_soak(origin: str) -> None:
    soak(origin, 15, 2, 3 * MIB)


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_a_soak_of_half_an_hour(origin: str) -> None:
    soak(origin, 1800, 10, 2 * MIB)
