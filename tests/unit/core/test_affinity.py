"""Balancers with keys: even shares, and only those keys move that must."""

from __future__ import annotations

from collections import Counter

import pytest

from headgate.core.balance import Balancer
from headgate.core.balancers import balancer, identity_of, simulate

METHODS = {
    "ring": ("consistent_hash", "ring"),
    "maglev": ("consistent_hash", "maglev"),
    "rendezvous": ("rendezvous", "ring"),
}
KEYS = [identity_of(f"user {number}") for number in range(20_000)]
# How far a share may be from what its weight says, in parts of it.
UNEVEN = {"ring": 0.3, "maglev": 0.05, "rendezvous": 0.1}


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def made(method: str, bound: float = 0) -> Balancer:
    name, table = METHODS[method]
    return balancer(name, table=table, bound=bound)


def chosen(
    method: str,
    weights: list[float],
    *,
    names: list[str] | None = None,
    usable: list[bool] | None = None,
    avoid: int = 0,
    in_flight: list[int] | None = None,
    bound: float = 0,
) -> list[int]:
    size = len(weights)
    return simulate(
        made(method, bound),
        weights,
        in_flight or [0] * size,
        usable or [True] * size,
        avoid,
        0,
        keys=KEYS,
        names=names,
    )


def test_equal_keys_go_to_the_same(method: str) -> None:
    assert chosen(method, [1.0] * 7) == chosen(method, [1.0] * 7)


def test_shares_follow_weights(method: str) -> None:
    weights = [1.0, 2, 3, 4, 5, 5, 4, 3, 2, 1]
    row = Counter(chosen(method, weights))
    for index, weight in enumerate(weights):
        share = len(KEYS) * weight / sum(weights)
        assert abs(row[index] - share) < UNEVEN[method] * share + 5 * share**0.5, (index, row)


def test_order_and_company_do_not_matter(method: str) -> None:
    """Endpoints are known by name: another order is the same, and a new one takes from all others only what
    is its own.
    """
    names = [f"10.0.0.{number}:80" for number in range(10)]
    before = [names[index] for index in chosen(method, [1.0] * 10, names=names)]
    turned = names[::-1]
    if method != "maglev":  # where the order of turns decides who gets a place that two want
        assert [turned[index] for index in chosen(method, [1.0] * 10, names=turned)] == before
    more = [*names, "10.0.0.99:80"]
    after = [more[index] for index in chosen(method, [1.0] * 11, names=more)]
    moved = [other for one, other in zip(before, after, strict=True) if one != other]
    astray = [other for other in moved if other != "10.0.0.99:80"]
    assert len(moved) < 2 * len(KEYS) / 11
    assert len(astray) <= (0.05 * len(KEYS) if method == "maglev" else 0)


def test_keys_of_a_lost_endpoint_are_spread_and_all_others_stay(method: str) -> None:
    usable = [True] * 10
    before = chosen(method, [1.0] * 10)
    usable[3] = False
    after = chosen(method, [1.0] * 10, usable=usable)
    assert all(one == other for one, other in zip(before, after, strict=True) if one != 3)
    heirs = Counter(other for one, other in zip(before, after, strict=True) if one == 3)
    assert set(heirs) == set(range(10)) - {3}
    assert max(heirs.values()) < 0.3 * sum(heirs.values())


def test_a_second_attempt_goes_elsewhere_and_always_there(method: str) -> None:
    first = chosen(method, [1.0] * 5)
    second = chosen(method, [1.0] * 5, avoid=0b00100)
    assert 2 not in second
    assert second == chosen(method, [1.0] * 5, avoid=0b00100)
    assert all(one == other for one, other in zip(first, second, strict=True) if one != 2)


def test_bounded_load(method: str) -> None:
    """30 in flight over three: nobody takes more than 13 at a bound of 1.25."""
    free = chosen(method, [1.0] * 3, in_flight=[20, 5, 5])
    bounded = chosen(method, [1.0] * 3, in_flight=[20, 5, 5], bound=1.25)
    assert 0 in free
    assert 0 not in bounded
    assert all(one == other for one, other in zip(free, bounded, strict=True) if one != 0)
    for bad in (1, 0.5, -1):
        with pytest.raises(ValueError, match="leaves requests without an endpoint"):
            made(method, bad)


def test_weight_0_takes_nothing(method: str) -> None:
    assert set(chosen(method, [1.0, 0.0, 1.0])) == {0, 2}
