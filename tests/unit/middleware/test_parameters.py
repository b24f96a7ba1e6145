"""Secrets in queries: taken out of what goes on, and out of what is recorded."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from headgate.middleware import Exchange, Middleware
from headgate.testing import Trial

NAMES = st.sampled_from(["key", "k%65y", "KEY", "a", "", "key2"])
VALUES = st.text(st.characters(codec="utf-8"), max_size=6)


class Takes(Middleware):
    """Remembers what it took, and what was left of the target."""

    def prepare(self) -> None:
        self.values: list[str] = []
        self.target = ""

    def on_request(self, exchange: Exchange) -> None:
        self.values = exchange.request.take_parameter("key")
        self.target = exchange.request.target
        assert exchange.request.take_parameter("key") == []


async def taken(target: str) -> tuple[list[str], str, str | None]:
    trial = Trial(Takes)
    outcome = await trial.run(path=target, headers={"X-Long": "x" * 300})
    takes = trial.middleware
    assert isinstance(takes, Takes)
    return takes.values, takes.target, outcome.query


@given(st.lists(st.tuples(NAMES, VALUES), max_size=5))
async def test_only_the_parameter_is_taken(pairs: list[tuple[str, str]]) -> None:
    query = "&".join(f"{name}={quote_plus(value)}" for name, value in pairs)
    values, target, left = await taken(f"/x?{query}")
    assert values == [value for name, value in pairs if name in {"key", "k%65y"}]
    kept = [(name, value) for name, value in pairs if name not in {"key", "k%65y"}]
    assert parse_qsl(left or "", keep_blank_values=True) == kept
    if values:
        assert target == ("/x" if left is None else f"/x?{left}")


async def test_what_is_not_there() -> None:
    assert await taken("/x") == ([], "/x", None)
    assert await taken("/x?keys=1&a") == ([], "/x?keys=1&a", "keys=1&a")
    assert await taken("/x?key&a=%ff") == ([""], "/x?a=%ff", "a=%ff")
