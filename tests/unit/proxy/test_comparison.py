"""What differs between two answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from headgate import spec
from headgate.proxy.comparison import Comparison


@dataclass
class Answer:
    body: bytes | None = b""
    status: int = 200
    fields: list[tuple[str, str]] = field(default_factory=list)


def bodies(one: Any, other: Any, *ignored: str) -> tuple[str, str]:
    rules = spec.Compare(ignore=ignored)
    answers = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in (one, other)]
    return Comparison(rules).difference(Answer(answers[0]), Answer(answers[1]))


@pytest.mark.parametrize(
    ("one", "other", "ignored"),
    [
        ({"a": 1, "b": 2}, b'{ "b":2,\n"a":1}', ()),
        ({"a": 1, "time": 3}, {"a": 1, "time": 4}, ("time",)),
        ({"a": 1, "time": 3}, {"a": 1}, ("time",)),
        ([{"id": 1, "n": 1}, {"id": 2, "n": 1}], [{"id": 3, "n": 1}, {"id": 4, "n": 1}], ("*.id",)),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, ("a.b.1",)),
        (b"plain", b"plain", ()),
    ],
)
def test_equal(one: Any, other: Any, ignored: tuple[str, ...]) -> None:
    assert bodies(one, other, *ignored) == ("", "")


@pytest.mark.parametrize(
    ("one", "other", "ignored", "where"),
    [
        ({"a": 1}, {"a": 2}, (), "a: 1 and 2"),
        ({"a": 1}, {}, (), "a: 1 and nothing"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ("b",), "a.b: 1 and 2"),
        ([1, 2], [1], (), "the whole: [1, 2] and [1]"),
        ({"a": 1}, {"a": True}, (), "a: 1 and True"),
        ({"a": 1}, {"a": "1"}, (), "a: 1 and '1'"),
        (b"one", b"two", (), "b'one' and b'two'"),
    ],
)
def test_different(one: Any, other: Any, ignored: tuple[str, ...], where: str) -> None:
    assert bodies(one, other, *ignored) == ("body", where)


def test_status_comes_first_then_fields() -> None:
    comparison = Comparison(spec.Compare(headers=("a",)))
    one, other = Answer(b"1", 200, [("a", "1")]), Answer(b"2", 404, [("a", "2")])
    assert comparison.difference(one, other) == ("status", "200 and 404")
    other.status = 200
    assert comparison.difference(one, other) == ("fields", "{'a': '1'} and {'a': '2'}")
    assert Comparison(spec.Compare(body=False)).difference(Answer(b"1"), Answer(b"2")) == ("", "")


def test_long_differences_are_cut_and_deep_ones_survive() -> None:
    part, text = bodies("a" * 1000, "b" * 1000)
    assert (part, len(text) < 200) == ("body", True)
    assert bodies(b"[" * 100_000, b"[" * 99_999)[0] == "body"
    assert Comparison(spec.Compare()).difference(Answer(None), Answer(b"1"))[0] == "body"
