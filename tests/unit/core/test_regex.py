from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.regex import behind_literal, check_regex, compile_regex, compile_sets, literal_prefix


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        (r"^/users/(\d+)$", b"/users/"),
        (r"^/a\.b\-c/x+y", b"/a.b-c/x"),
        ("^/ab*", b"/a"),
        ("^/ab?c", b"/a"),
        ("^/ab{0,3}", b"/a"),
        ("^/ab+", b"/ab"),
        ("^/caf\u00e9?", b"/caf\xc3"),
        ("^/a$", b"/a"),
        ("/a", b""),
        ("^/a|/b", b""),
        ("^/a(b|c)", b"/a"),
        ("^/a[|]b", b"/a"),
        ("^/a[]|]b|c", b""),
        (r"^/a\|b", b"/a|b"),
        ("^(?i)/a", b""),
        ("(?i)^/a", b""),
        (r"^/a\Q.b\E", b""),
        (r"^/a\d", b"/a"),
        ("^", b""),
        ("", b""),
    ],
)
def test_literal_prefix(pattern: str, prefix: bytes) -> None:
    assert check_regex(pattern) is None
    assert literal_prefix(pattern) == prefix


pieces = st.sampled_from(
    [
        "/",
        "a",
        "b",
        ".",
        "*",
        "+",
        "?",
        "|",
        "(",
        ")",
        "[",
        "]",
        "^",
        "$",
        "\\.",
        "\\d",
        "{2}",
        "(?:",
        "[^",
        "-",
        "[:alpha:]",
        "\\",
        "(?i)",
    ]
)


@given(
    st.lists(pieces, max_size=8).map(lambda parts: "^" + "".join(parts)),
    st.lists(st.text("/abAB.1-", max_size=8), max_size=6),
)
def test_every_match_begins_with_the_literal_prefix(pattern: str, texts: list[str]) -> None:
    if check_regex(pattern) is not None:
        return
    prefix = literal_prefix(pattern)
    for text in map(str.encode, texts):
        if compile_regex(pattern).search(text):
            assert text.startswith(prefix)


def found(patterns: list[str], text: bytes, *, anchored: bool = False) -> set[int]:
    sets = compile_sets(patterns, anchored=anchored)
    return {first + number for first, matcher in sets for number in matcher(text) or ()}


def test_sets_match_many_patterns_at_once() -> None:
    patterns = [rf"^/svc/{number}/\w+$" for number in range(1000)]
    assert found(patterns, b"/svc/77/x", anchored=True) == {77}
    assert found(["a", "b$", "^a"], b"ab") == {0, 1, 2}
    assert found(["a", "b$", "^a"], b"\x00") == set()


def test_any_byte_is_a_character() -> None:
    assert found(["^.$", "^[^a]$", r"^\xe9$"], b"\xe9") == {0, 1, 2}


def test_patterns_too_large_for_one_set_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = [f"(?:x{number}|[a-f]{{20}}){{5}}$" for number in range(40)]
    monkeypatch.setattr("headgate.core.regex.BUDGETS", (100_000,))
    assert len(compile_sets(patterns, anchored=False)) > 1
    assert found(patterns, b"x7x7x7x7x7") == {7}
    monkeypatch.setattr("headgate.core.regex.BUDGETS", (5_000,))
    with pytest.raises(ValueError, match=re.escape(f"regular expression {patterns[0]} is too large")):
        compile_sets(patterns, anchored=False)


@pytest.mark.parametrize(
    ("pattern", "size", "rest"),
    [
        (r"^/users/(\d+)$", 7, r"^(\d+)$"),
        (r"^/a\.b\-c", 3, r"^b\-c"),
        ("^/a[^/]", 2, "^[^/]"),
        ("^/ab+", 3, None),
        ("^/ab+", 2, "^b+"),
        ("^/a^b", 2, None),
        (r"^/a\b", 2, None),
        (r"^/a(\A|b)", 2, None),
        ("^/caf\u00e9", 5, None),
    ],
)
def test_behind_literal(pattern: str, size: int, rest: str | None) -> None:
    assert behind_literal(pattern, size) == rest


PARTS = ["/", "a", "b", "ab", r"\.", "a?", "b+", "b*", "[^a]", "[a-b]+", "(a|b)", r"\b", "^", "$", "(?i)"]


@given(st.lists(st.sampled_from(PARTS), max_size=6).map("".join), st.text("/abA.", max_size=8))
def test_a_pattern_is_its_literal_and_what_is_behind(pattern: str, text: str) -> None:
    pattern = "^" + pattern
    literal = literal_prefix(pattern)
    data = text.encode()
    whole = compile_regex(pattern).search(data) is not None if check_regex(pattern) is None else None
    for size in range(1, len(literal) + 1):
        rest = behind_literal(pattern, size)
        if whole is None or rest is None:
            continue
        behind = compile_regex(rest).search(data[size:])
        assert whole == (data.startswith(literal[:size]) and behind is not None)
