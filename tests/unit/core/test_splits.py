"""Which of several services an exchange goes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest

from headgate import spec
from headgate.core.cells import Block, bytes_of
from headgate.core.head import Head
from headgate.core.http1 import Http1Server
from headgate.core.selection import Selection
from headgate.core.selection import chosen as selected
from headgate.core.shared import SharedCell, SharedTable
from headgate.core.splits import (
    Share,
    Split,
    chosen,
    forget_weights,
    set_weights,
    weights_set,
)

USERS = 20_000
USER = spec.Key("header", "x-user")


def head(*lines: str, target: str = "/") -> Head:
    text = "\r\n".join((f"GET {target} HTTP/1.1", "Host: a", *lines, "", ""))
    [found, *_] = Http1Server().receive(text.encode())
    assert isinstance(found, Head)
    return found


class Case:
    """Shares of these weights, and the cell of their route."""

    def __init__(self, weights: Mapping[str, int], sticky: spec.Key | None = None, route: str = "r") -> None:
        self.cell: SharedCell = SharedTable(memoryview(bytearray(1 << 14))).cell("route:r")
        self.names = list(weights)
        block = Block(memoryview(bytearray(bytes_of(2))), 1)
        self.shares = [
            Share(route, spec.ServiceShare(service=name, weight=weight), "", block)
            for name, weight in weights.items()
        ]
        self.split = Split(self.shares, sticky, self.cell)

    def set(self, *weights: int) -> None:
        set_weights(self.cell, self.names, list(weights))

    def count(self, times: int) -> dict[str, int]:
        return Counter(chosen(self.split, head()).decode() for _ in range(times))

    def users(self) -> list[str]:
        return [chosen(self.split, head(f"X-User: {user}")).decode() for user in range(USERS)]


def test_turns_are_exact() -> None:
    assert Case({"a": 9, "b": 1}).count(100) == {"a": 90, "b": 10}


def test_weights_change_while_it_runs() -> None:
    case = Case({"a": 9, "b": 1})
    assert weights_set(case.cell, case.names) is None
    case.set(1, 3)
    assert weights_set(case.cell, case.names) == [1, 3]
    assert case.count(100) == {"a": 25, "b": 75}
    case.set(0, 100)
    assert case.count(10) == {"b": 10}
    forget_weights(case.cell)
    assert case.count(100) == {"a": 90, "b": 10}


def test_all_of_many_shares_change() -> None:
    case = Case({f"s{number}": 1 for number in range(21)})
    wanted = [number * 47_000 for number in range(21)]
    case.set(*wanted)
    assert weights_set(case.cell, case.names) == wanted
    case.set(*([0] * 20), 1_000_000)
    assert case.count(5) == {"s20": 5}


def test_weights_are_for_shares_of_these_names_only() -> None:
    case = Case({"a": 9, "b": 1})
    set_weights(case.cell, ["a", "c"], [0, 1])
    assert case.count(100) == {"a": 90, "b": 10}


@pytest.mark.parametrize("weights", [[0, 0], [1, -1], [1, 1 << 21], [1, 2, 3]])
def test_impossible_weights(weights: list[int]) -> None:
    case = Case({"a": 9, "b": 1})
    with pytest.raises(ValueError, match="weight"):
        set_weights(case.cell, case.names, weights)
    assert weights_set(case.cell, case.names) is None


def test_users_keep_their_share() -> None:
    """Of 20,000 users 10 % are 2,000 +- 6 standard deviations; only those move who must."""
    case = Case({"a": 9, "b": 1}, USER)
    before = case.users()
    assert case.users() == before
    assert Case({"a": 9, "b": 1}, USER).users() == before
    assert abs(before.count("b") - 2000) < 6 * (USERS * 0.1 * 0.9) ** 0.5
    case.set(8, 2)
    after = case.users()
    assert abs(after.count("b") - 4000) < 6 * (USERS * 0.2 * 0.8) ** 0.5
    assert not [user for user in range(USERS) if (before[user], after[user]) == ("b", "a")]


def test_routes_divide_the_same_users_differently() -> None:
    even = {"a": 1, "b": 1}
    one, other = Case(even, USER).users(), Case(even, USER, route="other").users()
    agreeing = sum(a == b for a, b in zip(one, other, strict=True))
    assert abs(agreeing - USERS / 2) < 6 * (USERS / 4) ** 0.5


def test_a_share_of_weight_0_has_no_users() -> None:
    assert set(Case({"a": 0, "b": 1, "c": 0}, USER).users()) == {"b"}


def test_without_the_key_shares_take_turns() -> None:
    assert Case({"a": 3, "b": 1}, USER).count(8) == {"a": 6, "b": 2}


def condition(name: str, kind: str, value: str = "") -> spec.FieldMatch:
    return spec.FieldMatch(name=name, kind=kind, value=value)  # type: ignore[arg-type]  # a word of a test


@pytest.mark.parametrize(
    ("wanted", "fitting", "other"),
    [
        (condition("beta", "exact", "yes"), "a=1; beta=yes", "beta=no"),
        (condition("beta", "regex", "^y"), "beta=y1", "beta=no"),
        (condition("beta", "present"), "beta=", "alpha=1"),
        (condition("beta", "absent"), "alpha=1", "beta=1"),
    ],
)
def test_cookies(wanted: spec.FieldMatch, fitting: str, other: str) -> None:
    selection = Selection(spec.Selection(cookies=(wanted,)))
    assert selected(selection, head(f"Cookie: {fitting}"))
    assert not selected(selection, head(f"Cookie: {other}"))


def test_a_part_of_those_that_fit() -> None:
    """Exactly, and of no others."""
    selection = Selection(
        spec.Selection(match=spec.Match(headers=(condition("x-a", "present"),)), percent=30)
    )
    taken = 0
    for _ in range(100):
        taken += selected(selection, head("X-A: 1"))
        assert not selected(selection, head())
    assert taken == 30


def test_a_regular_expression_that_is_none() -> None:
    with pytest.raises(ValueError, match="cookie beta"):
        Selection(spec.Selection(cookies=(condition("beta", "regex", "("),)))
