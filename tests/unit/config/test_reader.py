"""YAML with positions: the core schema, bounds, anchors and variables."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.config.core_schema import WrittenFloat, WrittenInt
from headgate.config.document import Document
from headgate.config.reader import MAX_DEPTH, MAX_NODES, read


def data_of(text: str, **environ: str) -> Any:
    document = read(text, "h.yaml", environ)
    assert document.problems == []
    return document.data


def messages_of(text: str, **environ: str) -> list[str]:
    return [
        f"{problem.line}:{problem.column} {problem.message}"
        for problem in read(text, "h.yaml", environ).problems
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("y", "y"),
        ("On", "On"),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("null", None),
        ("~", None),
        ("NULL", None),
        ("nUll", "nUll"),
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("0x1F", 31),
        ("0o17", 15),
        ("010", "010"),
        ("-010", "-010"),
        ("0660", "0660"),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("12:30:45", "12:30:45"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("1.2.3", "1.2.3"),
        ("10.0.0.1", "10.0.0.1"),
        ("00.5", "00.5"),
        ("2026-01-01", "2026-01-01"),
        ("=", "="),
        ("'1'", "1"),
        ('"true"', "true"),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">-\n  a\n  b\n", "a b"),
        ("!!str 1", "1"),
        ("!!int 1", 1),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("99999999999999999999999", 1e23),
    ],
)
def test_core_schema(text: str, value: object) -> None:
    found = data_of(f"key: {text}\n")["key"]
    assert found == value
    assert isinstance(found, type(value))


def test_nan() -> None:
    assert math.isnan(data_of("a: .nan")["a"])


@pytest.mark.parametrize("text", ["1.10", "0x10", "+5", "0o17", "1e3", "5."])
def test_numbers_keep_their_text(text: str) -> None:
    number = data_of(f"a: {text}")["a"]
    assert isinstance(number, (WrittenInt, WrittenFloat))
    assert number.text == text


def test_keys_are_texts() -> None:
    assert data_of("1: a\ntrue: b\n~: c\n0x1: d\n'': e") == {
        "1": "a",
        "true": "b",
        "~": "c",
        "0x1": "d",
        "": "e",
    }


def test_places() -> None:
    document = read("a:\n  - b: x\n    c: [1,\n        two]\n", "h.yaml", {})
    assert_place(document, ("a",), 2, 3)
    assert_place(document, ("a", 0), 2, 5)
    assert_place(document, ("a", 0, "b"), 2, 8)
    assert_place(document, ("a", 0, "c", 1), 4, 9)
    place, depth = document.find(("a", 0, "c", 7, "x"))
    assert (place.line, depth) == (3, 3)
    assert document.place.child("a") is not None
    assert document.place.child(0) is None
    problem = document.problem(("a", 0, "b"), "is wrong", key=True)
    assert (problem.line, problem.column, problem.path) == (2, 5, "a[0].b")
    problem = document.problem(("a", 0, "missing", "x"), "is wrong")
    assert (problem.line, problem.column, problem.path) == (2, 5, "a[0]")


def assert_place(document: Document, path: tuple[str | int, ...], line: int, column: int) -> None:
    place, depth = document.find(path)
    assert (place.line, place.column, depth) == (line, column, len(path))


def test_anchors_and_merge() -> None:
    assert data_of("base: &b { x: 1, y: 2 }\none: { <<: *b, y: 3 }\ntwo: *b\n") == {
        "base": {"x": 1, "y": 2},
        "one": {"x": 1, "y": 3},
        "two": {"x": 1, "y": 2},
    }
    assert data_of("a: &a { x: 1 }\nb: &b { x: 2, y: 2 }\nc:\n  <<: [*a, *b]\n")["c"] == {"x": 1, "y": 2}


def test_a_quoted_merge_key_is_a_key() -> None:
    assert data_of("'<<': { x: 1 }") == {"<<": {"x": 1}}


def test_merged_values_point_to_where_they_stand() -> None:
    document = read("base: &b { x: 1 }\none: { <<: *b }\n", "h.yaml", {})
    assert_place(document, ("one", "x"), 1, 15)


@pytest.mark.parametrize("value", ["1", "[1]", "*a", "[*a, 1]"])
def test_only_mappings_merge(value: str) -> None:
    assert "<< takes a mapping or a list of mappings" in messages_of(f"a: &a 1\nb: {{ <<: {value} }}")[0]


def test_all_duplicates_are_told() -> None:
    assert messages_of("a: 1\nb: { c: 1, c: 2 }\na: 2\na: 3\n") == [
        '2:12 the key "c" stands here twice, first in line 2, column 6',
        '3:1 the key "a" stands here twice, first in line 1, column 1',
        '4:1 the key "a" stands here twice, first in line 1, column 1',
    ]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "&a [", "\n  "])
def test_depth_is_bounded(opening: str) -> None:
    text = opening * 1000 if opening != "\n  " else "".join("\n" + " " * i + "a:" for i in range(1000))
    assert read(text, "h.yaml", {}).problems[0].message == f"this is more than {MAX_DEPTH} levels deep"


def test_depth_through_aliases_is_bounded() -> None:
    text = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 100))
    assert messages_of(text) == [f"64:12 this is more than {MAX_DEPTH} levels deep"]


def test_billion_laughs() -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
    )
    assert messages_of(text)[0].endswith(f"the file has more than {MAX_NODES} values, aliases included")


@pytest.mark.parametrize("text", ["&a [*a]", "a: &b { c: *b }"])
def test_an_alias_inside_of_its_anchor(text: str) -> None:
    assert "stands inside its own anchor" in messages_of(text)[0]


@pytest.mark.parametrize("text", ["? [a]\n: b", "? { a: b }\n: c", "a: &a x\n*a : b"])
def test_keys_that_are_no_texts(text: str) -> None:
    assert "a key must be a text" in messages_of(text)[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${NAME}", "value"),
        ("a${NAME}b${NAME}", "avalueb" + "value"),
        ("${NONE:-x}", "x"),
        ("${NONE:-}", ""),
        ("${EMPTY:-x}", "x"),
        ("'${EMPTY}'", ""),
        ("$${NAME}", "${NAME}"),
        ("$NAME", "$NAME"),
        ("$$", "$$"),
        ("${NUMBER}", "12"),
        ('"${NAME}"', "value"),
        ("${NONE:-a:-b}", "a:-b"),
        ("${BRACES}", "${NAME}"),
    ],
)
def test_variables(text: str, value: str) -> None:
    assert data_of(f"a: {text}", NAME="value", EMPTY="", NUMBER="12", BRACES="${NAME}")["a"] == value


@pytest.mark.parametrize("text", ["${}", "${1}", "${a b}", "${A-b}", "${A:b}", "'${'", "'${A'"])
def test_what_is_no_variable(text: str) -> None:
    assert "is not a variable" in messages_of(f"a: {text}", A="x")[0]


def test_all_missing_variables_are_told() -> None:
    assert messages_of("a: ${X}\nb: [1, 'x${Y}${Z}']\n") == [
        "1:4 the variable X is not set",
        "2:8 the variable Y is not set",
        "2:8 the variable Z is not set",
    ]


def test_variables_in_keys_stay() -> None:
    assert data_of("${NAME}: 1", NAME="x") == {"${NAME}": 1}


def test_half_of_a_surrogate_pair() -> None:
    assert messages_of("a: 1\nb: \ud800") == ["2:1 a character is half of a surrogate pair"]


def test_too_many_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.config.reader.MAX_CHARACTERS", 10)
    assert read("a: 12345678", "h.yaml", {}).problems[0].message == "has 11 characters, 10 are possible"


yaml_like = st.text(alphabet="ab:-[]{},&*!|>'\"%@`#?\n\t ~${}<0x1.\\\u00e9\ud800\x00", max_size=60)


@given(st.one_of(st.text(max_size=100), yaml_like))
def test_any_text_is_read_or_told(text: str) -> None:
    document = read(text, "h.yaml", {"a": "b"})
    assert document.data is None or document.place.line > 0
    for problem in document.problems:
        assert str(problem)
        assert 0 <= problem.line <= text.count("\n") + text.count("\r") + text.count("\x85") + 3
