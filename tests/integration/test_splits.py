"""Routes with several services, with real processes."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from headgate.controller import splits
from headgate.shm.region import Region
from headgate.spec import Route, ServiceShare
from support.asking import Client
from support.ports import free_port
from support.product import Product, until
from support.region import region_of

SHARES = ("blue", "green")
ROUTE = Route(name="app", services=tuple(ServiceShare(service=name) for name in SHARES))


def configuration(workers: int = 2) -> dict[str, Any]:
    fixed = {name: free_port() for name in SHARES}
    return {
        "process": {"workers": workers, "drain_timeout": "1s"},
        "access_log": {"format": "json", "path": "stdout"},
        "listeners": {"web": {"bind": f"127.0.0.1:{free_port()}"}}
        | {name: {"bind": f"127.0.0.1:{port}"} for name, port in fixed.items()},
        "routes": [
            {
                "name": "app",
                "listeners": ["web"],
                "services": [
                    {"service": "blue", "weight": 3},
                    {"service": "green", "weight": 1} | {"match": {"headers": {"x-canary": "yes"}}},
                ],
                "sticky": "cookie:user",
                "variant_header": "X-Variant",
            },
            # The services themselves: each name is answered by the same Headgate.
            *(
                {"name": name, "listeners": [name], "respond": {"body": name, "headers": {"X-Variant": "?"}}}
                for name in SHARES
            ),
        ],
        "services": {name: {"endpoints": [f"127.0.0.1:{port}"]} for name, port in fixed.items()},
    }


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with Product(configuration()) as made:
        yield made


@pytest.fixture
def region(product: Product) -> Iterator[Region]:
    region = region_of(product.pid)
    yield region
    splits.forget_weights(region, ROUTE)


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def client(product: Product, request: pytest.FixtureRequest) -> Iterator[Client]:
    with connected(product, http2=request.param) as made:
        yield made


def connected(product: Product, *, http2: bool = False) -> Client:
    return Client(int(product.config["listeners"]["web"]["bind"].rpartition(":")[2]), http2=http2)


def ask(client: Client, **fields: str) -> str:
    answer = client.ask("/", fields)
    assert answer.status == 200
    assert answer.all("x-variant") == [answer.body.decode()]
    return answer.body.decode()


def test_shares_take_turns_by_weight(client: Client) -> None:
    assert Counter(ask(client) for _ in range(40)) == {"blue": 30, "green": 10}


def test_users_keep_their_variant_in_all_workers(product: Product) -> None:
    def users(_: int) -> list[str]:
        with connected(product) as client:
            return [ask(client, cookie=f"user={user}") for user in range(24)]

    with ThreadPoolExecutor(4) as pool:
        rounds = list(pool.map(users, range(8)))
    assert all(one == rounds[0] for one in rounds)
    assert set(rounds[0]) == {"blue", "green"}


def test_a_header_forces_a_share(client: Client) -> None:
    assert {ask(client, x_canary="yes", cookie=f"user={user}") for user in range(12)} == {"green"}


def test_blue_green_by_one_name_over_reloads(product: Product, region: Region) -> None:
    """In all workers at once, and after a reload too."""

    def answers() -> set[str]:
        found = set()
        for _ in range(8):
            with connected(product) as client:
                found |= {ask(client), ask(client)}
        return found

    assert answers() == {"blue", "green"}
    assert splits.activate(region, ROUTE, "green") == {"blue": 0, "green": 100}
    assert answers() == {"green"}
    version = product.metric("headgate_snapshot_version")
    product.signal(signal.SIGHUP)
    until(lambda: product.metric("headgate_snapshot_version") > version, "the reload")
    assert answers() == {"green"}
    assert product.metric("headgate_variant_weight", variant="blue") == 0
    splits.activate(region, ROUTE, "blue")
    assert answers() == {"blue"}


def test_records_and_metrics_name_the_variant(product: Product) -> None:
    before = product.metric("headgate_variant_requests_total", route="app", variant="green")
    with connected(product) as client:
        ask(client, x_canary="yes", user_agent="recorded")
    assert product.shows("headgate_variant_requests_total", before + 1, route="app", variant="green")

    def records() -> list[dict[str, object]]:
        found = [json.loads(line) for line in product.log.splitlines() if '"recorded"' in line]
        return [record for record in found if record["route"] == "app"]

    assert [record.get("variant") for record in until(records, "the record")] == ["green"]


def test_impossible_splits(region: Region) -> None:
    with pytest.raises(splits.SplitRefused, match="has no red; it has blue, green"):
        splits.set_weights(region, ROUTE, {"red": 1})
    with pytest.raises(splits.SplitRefused, match="not all of them 0"):
        splits.set_weights(region, ROUTE, {"blue": 0, "green": 0})
    with pytest.raises(splits.SplitRefused, match="one service or none"):
        splits.set_weights(region, Route(name="app"), {"blue": 1})
    with pytest.raises(splits.SplitRefused, match="has no red"):
        splits.activate(region, ROUTE, "red")
