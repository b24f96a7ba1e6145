"""Addresses that middlewares fetch."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.config.addresses import parse_endpoint
from headgate.middleware.url import Url, parse_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://A.example", Url("fetch:http:a.example:80", "http://a.example:80", "a.example", "/", None)),
        (
            "https://a.example:8443/x/%20?",
            Url("fetch:https:a.example:8443", "https://a.example:8443", "a.example:8443", "/x/%20", ""),
        ),
        ("https://[::1]/?a=/?", Url("fetch:https:[::1]:443", "https://[::1]:443", "[::1]", "/", "a=/?")),
        ("service://my.auth/check?x", Url("my.auth", "", "", "/check", "x")),
        ("service://auth?x", Url("auth", "", "", "/", "x")),
    ],
)
def test_parts(text: str, url: Url) -> None:
    assert parse_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        *("", "/x", "ftp://a/", "http://", "http://a b/", "http://a/ b", "http://a/b#c", "http://u:p@a/"),
        *("http://a/\r\nx", "http://a/é", "http://a:x/", "service:///x", "service://-a/", "https://a/b\n"),
    ],
)
def test_what_is_no_url(text: str) -> None:
    with pytest.raises(ValueError, match="is no URL"):
        parse_url(text)


def test_a_query_is_not_shown() -> None:
    assert str(parse_url("https://a/b?token=c")) == "https://a:443/b"
    assert str(parse_url("service://a/b?token=c")) == "service://a/b"


@given(st.text())
@example("http://a/\n")
def test_nothing_that_ends_a_line_gets_through(text: str) -> None:
    for url in ("http://a", "http://a/", "http://a/?", "service://", "service://s/", ""):
        with suppress(ValueError):
            parsed = parse_url(url + text)
            sent = parsed.path + (parsed.query or "") + parsed.host
            assert sent.isascii()
            assert not set(sent) & set("\r\n\t #\0")


@given(st.from_regex(r"https?://[a-z0-9]{1,9}(\.[a-z0-9]{1,9})?(:[1-9][0-9]{0,3})?", fullmatch=True))
def test_origins_are_endpoints_or_have_no_host(text: str) -> None:
    url = parse_url(text)
    if not url.host.partition(":")[0].replace(".", "").isdecimal():
        assert parse_endpoint(url.origin).name.removeprefix("http://") == url.origin.removeprefix("http://")
