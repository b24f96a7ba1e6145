"""Templates, and rules for fields: what they refuse."""

from __future__ import annotations

import html
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.middleware.field_rules import FieldRules
from headgate.middleware.templates import PLACES, Template, as_html, as_json, as_text


def test_places() -> None:
    written = " ".join(f"{{{name.replace('NAME', 'x-y')}}}" for name in PLACES)
    assert [name.replace("NAME", "x-y") for name in PLACES] == list(Template(written).names)
    assert Template("a {{b}} c").names == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{clent}", "no {clent}; did you mean {client}"),
        ("{zzzzz}", "no {zzzzz}; there are {client}, {peer}"),
        ("{header.}", "no {header.}"),
        ("{header.a b}", "no {header.a b}"),
        ("{tls.nothing}", "no {tls.nothing}"),
        ("{}", "no {}"),
        ("{client", "brace without its partner: write {name}, and {{ for a brace"),
        ("client}", "brace without its partner"),
    ],
)
def test_what_is_no_template(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("{", r"\{")):
        Template(text)


@given(st.text())
def test_any_text_is_a_page(text: str) -> None:
    """Braces of a page that name no place are its own."""
    page = Template(text, strict=False)
    assert page.text == text


@given(st.text())
def test_any_text_can_be_written(text: str) -> None:
    assert Template(text.replace("{", "{{").replace("}", "}}")).names == ()


@given(st.text())
def test_values_are_escaped(text: str) -> None:
    value = text.encode("utf-8", "replace").decode("latin-1")
    plain = as_text(value)
    assert json.loads(f'"{as_json(value)}"') == plain
    assert html.unescape(as_html(value)) == html.unescape(html.escape(plain))
    assert not set(as_html(value)) & set("<>\"'")


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"set": {"X A": "1"}}, "'X A' is no name of a field: use letters"),
        ({"set": {"X-Ä": "1"}}, "is no name of a field"),
        ({"remove": [""]}, "'' is no name"),
        ({"set": {"Content-Length": "1"}}, "Content-Length is written by Headgate itself: remove it here"),
        ({"remove": ["transfer-encoding"]}, "written by Headgate itself"),
        ({"rename": {"X-A": "Connection"}}, "written by Headgate itself"),
        ({"rename": {"X-A": "x-a"}}, "renamed to itself: write another"),
        ({"add": {"X-A": "a\r\nX-B: b"}}, "the value of X-A has a control character"),
        ({"add": {"X-A": "€"}}, "the value of X-A has a character that no field can have"),
        ({"add": {"X-A": "{clent}"}}, "the value of X-A: there is no {clent}"),
    ],
)
def test_what_is_no_rule(rules: dict[str, dict[str, str]], reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("{", r"\{")):
        FieldRules(**rules)
