"""One rate limit on two machines: two Headgates and a Redis that is killed and comes back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Timer
from typing import Any

import pytest

from support.asking import Client
from support.product import Product, until
from support.redis import RedisServer

RATE, BURST = 200, 100
WORKERS = 2
# What the test asks beyond the limit, in each of its connections.
PAUSE = 0.002
# Requests of one connection, below what Headgate takes of one.
ASKED = 500

pytestmark = pytest.mark.alone


def configuration(redis: RedisServer) -> dict[str, Any]:
    return {
        "process": {"workers": WORKERS, "drain_timeout": "1s"},
        "access_log": "off",
        "routes": [{"name": "all", "middlewares": ["limit"], "respond": {"body": "ok"}}],
        "middlewares": {
            "limit": {
                "type": "rate_limit",
                "rate": f"{RATE}/s",
                "burst": BURST,
                "key": "header:X-Customer",
                # Long, so that a machine that stands still for a moment is not a Redis that is away.
                "redis": {"url": redis.url, "timeout": "2s"},
            }
        },
    }


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def products(redis: RedisServer) -> Iterator[list[Product]]:
    with Product(configuration(redis)) as one, Product(configuration(redis)) as other:
        yield [one, other]


class Crowd:
    """What several clients of one customer got: when each answer came, by product."""

    def __init__(self, products: list[Product], customer: str, seconds: float) -> None:
        self.customer = customer
        self.until = time.monotonic() + seconds
        self.statuses: Counter[int] = Counter()
        begun = time.monotonic()
        asking = [(product, http2) for product in products for http2 in (False, True)]
        with ThreadPoolExecutor(len(asking)) as pool:
            found = list(pool.map(lambda asked: self._ask(*asked), asking))
        self.taken = [sum(len(times) for times in pair) for pair in zip(found[::2], found[1::2], strict=True)]
        self.seconds = max(moment for times in found for moment in times) - begun

    def _ask(self, product: Product, http2: bool) -> list[float]:
        """When each of the requests that were let through was answered."""
        taken: list[float] = []
        while time.monotonic() < self.until:
            with Client(product.port, http2=http2) as client:
                for _ in range(ASKED):
                    now = time.monotonic()
                    if now >= self.until:
                        break
                    status = client.ask("/", {"x-customer": self.customer}).status
                    self.statuses[status] += 1
                    if status == 200:
                        taken.append(now)
                    else:
                        time.sleep(PAUSE)
        return taken

    @property
    def due(self) -> float:
        """What the limit lets through in that time."""
        return BURST + RATE * self.seconds


def test_one_limit_on_two_machines(products: list[Product], redis: RedisServer) -> None:
    together = Crowd(products, "a", 2)
    assert set(together.statuses) == {200, 429}
    assert sum(together.taken) == pytest.approx(together.due, rel=0.02)
    assert min(together.taken) > 0

    killer = Timer(0.3, redis.kill)
    killer.start()
    alone = Crowd(products, "b", 1.2)
    killer.join()
    assert set(alone.statuses) == {200, 429}  # nothing fails
    for taken in alone.taken:  # each keeps the limit by itself, and knows what it let through before
        assert taken == pytest.approx(alone.due, rel=0.05)

    redis.start()
    until(lambda: all(is_back(product) for product in products), "its way back")
    again = Crowd(products, "c", 1.5)
    assert set(again.statuses) == {200, 429}
    assert sum(again.taken) == pytest.approx(again.due, rel=0.02)


def is_back(product: Product) -> bool:
    """Whether all workers that lost Redis have it again."""
    lost = product.log.count("Redis does not answer")
    return 0 < lost == product.log.count("Redis answers again")
