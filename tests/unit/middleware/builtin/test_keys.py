"""What limits count by."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.middleware.builtin.keys import CLAIMS, key_of
from support.hooks import exchange


def seen(fields: dict[str, str] | None = None, **facts: Any) -> Any:
    made: Any = exchange(fields, client=facts.pop("client", "192.0.2.1"), cookies=facts.pop("cookies", {}))
    made.state, made.route = {}, "api"
    vars(made).update(facts)
    return made


@pytest.mark.parametrize(
    ("part", "facts", "expected"),
    [
        ("client_ip", {"client": "192.0.2.7"}, "192.0.2.7"),
        ("client_ip", {"client": "2001:db8::1"}, "\x20\x01\x0d\xb8" + "\0" * 12),
        ("user", {"user": "ann"}, "ann"),
        ("user", {}, ""),
        ("route", {}, "api"),
        ("header:X-Key", {"fields": {"x-key": "k"}}, "k"),
        ("header:X-Key", {}, ""),
        ("cookie:id", {"cookies": {"id": "7"}}, "7"),
        ("cookie:id", {}, ""),
        ("claim:sub", {"state": {CLAIMS: {"sub": 12}}}, "12"),
        ("claim:sub", {}, ""),
    ],
)
def test_kinds(part: str, facts: dict[str, Any], expected: str) -> None:
    assert key_of((part,), 64)(seen(**facts)) == expected


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_together_they_are_equal_only_when_each_is(one: tuple[str, str], other: tuple[str, str]) -> None:
    key = key_of(("header:A", "header:B"), 64)
    ways = [[part.replace("\0", "") for part in each] for each in (one, other)]  # no field can have a NUL
    keys = [key(seen({"a": first, "b": second})) for first, second in ways]
    assert (keys[0] == keys[1]) == (ways[0] == ways[1])


def test_a_name_that_no_field_has() -> None:
    with pytest.raises(ValueError, match="key: 'X Key' is no name of a field; write for example header:"):
        key_of(("header:X Key",), 64)


def test_the_prefix_is_how_much_of_an_address_counts() -> None:
    one, other = seen(client="2001:db8::1"), seen(client="2001:db8::2:1")
    assert key_of(("client_ip",), 64)(one) == key_of(("client_ip",), 64)(other)
    assert key_of(("client_ip",), 128)(one) != key_of(("client_ip",), 128)(other)


@given(st.one_of(st.text(), st.from_regex(r"(header|cookie|claim|route|user):?[a-z:]*", fullmatch=True)))
def test_any_text_is_a_key_or_is_refused_with_what_to_write(part: str) -> None:
    try:
        key = key_of((part,), 64)
    except ValueError as error:
        assert re.search("did you mean|write", str(error))  # noqa: PT017 - or it is a key
    else:
        assert part in ("client_ip", "user", "route") or part.partition(":")[2]
        assert isinstance(key(seen()), str)


@pytest.mark.parametrize(
    ("part", "hint"),
    [
        ("client", "did you mean client_ip?"),
        ("headers:X-Key", "did you mean header:NAME?"),
        ("header:", "did you mean header:NAME?"),
        ("header", "did you mean header:NAME?"),
        ("ip", "write client_ip, user, route, header:NAME, cookie:NAME, claim:NAME, or several of these"),
        ("route:x", "did you mean route?"),
    ],
)
def test_what_cannot_be_counted_by(part: str, hint: str) -> None:
    with pytest.raises(ValueError, match="is nothing that can be counted by") as caught:
        key_of((part,), 64)
    assert str(caught.value) == f"key: {part!r} is nothing that can be counted by; {hint}"
