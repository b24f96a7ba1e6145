from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headgate.core.places import Places

texts = st.one_of(st.text("ab/", max_size=8).map(str.encode), st.binary(max_size=3))
keys = st.lists(texts, max_size=40)
long = st.integers(55, 75).map(lambda size: (b"/abcdefg" * 10)[:size])


def test_keys_are_found_longest_first() -> None:
    places = Places.of([b"/a", b"/a/bc", b"", b"/a/bd", b"/"])
    assert places.found(b"/a/bc/x") == [b"/a/bc", b"/a", b""]
    assert places.found(b"/a/bcx") == [b"/a", b""]
    assert places.found(b"/ab") == [b""]
    assert places.found(b"") == [b""]
    assert places.found(b"x") == []


def test_literals_count_inside_a_segment() -> None:
    places = Places.of([b"/a", b"/a/b"], [b"/a/b", b"/x"])
    assert places.found(b"/a/bc") == [b"/a/b", b"/a"]
    assert places.found(b"/xyz") == [b"/x"]


def test_no_keys() -> None:
    assert Places.of([]).found(b"/") == []


def rule(segments: list[bytes], literals: list[bytes], text: bytes) -> list[bytes]:
    ends = [key for key in segments if text == key or text.startswith(key + b"/")]
    return sorted({*ends, *(key for key in literals if text.startswith(key))}, key=len, reverse=True)


@given(keys, keys, texts)
def test_agrees_with_the_rule(segments: list[bytes], literals: list[bytes], text: bytes) -> None:
    assert Places.of(segments, literals).found(text) == rule(segments, literals, text)


@given(st.lists(long), st.lists(long.filter(lambda key: len(key) < 63)), long)
def test_long_keys_agree_with_the_rule(segments: list[bytes], literals: list[bytes], text: bytes) -> None:
    assert Places.of(segments, literals).found(text) == rule(segments, literals, text)
