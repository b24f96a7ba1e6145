"""What stands in a route's match."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.base.errors import Refusal
from headgate.config import conditions
from headgate.core.paths import normalise_path, path_policy
from headgate.spec import FieldMatch, PathMatch


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/", PathMatch(kind="exact", value="/")),
        ("/a/b", PathMatch(kind="exact", value="/a/b")),
        ("/a/", PathMatch(kind="exact", value="/a/")),
        ("/*", PathMatch(kind="prefix", value="")),
        ("/v1/*", PathMatch(kind="prefix", value="/v1")),
        ("/caf\u00e9/*", PathMatch(kind="prefix", value="/caf%C3%A9")),
        ("/caf%c3%a9", PathMatch(kind="exact", value="/caf%C3%A9")),
        ("/%7euser", PathMatch(kind="exact", value="/~user")),
        ("/a%2fb", PathMatch(kind="exact", value="/a%2Fb")),
        ("/{id}", PathMatch(kind="exact", value="/{id}")),
        ("~ ^/v[0-9]+/", PathMatch(kind="regex", value="^/v[0-9]+/")),
        ("~^/a$", PathMatch(kind="regex", value="^/a$")),
    ],
)
def test_paths(text: str, path: PathMatch) -> None:
    assert conditions.parse_path(text) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "*",
        "/a*",
        "/*/a",
        "/a/*/b/*",
        "//*",
        "/a//*",
        "/a?b",
        "/a#b",
        "/a b",
        "/a\nb",
        "/%",
        "/%zz",
        "/.",
        "/..",
        "/a/../b",
        "/a/%2e%2E/b",
        "/a/.",
        "/a\\b",
        "/%2F..",
        "~",
        "~ ",
        "~ (",
        "~ a{1001}",
    ],
)
def test_paths_that_are_refused(text: str) -> None:
    with pytest.raises(Refusal):
        conditions.parse_path(text)


@given(st.text(alphabet="/ab.%2eEfF~\u00e9*?#\\ ", max_size=12))
def test_a_path_is_in_the_form_of_requests(text: str) -> None:
    with suppress(Refusal):
        path = conditions.parse_path("/" + text)
        policy = path_policy(encoded_backslash="keep", encoded_nul="keep")
        assert normalise_path(path.value.encode() or b"/", policy) == (path.value.encode() or b"/")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.COM", "example.com"),
        ("*.Example.com", "*.example.com"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:DB8::0]", "[2001:db8::]"),
        ("example.com.", "example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("localhost", "localhost"),
        ("a_b.example", "a_b.example"),
        ("::1", "[::1]"),
    ],
)
def test_hosts(text: str, host: str) -> None:
    assert conditions.parse_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "*.",
        "**.a",
        "a.*.b",
        "*a.b",
        "a b",
        "-a",
        "a-",
        "a..b",
        ".a",
        "a:80",
        "http://a",
        "a/b",
        "[::1]:80",
        "[x]",
        "b\u00fccher.example",
        "a" * 64,
        ".".join(["a" * 60] * 5),
        "\u00e4" * 70,
    ],
)
def test_hosts_that_are_refused(text: str) -> None:
    with pytest.raises(Refusal):
        conditions.parse_host(text)


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        ("App.internal", "app.internal"),
        ("app:8080", "app:8080"),
        ("[::1]:80", "[::1]:80"),
        ("[::1]", "[::1]"),
    ],
)
def test_authorities(text: str, authority: str) -> None:
    assert conditions.parse_authority(text) == authority


@pytest.mark.parametrize("text", ["", "*.a", "a:0", "a:65536", "a:", "a:b", "http://a", "*", "::1:80x"])
def test_authorities_that_are_refused(text: str) -> None:
    with pytest.raises(Refusal):
        conditions.parse_authority(text)


@pytest.mark.parametrize("text", ["GET", "PROPFIND", "M-SEARCH", "get-thing"])
def test_methods(text: str) -> None:
    assert conditions.parse_method(text) == text


@pytest.mark.parametrize("text", ["", "get", "Post", "CONNECT", "A B", "G\u00c4T"])
def test_methods_that_are_refused(text: str) -> None:
    with pytest.raises(Refusal):
        conditions.parse_method(text)


@pytest.mark.parametrize(
    ("condition", "match"),
    [
        ("yes", FieldMatch(name="x", kind="exact", value="yes")),
        ("", FieldMatch(name="x", kind="exact", value="")),
        ("~ ^a|b$", FieldMatch(name="x", kind="regex", value="^a|b$")),
        (True, FieldMatch(name="x", kind="present")),
        (False, FieldMatch(name="x", kind="absent")),
    ],
)
def test_conditions(condition: str | bool, match: FieldMatch) -> None:
    assert conditions.parse_condition("x", condition) == match


@pytest.mark.parametrize("text", ["", "a b", "a:", "\u00e4", "a\n"])
def test_field_names_that_are_refused(text: str) -> None:
    with pytest.raises(Refusal):
        conditions.parse_field_name(text)


@pytest.mark.parametrize("text", [" a", "a ", "a\nb", "a\0", "\u20ac", "\x7f"])
def test_field_values_that_are_refused(text: str) -> None:
    with pytest.raises(Refusal):
        conditions.parse_field_value(text)


def test_fields() -> None:
    assert conditions.parse_field_name("X-Canary") == "x-canary"
    assert conditions.parse_field_value("a\tb\u00e9") == "a\tb\u00e9"
    assert conditions.parse_field_value("") == ""


def test_groups_of_a_regular_expression() -> None:
    assert conditions.group_names("^/(?P<first>a)/(?P<second>b)/(c)$") == {"first", "second"}


def test_placeholders_of_a_template() -> None:
    assert conditions.placeholders("https://{host}/{id}?{query}") == {"host", "id", "query"}
    for text in ("{", "}", "{a", "a}", "{{a}"):
        with pytest.raises(Refusal):
            conditions.placeholders(text)


def test_pseudonyms() -> None:
    assert conditions.parse_pseudonym("edge-1") == "edge-1"
    assert conditions.parse_pseudonym("off") == ""
    with pytest.raises(Refusal):
        conditions.parse_pseudonym("a b")


READERS: list[Callable[[str], object]] = [
    conditions.parse_path,
    conditions.parse_host,
    conditions.parse_authority,
    conditions.parse_method,
    conditions.parse_field_name,
    conditions.parse_field_value,
    conditions.parse_prefix,
    conditions.placeholders,
    conditions.parse_pseudonym,
]


@given(st.one_of(st.text(), st.text(alphabet="/*.:[]~ab{}()%2e\\?-", max_size=16)))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in READERS:
        with suppress(Refusal):
            assert read(text) is not None
