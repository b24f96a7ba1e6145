"""Retries, their budget and hedges from real processes, between real endpoints that fail."""

from __future__ import annotations

import time
from typing import Any

import pytest

from support import Product, proxying, until
from support.endpoints import Clients, Fickle, endpoints

pytestmark = pytest.mark.alone


def config(made: list[Fickle], workers: int = 2, **route: Any) -> dict[str, Any]:
    route = {"name": "all", "match": {"path": "/*"}, "service": "backend", **route}
    return proxying(*(one.address for one in made), process={"workers": workers}, routes=[route])


async def test_a_retry_storm_cannot_happen() -> None:
    retry = {"attempts": 4, "on": "5xx", "backoff": "off"}
    with endpoints(3, status=503) as made, Product(config(made, retry=retry)) as product:
        clients = Clients(product.port)
        begun = time.monotonic()
        await clients.run(50, 4000)
        seconds = time.monotonic() - begun
        asked = sum(one.count() for one in made)
        assert clients.answers == {(503, b"fast"): 4000}
        # A fifth, ten a second, and what a quiet second saved: 1.25 times as many at 500 requests a second.
        assert 4000 + 400 < asked <= 4000 * 1.2 + 10 * (seconds + 2)
        assert product.metric("headgate_service_retries_withheld_total", service="backend") > 1000
        assert product.metric("headgate_route_retries_withheld_total", reason="budget") > 1000


async def test_hedges_keep_the_slowest_answers_near_the_others() -> None:
    """Each endpoint takes 50 times as long for one request in fifty. The 99th percentile stays within 3 times
    that of the healthy service, at 5 % more requests.
    """
    with endpoints(3, seconds=0.02) as made, Product(config(made, workers=1, hedge="p95")) as product:
        healthy, sick = Clients(product.port), Clients(product.port)
        await healthy.run(10, 1000)  # and the delay is learned from it
        for one in made:
            one.turn(seconds=0.02, slow_every=50, slow_seconds=1.0)
        before = sum(one.count() for one in made)
        await sick.run(10, 2000)
        asked = sum(one.count() for one in made) - before
        assert healthy.failures == sick.failures == []
        assert sick.percentile(0.99) <= 3 * healthy.percentile(0.99)
        assert 2000 < asked <= 2000 * 1.05 + 10  # ten may be saved by quiet times
        won = product.metric("headgate_route_hedge_answers_total", attempt="second")
        assert 0 < won <= product.metric("headgate_route_hedges_total", route="all")
        until(lambda: product.metric("headgate_service_in_flight") == 0, "all to be over")
        until(lambda: product.metric("headgate_endpoint_in_flight") == 0, "all attempts, too")
