"""What all workers have in flight decides, and zones do, with real processes."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from support import merge, proxying, until
from support.backend import Backend
from support.load import surviving
from support.processes import kill_worker, ready
from support.product import Product


class Holding:
    """Backends that never answer, and requests to them."""

    def __init__(self, backends: list[Backend], stack: ExitStack) -> None:
        self.backends = backends
        self._stack = stack

    def ask(self, product: Product, count: int) -> list[int]:
        """Send requests one after the other; how many came to each backend."""
        before = self._counts()
        for number in range(count):
            client = socket.create_connection(("127.0.0.1", product.port))
            self._stack.callback(client.close)
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            until(lambda: sum(self._counts()) > sum(before) + number, "the request")  # noqa: B023 - called before the loop goes on
        return [after - one for after, one in zip(self._counts(), before, strict=True)]

    def _counts(self) -> list[int]:
        for backend in self.backends:
            backend.untouched()
        return [len(backend.wires) for backend in self.backends]


@pytest.fixture
def holding() -> Iterator[Holding]:
    with ExitStack() as stack:
        yield Holding([stack.enter_context(Backend()) for _ in range(2)], stack)


def configured(holding: Holding, *endpoints: dict[str, Any], **more: Any) -> dict[str, Any]:
    addresses = [backend.address for backend in holding.backends]
    shown = [{"address": address, **more} for address, more in zip(addresses, endpoints, strict=True)]
    services = {"services": {"backend": {"endpoints": shown, "balance": "least_requests"}}}
    return merge(proxying(), services, more)


def reload(product: Product, holding: Holding, *endpoints: dict[str, Any]) -> None:
    version = product.metric("headgate_snapshot_version")
    product.write(merge(product.config, {"services": configured(holding, *endpoints)["services"]}))
    product.signal(signal.SIGHUP)
    until(lambda: product.metric("headgate_snapshot_version") > version, "the reload")


def test_what_workers_have_in_flight_is_known_to_all(holding: Holding) -> None:
    with surviving(configured(holding, {}, {"weight": 0}, process={"workers": 3})) as product:
        assert holding.ask(product, 12) == [12, 0]
        reload(product, holding, {}, {})
        # Whichever worker has them: first as many as the other one, then by turns.
        assert holding.ask(product, 12) == [0, 12]
        assert holding.ask(product, 12) == [6, 6]
        reload(product, holding, {}, {"weight": 0})
        assert holding.ask(product, 3) == [3, 0]
        # What was at the dead is forgotten: 21 here, 18 there.
        for slot in range(3):
            kill_worker(product, slot)
        ready(product)
        reload(product, holding, {}, {})
        assert holding.ask(product, 6) == [3, 3]


def test_the_own_zone_is_preferred(holding: Holding) -> None:
    """Named by the environment, which goes before the file."""
    config = configured(holding, {"zone": "a"}, {"zone": "b"}, process={"workers": 1, "zone": "a"})
    with surviving(config, env={"HEADGATE_ZONE": "b"}) as product:
        assert holding.ask(product, 4) == [0, 4]
        labels = {"service": "backend", "tier": "0"}
        assert product.metric("headgate_service_picks_total", **labels, zone="own") == 4
        assert product.metric("headgate_service_picks_total", **labels, zone="other") == 0
        assert product.metric("headgate_service_spilled_total", service="backend") == 0
        holding.backends[1].close()
        holding.backends.pop()
        assert holding.ask(product, 2) == [2]
        assert product.metric("headgate_service_picks_total", **labels, zone="other") == 2
