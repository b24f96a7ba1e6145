"""What clients of a service see while one of its endpoints fails: with probes, retries, outlier detection and
balancing together, on real processes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from support import Product, proxying, until
from support.endpoints import Clients, Fickle, endpoints

pytestmark = pytest.mark.alone

PAUSES = 3.0  # of a machine that is busy with something else
RETRY = {"attempts": 3, "on": ["connect", "reset", "502", "503"]}
PROBES = {"interval": "200ms", "timeout": "1s", "healthy": 2, "unhealthy": 2}
SLOW_START = 5.0

T = TypeVar("T")


async def wait(condition: Callable[[], T], what: str) -> float:
    """Until it is true, while clients go on. Returns the seconds that it took."""
    begun = time.monotonic()
    await asyncio.to_thread(until, condition, what)
    return time.monotonic() - begun


async def share(clients: Clients, made: list[Fickle], one: Fickle, requests: int) -> float:
    """The part of so many requests from now on that an endpoint gets."""
    before = {each.port: each.count() for each in made}
    await clients.go_on(requests)
    got = {each.port: each.count() - before[each.port] for each in made}
    return got[one.port] / sum(got.values())


async def test_a_killed_endpoint_is_not_noticed_and_comes_back_slowly() -> None:
    with endpoints(3, seconds=0.1) as made:
        config = proxying(
            *(one.address for one in made),
            process={"workers": 2},
            routes=[{"name": "all", "match": {"path": "/*"}, "service": "backend", "retry": RETRY}],
            services={"backend": {"health_check": PROBES, "slow_start": f"{SLOW_START:g}s"}},
        )
        mortal = made[0]
        with Product(config) as product:

            def healthy() -> float:
                return product.metric("headgate_endpoint_healthy", endpoint=mortal.address)

            clients = Clients(product.port)
            async with clients.asking(200):
                await clients.go_on(600)
                assert await share(clients, made, mortal, 600) > 0.25
                mortal.kill()
                out = await wait(lambda: healthy() == 0, "out of rotation")
                assert out < 2 * 0.2 * 1.1 + PAUSES
                assert f"endpoint {mortal.address} of backend is unhealthy: " in product.log
                await clients.go_on(300)  # what was on its way
                retries = product.metric("headgate_route_retry_causes_total", route="all")
                assert retries > 0
                await clients.go_on(600)
                assert product.metric("headgate_route_retry_causes_total", route="all") == retries
                mortal.start()
                await wait(lambda: healthy() == 1, "back")
                begun = time.monotonic()
                shares = [await share(clients, made, mortal, 200)]
                while time.monotonic() < begun + SLOW_START:
                    shares.append(await share(clients, made, mortal, 600))
                whole = await share(clients, made, mortal, 600)
                assert 0 < shares[0] < 0.15, "its weight begins with a tenth"
                assert whole > 0.25
                assert any(shares[0] + 0.02 < one < whole - 0.02 for one in shares), "and grows from there"
            assert clients.failures == []
            assert {status for status, _ in clients.answers} == {200}
            assert product.metric("headgate_route_retries_withheld_total", route="all") == 0


async def test_a_slow_endpoint_is_not_noticed_for_long() -> None:
    """One of five turns 50 times slower: two seconds later the 99th percentile is near what it was before."""
    with endpoints(5, seconds=0.02) as made:
        config = proxying(
            *(one.address for one in made),
            process={"workers": 2},
            services={"backend": {"balance": "least_time", "outliers": {}}},
        )
        with Product(config) as product:
            clients = Clients(product.port)
            async with clients.asking(20):
                await clients.go_on(1000)
                before = clients.percentile(0.99)
                made[2].turn(seconds=1.0)
                turned = time.monotonic()
                await wait(lambda: time.monotonic() > turned + 2.0, "two seconds")
                await clients.go_on(1500)
            assert clients.failures == []
            assert clients.percentile(0.99, since=turned + 2.0) <= 3 * before
