from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headgate.core.radix import Radix

texts = st.one_of(st.text("ab/", max_size=8).map(str.encode), st.binary(max_size=3))


def test_prefixes_are_found_longest_first() -> None:
    radix = Radix.of([b"/a", b"/abc", b"", b"/abd", b"/"])
    assert radix.prefixes(b"/abcx") == [1, 0, 4, 2]
    assert radix.prefixes(b"/ab") == [0, 4, 2]
    assert radix.prefixes(b"") == [2]
    assert radix.prefixes(b"x") == [2]


def test_nodes_with_many_children() -> None:
    radix = Radix.of([bytes([byte]) * 2 for byte in range(256)])
    assert [radix.prefixes(bytes([byte]) * 3) for byte in range(256)] == [[byte] for byte in range(256)]
    assert radix.prefixes(b"ab") == []


@given(st.lists(texts, unique=True, max_size=40), texts)
def test_agrees_with_startswith(keys: list[bytes], text: bytes) -> None:
    wanted = sorted((key for key in keys if text.startswith(key)), key=len, reverse=True)
    assert [keys[number] for number in Radix.of(keys).prefixes(text)] == wanted
