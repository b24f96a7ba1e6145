"""bandwidth with real processes: bodies at a rate, in both directions, without holding them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support import peers
from support.asking import Client
from support.content import content
from support.processes import pss, workers
from support.product import Product, proxying

MIB = 1 << 20
RATE = 8 * MIB
BODY = content(1, 10 * MIB)

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with peers.origin(tmp_path_factory.mktemp("origin")) as origin:
        rate = {"request": "8MiB/s", "response": "8MiB/s"}
        routes: list[dict[str, Any]] = [
            {"name": "shared", "match": {"headers": {"x-key": {"present": True}}}, "middlewares": ["shared"]},
            {"name": "all", "middlewares": ["own"]},
        ]
        config = proxying(
            origin,
            routes=[{**route, "service": "backend"} for route in routes],
            middlewares={
                "own": {"type": "bandwidth", **rate},
                "shared": {"type": "bandwidth", **rate, "key": "header:X-Key"},
            },
        )
        with Product(config) as made:
            yield made


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def client(product: Product, request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(product.port, http2=request.param) as made:
        yield made


def test_a_response_comes_at_the_rate(client: Client) -> None:
    begun = time.monotonic()
    answer = client.ask(f"/bytes/{len(BODY)}/1")
    assert len(BODY) / (time.monotonic() - begun) == pytest.approx(RATE, rel=0.05)
    assert answer.body == BODY


def test_a_request_goes_at_the_rate(client: Client) -> None:
    begun = time.monotonic()
    answer = client.ask("/sum/1", method="POST", body=BODY)
    assert len(BODY) / (time.monotonic() - begun) == pytest.approx(RATE, rel=0.05)
    assert answer.body == str(len(BODY)).encode()


def test_exchanges_with_one_key_share_the_rate(product: Product) -> None:
    def fetch(http2: bool) -> int:
        with Client(product.port, http2=http2) as client:
            return len(client.ask(f"/chunks/{4 * MIB}/1", {"x-key": "a"}).body)

    begun = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        size = sum(pool.map(fetch, (False, True)))
    assert size == 8 * MIB
    assert size / (time.monotonic() - begun) == pytest.approx(RATE, rel=0.05)


def test_nothing_is_held(product: Product) -> None:
    """The origin has 256 MiB for each of four clients, of which a second brings 8."""
    before = pss(workers(product)[0])
    clients = [Client(product.port, http2=http2) for http2 in (False, False, True, True)]
    for client in clients:
        client.begin(f"/bytes/{256 * MIB}/1")
    highest, until = 0, time.monotonic() + 1
    while time.monotonic() < until:
        highest = max(highest, pss(workers(product)[0]))
        time.sleep(0.05)
    for client in clients:
        client.close()
    assert highest - before < 8 * MIB
