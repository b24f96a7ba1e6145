"""rate_limit without a proxy around it."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from headgate.middleware import Reply
from headgate.middleware.builtin.rate_limit import RateLimit
from headgate.spec import Secret
from support.hooks import Alone, FakeRequest, exchange, made


def seen(key: str = "a", **fields: str) -> Any:
    found: Any = exchange({"x-key": key, **fields})
    found.state, found.route = {}, "api"
    found.response = FakeRequest({})
    return found


def limit(worker: Alone | None = None, **options: Any) -> Any:
    return made(RateLimit, {"rate": 1 / 60, "burst": 2, "key": ["header:X-Key"], **options}, worker)


class Answered(dict[str, str]):
    """Fields that a response got."""

    def add(self, name: str, value: str) -> None:
        self[name] = value


def test_a_burst_passes_and_says_what_is_left() -> None:
    middleware = limit()
    for left in (1, 0):
        asked = seen()
        asked.response.headers = Answered()
        assert middleware.on_request(asked) is None
        middleware.on_response(asked)
        assert asked.response.headers == {
            "RateLimit-Policy": '"tested";q=2;w=120',
            "RateLimit": f'"tested";r={left};t={60 * (2 - left)}',
        }


def test_what_is_beyond_is_refused_and_told_when_to_come_back() -> None:
    worker = Alone()
    middleware = limit(worker, status=503)
    assert [middleware.on_request(seen()) for _ in range(2)] == [None, None]
    reply = middleware.on_request(seen())
    assert isinstance(reply, Reply)
    assert reply.status == 503
    fields = dict(reply.fields)
    assert fields["Retry-After"] == "60"
    assert fields["RateLimit"] == '"tested";r=0;t=120'
    assert reply.body == b"More requests than the limit allows: try again in 60 s.\n"
    assert worker.counts == {"denied": 1}
    assert middleware.on_request(seen("another")) is None


def test_fields_can_be_left_out() -> None:
    middleware = limit(fields=False)
    asked = seen()
    asked.response.headers = Answered()
    middleware.on_request(asked)
    middleware.on_response(asked)
    assert asked.response.headers == {}
    middleware.on_request(seen())
    assert {name for name, _ in middleware.on_request(seen()).fields} == {
        "Cache-Control", "Content-Type", "Retry-After",
    }  # fmt: skip


def test_a_dry_run_counts_and_logs_and_refuses_nothing() -> None:
    worker = Alone()
    middleware = limit(worker, dry_run=True)
    assert [middleware.on_request(seen()) for _ in range(5)] == [None] * 5
    assert worker.counts == {"would_deny": 3}
    assert worker.lines == ["dry run: 192.0.2.1 on route api is beyond the limit"]


@pytest.mark.parametrize("when_full", ["deny", "allow"])
def test_a_full_table(when_full: str) -> None:
    worker = Alone()
    middleware = limit(worker, when_full=when_full)
    replies = [middleware.on_request(seen(str(number))) for number in range(1000)]
    full = worker.counts["table_full"]
    assert full > 500
    assert sum(reply is not None for reply in replies) == (full if when_full == "deny" else 0)
    assert worker.counts["denied"] == (full if when_full == "deny" else 0)


def test_without_a_burst_it_is_what_a_second_brings() -> None:
    middleware = made(RateLimit, {"rate": 3.0})
    assert [middleware.on_request(seen()) is None for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize("url", ["http://a", "a:6379", ""])
def test_a_url_that_is_no_redis(url: str) -> None:
    with pytest.raises(ValueError, match=r"redis.url begins with none of redis://, rediss://, unix://"):
        limit(redis={"url": Secret(url)})


def test_the_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ValueError, match=r"install headgate\[redis\]"):
        limit(redis={"url": Secret("redis://a")})
