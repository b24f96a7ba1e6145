"""Texts of other people as field values."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.middleware.texts import field_value, quoted


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_stands_in_a_field_and_comes_back(text: str) -> None:
    value = field_value(text)
    assert value.isascii()
    assert value.isprintable()
    assert value == value.strip()
    assert unquote(value) == text


def test_plain_texts_stay() -> None:
    assert field_value("Ann Lee, admin") == "Ann Lee, admin"
    assert field_value("a\r\nX-Admin: 1") == "a%0D%0AX-Admin: 1"


def test_quoted_strings() -> None:
    assert quoted('say "a\\b"') == '"say \\"a\\\\b\\""'
    with pytest.raises(ValueError, match="cannot stand in a field"):
        quoted("a\nb")
