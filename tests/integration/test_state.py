"""The state of the running product as the API shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import Product, free_port
from support.asking import Client
from support.load import PathBackend
from support.orders import TOKEN, call
from support.product import until

PAGE = Path(__file__).parents[2] / "docs/admin.md"


@pytest.fixture(scope="module")
def backend() -> Iterator[PathBackend]:
    with PathBackend() as backend:
        yield backend


@pytest.fixture(scope="module")
def product(backend: PathBackend) -> Iterator[Product]:
    config = {
        "process": {"workers": 2, "drain_timeout": "1s"},
        "access_log": "off",
        "admin": {"token": TOKEN},
        "routes": [
            {
                "name": "shop",
                "match": {"path": "/shop/*"},
                "services": [{"service": "old", "weight": 3}, {"service": "new"}],
                "concurrency": 20,
                "mirror": {"service": "next", "percent": 50, "compare": True},
                "hedge": {"after": "p95", "budget": "5%"},
            },
            {"name": "gone", "match": {"path": "/gone"}, "service": "gone", "retry": {"attempts": 2}},
        ],
        "services": {
            "old": {"endpoints": [backend.address], "breaker": {}, "concurrency": {"adaptive": True}},
            "new": {"endpoints": [backend.address], "retry_budget": "off"},
            "next": {"endpoints": [backend.address]},
            "gone": {"endpoints": [f"127.0.0.1:{free_port()}"], "breaker": {"scope": "endpoint"}},
        },
    }
    with Product(config) as product:
        yield product


def state(product: Product) -> dict[str, Any]:
    status, answer = call(product, "GET", "state")
    assert status == 200
    return dict(answer)


def named(things: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(one for one in things if one["name"] == name)


def test_what_happened_is_shown(product: Product) -> None:
    with Client(product.port) as client:
        assert [client.ask("/shop/1").status for _ in range(8)] == [200] * 8
        assert [client.ask("/gone").status for _ in range(3)] == [502] * 3
    until(lambda: call(product, "GET", "mirrors")[1]["mirrors"][0]["compared"]["equal"] == 4, "the copies")
    shown = state(product)
    old, new, gone = (named(shown["services"], name) for name in ("old", "new", "gone"))
    shop, route_of_gone = (named(shown["routes"], name) for name in ("shop", "gone"))
    assert old["breakers"][0] | {"for_seconds": None} == {
        "service": "old",
        "endpoint": None,
        "state": "closed",
        "held": False,
        "for_seconds": None,
        "window": {"attempts": 6, "failures": 0, "slow": 0},
        "opened": 0,
        "refused": 0,
    }
    assert gone["breakers"][0]["window"]["failures"] == 6
    assert (new["breakers"], new["retry_budget"], new["concurrency"]) == ([], None, None)
    assert 0 < gone["retry_budget"].pop("tokens") < 11
    assert gone["retry_budget"] == {"percent": 20, "per_second": 10, "withheld": 0}
    assert old["concurrency"]["adaptive"]
    assert old["concurrency"]["limit"] > 0
    assert shop["concurrency"]["limit"] == 20
    assert (shop["concurrency"]["running"], shop["concurrency"]["waiting"]) == (0, 0)
    assert route_of_gone["retries"]["made"]["connect"] == 3
    assert route_of_gone["hedges"] is None
    assert shop["hedges"]["sent"] == 0
    assert [share["weight"] for share in shop["split"]["shares"]] == [3, 1]
    assert shop["mirror"]["compared"]["mismatch_rate"] == 0
    assert (shown["snapshot"], shown["workers"]) == (1, {"wanted": 2, "serving": 2})


def test_parts_are_the_same_as_the_whole(product: Product) -> None:
    shown = state(product)
    for kind in ("services", "routes"):
        assert named(call(product, "GET", kind)[1][kind], "gone").keys() == shown[kind][0].keys()
        one = call(product, "GET", f"{kind}/gone")[1]
        assert one["name"] == "gone"
        assert one.keys() == shown[kind][0].keys()
        status, answer = call(product, "GET", f"{kind}/nobody")
        assert (status, "'nobody'" in answer["error"], "gone" in answer["hint"]) == (404, True, True)
    assert (
        call(product, "GET", "breakers")[1]["breakers"][0].keys()
        == shown["services"][0]["breakers"][0].keys()
    )


def test_the_page_shows_what_is_there(product: Product) -> None:
    """The example of the documents has the keys that the API has."""
    example = json.loads(PAGE.read_text().partition("```json\n")[2].partition("```")[0])
    shown = state(product)
    assert keys(example) == keys(shown)


def keys(value: Any) -> Any:
    """The keys of mappings, in lists those of the first; without what is null there or here."""
    if isinstance(value, dict):
        return {name: keys(inner) for name, inner in value.items()}
    return [keys(value[0])] if isinstance(value, list) and value else None
