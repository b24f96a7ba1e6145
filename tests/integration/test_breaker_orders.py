"""Breakers of the running product that operators hold open or closed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from support import Product, free_port
from support.asking import Client
from support.load import PathBackend
from support.orders import TOKEN, call, headgate
from support.product import until

GONE = "127.0.0.1:9"


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
            {"name": name, "match": {"path": f"/{name}"}, "service": name}
            for name in ("whole", "parts", "broken")
        ],
        "services": {
            "whole": {"endpoints": [backend.address], "breaker": {"open_for": "60s"}},
            "parts": {"endpoints": [backend.address, GONE], "breaker": {"scope": "endpoint"}},
            "broken": {
                "endpoints": [f"127.0.0.1:{free_port()}"],
                "breaker": {"consecutive": 2, "open_for": "60s"},
            },
        },
    }
    product = Product(config)
    try:
        yield product
        product.stop(check=False)  # a test kills processes
    finally:
        product.kill()


def statuses(product: Product, path: str, times: int = 6) -> set[int]:
    """Of requests on connections of their own, which several workers take."""
    found = set()
    for _ in range(times):
        with Client(product.port) as client:
            found.add(client.ask(path).status)
    return found


def breaker(product: Product, service: str, endpoint: str | None = None) -> dict[str, Any]:
    breakers = call(product, "GET", "breakers")[1]["breakers"]
    (found,) = [one for one in breakers if (one["service"], one["endpoint"]) == (service, endpoint)]
    return dict(found)


def test_held_open_over_a_reload_and_the_death_of_everybody(product: Product) -> None:
    assert statuses(product, "/whole") == {200}
    assert call(product, "POST", "breakers/whole/open", token="guess")[0] == 401
    status, answer = call(product, "POST", "breakers/whole/open")
    (shown,) = answer["breakers"]
    assert (status, shown["state"], shown["held"]) == (200, "open", True)
    assert statuses(product, "/whole") == {503}
    assert product.metric("headgate_breaker_state", service="whole") == 3
    version = product.metric("headgate_snapshot_version")
    product.signal(signal.SIGHUP)
    until(lambda: product.metric("headgate_snapshot_version") > version, "the reload")
    pids = product.pids()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(set(product.pids()) - set(pids)) == len(pids), "all processes to be replaced")
    until(lambda: ready(product), "readiness")
    assert statuses(product, "/whole") == {503}
    assert call(product, "POST", "breakers/whole/auto")[1]["breakers"][0]["held"] is False
    assert statuses(product, "/whole") == {200}
    assert "breaker of whole, as ordered: held open" in product.log
    assert "breaker of whole, as ordered: on its own again" in product.log


def ready(product: Product) -> bool:
    try:
        return product.admin("/readyz")[0] == 200 and product.metric("headgate_workers_ready") == 2
    except OSError:
        return False


def test_held_closed_whatever_fails(product: Product) -> None:
    call(product, "POST", "breakers/broken/close")
    assert statuses(product, "/broken") == {502}
    shown = breaker(product, "broken")
    assert (shown["state"], shown["held"], shown["opened"]) == ("closed", True, 0)
    assert product.metric("headgate_breaker_state", service="broken") == 4
    call(product, "POST", "breakers/broken/auto")
    assert 503 in statuses(product, "/broken")
    shown = breaker(product, "broken")
    assert (shown["state"], shown["held"], shown["opened"]) == ("open", False, 1)
    assert shown["refused"] > 0


def test_one_endpoint_of_several(product: Product) -> None:
    answer = call(product, "POST", f"breakers/parts/endpoints/{GONE}/open")[1]
    assert [(one["endpoint"], one["state"]) for one in answer["breakers"]] == [(GONE, "open")]
    assert statuses(product, "/parts", 12) == {200}
    assert breaker(product, "parts", GONE)["refused"] > 0
    answer = call(product, "POST", "breakers/parts/open")[1]
    assert [one["held"] for one in answer["breakers"]] == [True, True]
    assert statuses(product, "/parts") == {503}
    call(product, "POST", "breakers/parts/auto")
    assert 200 in statuses(product, "/parts")


@pytest.mark.parametrize(
    ("path", "reason", "hint"),
    [
        ("nobody/open", "there is no service 'nobody' with a breaker", "there are: whole, parts, broken"),
        ("whole/burn", "there is no order 'burn'", "open, close or auto"),
        ("whole/endpoints/a:1/open", "whole has no breaker for an endpoint 'a:1'", "it has one for all"),
        ("parts/endpoints/a:1/open", "parts has no breaker for an endpoint 'a:1'", f", {GONE}"),
    ],
)
def test_orders_that_cannot_be(product: Product, path: str, reason: str, hint: str) -> None:
    status, answer = call(product, "POST", f"breakers/{path}")
    assert (status, answer["error"]) == (404, reason)
    assert hint in answer["hint"]


def test_the_command(product: Product) -> None:
    done = headgate(product, "breaker", "open", "parts", GONE)
    assert done.stdout.startswith(f"parts {GONE}  held open for "), done.stderr
    assert f"parts {GONE}  held open" in headgate(product, "breaker", "show").stdout
    assert headgate(product, "breaker", "auto", "parts", GONE).stdout.startswith(f"parts {GONE}  closed")
    refused = headgate(product, "breaker", "close", "nobody")
    assert (refused.returncode, "no service 'nobody' with a breaker" in refused.stderr) == (1, True)
