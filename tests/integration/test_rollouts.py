"""Progressive rollouts with real processes: going on, going back, and who else has a say."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from support import Product, free_port
from support.asking import Client
from support.orders import TOKEN, call, headgate
from support.processes import pid_of, ready
from support.product import until

STEPS = [
    {"weight": "20%", "for": "200ms"},
    {"weight": "50%", "for": "200ms"},
    {"weight": "100%", "for": "200ms"},
]
# What the new versions answer with; all are listeners of the same Headgate.
VERSIONS: dict[str, dict[str, Any]] = {
    "old": {"respond": {"body": "old"}},
    "good": {"respond": {"body": "new"}},
    "broken": {"respond": {"status": 500, "body": "new"}},
    "slow": {"service": "old", "fault": {"delay": "250ms"}},
}


def rolling(new: str, **more: Any) -> dict[str, Any]:
    return {
        "name": new,
        "listeners": ["web"],
        "match": {"path": f"/{new}"},
        "services": [{"service": "old", "weight": 1}, {"service": new, "weight": 0, "name": "next"}],
        "rollout": {"to": "next", "steps": STEPS, "minimum": 20, "window": "2s", **more},
    }


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    ports = {name: free_port() for name in VERSIONS}
    config = {
        "process": {"workers": 2, "drain_timeout": "1s"},
        "access_log": "off",
        "admin": {"token": TOKEN},
        "listeners": {"web": {"bind": f"127.0.0.1:{free_port()}"}}
        | {name: {"bind": f"127.0.0.1:{port}"} for name, port in ports.items()},
        "routes": [
            rolling("good", p99=1000),  # whatever else this machine does
            rolling("broken", p99=1000, start="file"),
            rolling("slow"),
            *(
                {"name": f"version-{name}", "listeners": [name], **answer}
                for name, answer in VERSIONS.items()
            ),
        ],
        "services": {name: {"endpoints": [f"127.0.0.1:{ports[name]}"]} for name in VERSIONS},
    }
    product = Product(config)
    product.port = int(product.config["listeners"]["web"]["bind"].rpartition(":")[2])
    try:
        yield product
        product.stop(check=False)  # a test kills the controller
    finally:
        product.kill()


@contextmanager
def traffic(product: Product, path: str) -> Iterator[None]:
    """Requests to a route, by four clients."""
    end = threading.Event()

    def ask() -> None:
        with Client(product.port) as client:
            while not end.is_set():
                client.ask(path)
                end.wait(0.001)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        end.set()
        for thread in threads:
            thread.join(15)


def rollout(product: Product, route: str) -> dict[str, Any]:
    rollouts = call(product, "GET", "rollouts")[1]["rollouts"]
    return next(dict(one) for one in rollouts if one["route"] == route)


def becomes(product: Product, route: str, phase: str) -> dict[str, Any]:
    until(lambda: rollout(product, route)["phase"] == phase, f"{route} to be {phase}", 20.0)
    return rollout(product, route)


def order(product: Product, route: str, name: str) -> dict[str, Any]:
    status, answer = call(product, "POST", f"rollouts/{route}/{name}")
    assert status == 200, answer
    return dict(answer)


def another_controller(product: Product) -> None:
    pid = pid_of(product, "ctl")
    os.kill(pid, signal.SIGKILL)
    until(lambda: pid_of(product, "ctl") not in (0, pid), "another controller")
    ready(product)
    assert "one thing less" not in product.log, product.log  # it looked at rollouts before it knew the fleet


def test_a_good_one_goes_to_the_end(product: Product) -> None:
    """With a pause, a reload and the death of the controller on its way."""
    assert rollout(product, "good")["phase"] == "idle"
    assert rollout(product, "good")["weights"] == {"old": 1, "next": 0}
    started = order(product, "good", "start")
    assert (started["phase"], started["step"], started["weights"]) == ("running", 1, {"old": 4, "next": 1})
    paused = order(product, "good", "pause")
    product.signal(signal.SIGHUP)
    until(lambda: "snapshot 2 is served" in product.log, "the reload")
    another_controller(product)
    kept = rollout(product, "good")
    assert (kept["phase"], kept["step"], kept["weights"]) == ("paused", 1, paused["weights"])
    order(product, "good", "resume")
    another_controller(product)
    assert rollout(product, "good")["phase"] == "running"
    with traffic(product, "/good"):
        done = becomes(product, "good", "done")
    assert (done["weights"], done["step"]) == ({"old": 0, "next": 1}, None)
    assert done["decisions"] == {
        "started": 1,
        "advanced": 2,
        "finished": 1,
        "rolled_back": 0,
        "paused": 1,
        "resumed": 1,
        "aborted": 0,
    }
    assert product.metric("headgate_rollout_phase", route="good") == 3
    assert product.metric("headgate_rollout_decisions_total", route="good", decision="advanced") == 2
    for said in ("step 1 of 3: 20% to next", "paused, as ordered", "step 3 of 3: 100% to next", "finished"):
        assert f"rollout of route good: {said}" in product.log
    assert order(product, "good", "abort")["weights"] == {"old": 1, "next": 0}


def test_one_that_fails_goes_back_by_itself(product: Product) -> None:
    """And the file itself began it."""
    assert rollout(product, "broken")["phase"] == "running"
    with traffic(product, "/broken"):
        back = becomes(product, "broken", "rolled_back")
    assert (back["cause"], back["weights"]) == ("errors", {"old": 1, "next": 0})
    assert "rollout of route broken: taken back: 100.00% of " in product.log
    assert product.metric("headgate_rollout_phase", route="broken") == 5
    with Client(product.port) as client:
        assert {client.ask("/broken").status for _ in range(20)} == {200}


def test_one_that_is_slow_goes_back_by_itself(product: Product) -> None:
    order(product, "slow", "start")
    with traffic(product, "/slow"):
        back = becomes(product, "slow", "rolled_back")
    assert (back["cause"], back["weights"]["next"]) == ("latency", 0)
    assert "rollout of route slow: taken back: p99 of " in product.log


def test_weights_that_somebody_sets_pause_it(product: Product) -> None:
    order(product, "good", "start")
    assert call(product, "POST", "splits/good", {"weights": {"next": 9}})[0] == 200
    paused = becomes(product, "good", "paused")
    assert (paused["cause"], paused["weights"]["next"]) == ("weights", 9)
    assert order(product, "good", "resume")["weights"] == {"old": 4, "next": 1}
    order(product, "good", "abort")


@pytest.mark.parametrize(
    ("path", "status", "reason", "end"),
    [
        ("version-old/start", 404, "there is no route 'version-old' ", "with a rollout"),
        ("slow/stop", 404, "there is no order ", "'stop'"),
        ("slow/pause", 409, "the rollout of slow is ", "not running"),
        ("slow/resume", 409, "the rollout of slow is ", "not paused"),
    ],
)
def test_orders_that_cannot_be(product: Product, path: str, status: int, reason: str, end: str) -> None:
    assert call(product, "POST", "rollouts/slow/start", token="guess")[0] == 401
    assert rollout(product, "slow")["phase"] in ("idle", "rolled_back")
    got, answer = call(product, "POST", f"rollouts/{path}")
    assert got == status
    assert answer["error"].startswith(reason)
    assert answer["error"].endswith(end)


def test_the_command(product: Product) -> None:
    def says(words: str, *expected: str) -> None:
        done = headgate(product, "rollout", *words.split())
        assert all(text in done.stdout + done.stderr for text in expected), done

    says("start good", "good  next running, step 1 of 3 (20%) for 0 s")
    says("start good", "the rollout of good has begun already", "abort it first")
    says("pause good", "good  next paused")
    says("status", "good  next paused", "slow  next ")
    says("abort good", "good  next aborted")
    says("status nobody", "there is no route 'nobody' with a rollout")
