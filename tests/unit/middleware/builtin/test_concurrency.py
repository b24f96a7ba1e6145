"""concurrency without a proxy around it."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.middleware.builtin.concurrency import Concurrency
from support.hooks import Alone, exchange, made


def seen(key: str = "a") -> Any:
    found: Any = exchange({"x-key": key})
    found.state = {}
    return found


def test_places_are_taken_and_given_back() -> None:
    worker = Alone()
    middleware = made(Concurrency, {"limit": 2, "key": ["header:X-Key"], "retry_after": 3.0}, worker)
    running = [seen(), seen()]
    assert [middleware.on_request(each) for each in running] == [None, None]
    assert middleware.on_request(seen("b")) is None
    refused = seen()
    reply = middleware.on_request(refused)
    assert reply.status == 429
    assert dict(reply.fields)["Retry-After"] == "3"
    assert worker.counts == {"denied": 1}
    middleware.on_done(refused)  # it had no place to give back
    assert middleware.on_request(seen()) is not None
    middleware.on_done(running[0])
    assert middleware.on_request(seen()) is None


@pytest.mark.parametrize("when_full", ["deny", "allow"])
def test_a_full_table(when_full: str) -> None:
    worker = Alone()
    options = {"limit": 1, "key": ["header:X-Key"], "when_full": when_full}
    middleware = made(Concurrency, options, worker)
    running = [seen(str(number)) for number in range(1000)]
    refused = sum(middleware.on_request(each) is not None for each in running)
    assert worker.counts["table_full"] > 500
    assert refused == (worker.counts["table_full"] if when_full == "deny" else 0)
    for each in running:
        middleware.on_done(each)
    assert middleware.on_request(seen("later")) is None
