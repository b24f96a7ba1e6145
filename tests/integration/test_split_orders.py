"""Weights of a route's services, changed by the API and by `headgate split`."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from support import Product, free_port

SHARES = [
    {"service": "old", "weight": 3, "name": "blue"},
    {"service": "new", "weight": 1, "name": "green"},
]


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    config = {
        "access_log": "off",
        "admin": {"token": "secret"},
        "routes": [
            {"name": "shop", "match": {"path": "/*"}, "services": SHARES},
            {"name": "plain", "match": {"path": "/plain"}, "service": "old"},
        ],
        "services": {name: {"endpoints": [f"127.0.0.1:{free_port()}"]} for name in ("old", "new")},
    }
    with Product(config) as product:
        yield product


def order(product: Product, route: str, body: str, token: str = "secret") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", product.admin_port, timeout=15)
    try:
        connection.request("POST", f"/api/v1/splits/{route}", body, {"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def weights(split: Any) -> dict[str, int]:
    return {share["name"]: share["weight"] for share in split["shares"]}


def test_weights_are_set_and_forgotten(product: Product) -> None:
    status, changed = order(product, "shop", '{"weights": {"green": 9}}')
    assert (status, weights(changed)) == (200, {"blue": 3, "green": 9})
    (shown,) = json.loads(product.admin("/api/v1/splits")[1])["splits"]
    assert weights(shown) == {"blue": 3, "green": 9}
    assert product.metric("headgate_variant_weight", route="shop", variant="green") == 9
    assert weights(order(product, "shop", '{"activate": "green"}')[1]) == {"blue": 0, "green": 100}
    assert weights(order(product, "shop", '{"weights": null}')[1]) == {"blue": 3, "green": 1}


@pytest.mark.parametrize(
    ("route", "body", "status", "reason"),
    [
        ("shop", '{"weights": {"red": 1}}', 400, "route shop has no red; it has blue, green"),
        ("shop", '{"weights": {"green": -1}}', 400, "route shop: "),
        ("shop", '{"weights": {"green": "many"}}', 400, "route shop: "),
        ("shop", '{"activate": "red"}', 400, "route shop has no red; it has blue, green"),
        ("shop", "weights", 400, "the body is no JSON"),
        ("shop", '{"weight": 1}', 400, "the body is no order"),
        ("plain", '{"activate": "old"}', 404, "there is no route 'plain' with several services"),
    ],
)
def test_orders_that_cannot_be(product: Product, route: str, body: str, status: int, reason: str) -> None:
    got_status, answer = order(product, route, body)
    assert got_status == status
    assert answer["error"].startswith(reason)
    assert answer["hint"]


def test_strangers_give_no_orders(product: Product) -> None:
    assert order(product, "shop", '{"activate": "green"}', token="guess")[0] == 401


def command(product: Product, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "headgate.cli", "split", *arguments, "-c", str(product.file)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def test_the_command(product: Product) -> None:
    assert command(product).stdout == "shop  blue 3, green 1\n"
    assert command(product, "shop", "blue=5", "green=5").stdout == "shop  blue 5, green 5\n"
    assert command(product, "shop", "--activate", "blue").stdout == "shop  blue 100, green 0\n"
    assert command(product, "shop").stdout == "shop  blue 100, green 0\n"
    assert command(product, "shop", "--file").stdout == "shop  blue 3, green 1\n"
    refused = command(product, "shop", "red=1")
    assert (refused.returncode, "route shop has no red" in refused.stderr) == (1, True)
    unknown = command(product, "plain")
    assert (unknown.returncode, "no route 'plain' with several services" in unknown.stderr) == (1, True)
    malformed = command(product, "shop", "blue")
    assert (malformed.returncode, "is not NAME=WEIGHT" in malformed.stderr) == (2, True)
    both = command(product, "shop", "blue=1", "--file")
    assert (both.returncode, "exclude each other" in both.stderr) == (2, True)
