from __future__ import annotations

import pytest

from headgate.core.routing import RoutingTable
from headgate.spec import FieldMatch, Match, PathMatch, Route

ALL = PathMatch(kind="prefix", value="")
API = PathMatch(kind="prefix", value="/api")
DEEP = PathMatch(kind="prefix", value="/api/v1")
EXACT = PathMatch(kind="exact", value="/api/x")
REGEX = PathMatch(kind="regex", value=r"^/api/(\d+)$")
YES = FieldMatch(name="x-a", kind="exact", value="yes")
ANY_VALUE = FieldMatch(name="X-A", kind="present")
Y = FieldMatch(name="x-a", kind="regex", value="^y")
N = FieldMatch(name="x-a", kind="regex", value="^n")


def shadowed(
    *matches: Match, priorities: tuple[int, ...] = (), listeners: tuple[tuple[str, ...], ...] = ()
) -> list[tuple[int, int]]:
    routes = [
        Route(
            name=f"r{number}",
            match=match,
            priority=priorities[number] if priorities else 0,
            listeners=listeners[number] if listeners else (),
        )
        for number, match in enumerate(matches)
    ]
    return RoutingTable(routes, listeners=("web", "secure")).shadowed()


def test_twice_the_same() -> None:
    assert shadowed(Match(path=(API,)), Match(path=(API,))) == [(1, 0)]
    assert shadowed(Match(), Match()) == [(1, 0)]
    assert shadowed(Match(path=(REGEX,)), Match(path=(REGEX,), methods=("GET",))) == [(1, 0)]


def test_the_order_saves_narrow_routes() -> None:
    assert shadowed(Match(path=(ALL,)), Match(path=(API,)), Match(path=(EXACT,))) == []
    assert shadowed(Match(path=(API,)), Match(path=(API,), methods=("GET",))) == []


def test_expressions_behind_a_prefix() -> None:
    assert shadowed(Match(path=(REGEX,)), Match(path=(API,))) == [(0, 1)]
    assert shadowed(Match(path=(REGEX,)), Match(path=(ALL,))) == [(0, 1)]
    assert shadowed(Match(path=(REGEX,)), Match(path=(DEEP,))) == []
    assert shadowed(Match(path=(REGEX,)), Match()) == []


def test_priority() -> None:
    wide, narrow = Match(path=(API,)), Match(path=(EXACT, DEEP))
    assert shadowed(wide, narrow, priorities=(1, 0)) == [(1, 0)]
    assert shadowed(wide, Match(path=(EXACT, ALL)), priorities=(1, 0)) == []


def test_each_host_and_path_must_be_taken() -> None:
    both = Match(hosts=("a", "b"), path=(API, EXACT))
    assert shadowed(Match(hosts=("a",), path=(API, EXACT)), both) == []
    assert shadowed(Match(hosts=("a", "b", "c"), path=(API, EXACT)), both) == [(1, 0)]
    assert shadowed(Match(hosts=("a",), path=(API, EXACT)), Match(hosts=("b",), path=(API, EXACT)), both) == [
        (2, 0)
    ]
    assert shadowed(Match(path=(API,)), Match(hosts=("a",), path=(API,))) == []


@pytest.mark.parametrize(
    ("wide", "narrow", "taken"),
    [
        (Match(methods=("GET", "PUT")), Match(methods=("GET",)), True),
        (Match(methods=("GET",)), Match(methods=("GET", "PUT")), False),
        (Match(methods=("GET",)), Match(), False),
        (Match(client=("10.0.0.0/8",)), Match(client=("10.1.0.0/16", "::ffff:10.2.0.0/120")), True),
        (Match(client=("10.0.0.0/8",)), Match(client=("11.0.0.0/8",)), False),
        (Match(client=("10.0.0.0/9", "10.128.0.0/9")), Match(client=("10.0.0.0/8",)), True),
        (Match(client=("::/0",)), Match(client=("10.0.0.0/8",)), False),
        (Match(headers=(ANY_VALUE,)), Match(headers=(YES,)), True),
        (Match(headers=(Y,)), Match(headers=(YES,)), True),
        (Match(headers=(N,)), Match(headers=(YES,)), False),
        (Match(headers=(YES,)), Match(headers=(Y,)), False),
        (Match(query=(YES,)), Match(query=(YES, N)), True),
        (Match(query=(ANY_VALUE,)), Match(query=(YES,)), False),  # names of parameters have a case
    ],
)
def test_conditions(wide: Match, narrow: Match, taken: bool) -> None:
    assert shadowed(wide, narrow, priorities=(1, 0)) == ([(1, 0)] if taken else [])


def test_listeners() -> None:
    assert shadowed(Match(), Match(), priorities=(1, 0), listeners=(("web",), ("web",))) == [(1, 0)]
    assert shadowed(Match(), Match(), priorities=(1, 0), listeners=(("web",), ())) == []
    assert shadowed(Match(), Match(), priorities=(1, 0), listeners=(("web", "secure"), ())) == [(1, 0)]


def test_facts_of_tls() -> None:
    shop = FieldMatch(name="sni", kind="exact", value="shop.example")
    any_name = FieldMatch(name="sni", kind="present")
    assert shadowed(Match(tls=(any_name,)), Match(tls=(any_name, shop))) == []  # the narrower one goes first
    assert shadowed(Match(tls=(any_name,)), Match(tls=(shop,))) == [(1, 0)]
    assert shadowed(Match(tls=(shop,)), Match(tls=(any_name,))) == []
    assert shadowed(Match(tls=(shop,)), Match()) == []
