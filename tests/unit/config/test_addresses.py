"""Addresses as people write them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.base.errors import Refusal
from headgate.config.addresses import format_address, parse_bind, parse_endpoint, parse_range
from headgate.spec import Address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address(host="127.0.0.1", port=8080)),
        (":8080", Address(host="0.0.0.0", port=8080)),
        ("*:8080", Address(host="0.0.0.0", port=8080)),
        ("localhost:0", Address(host="127.0.0.1", port=0)),
        ("[::]:80", Address(host="::", port=80)),
        ("[2001:DB8::0001]:80", Address(host="2001:db8::1", port=80)),
        ("unix:/run/headgate.sock", Address(unix="/run/headgate.sock")),
        ("unix:@headgate", Address(unix="@headgate")),
        ("fd:3", Address(fd=3)),
    ],
)
def test_binds(text: str, address: Address) -> None:
    assert parse_bind(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8080",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "::1:80",
        "[::1]",
        "[::1]:",
        "[127.0.0.1]:80",
        "[x]:80",
        "example.com:80",
        "256.0.0.1:80",
        "unix:",
        "unix:/",
        "unix:a",
        "unix:/" + "a" * 107,
        "unix:/a\0b",
        "fd:",
        "fd:-1",
        "fd:x",
        "fd:99999999",
        "127.0.0.1:\u0668\u0660",
        "127.0.0.1:000080",
    ],
)
def test_binds_that_are_refused(text: str) -> None:
    with pytest.raises(Refusal):
        parse_bind(text)


@pytest.mark.parametrize(
    ("text", "scheme", "address", "name"),
    [
        ("127.0.0.1:9001", "http", Address(host="127.0.0.1", port=9001), "127.0.0.1:9001"),
        ("App.Internal:80", "http", Address(host="app.internal", port=80), "app.internal:80"),
        ("my_app:80", "http", Address(host="my_app", port=80), "my_app:80"),
        ("app.internal.:80", "http", Address(host="app.internal.", port=80), "app.internal.:80"),
        ("[::1]:80", "http", Address(host="::1", port=80), "[::1]:80"),
        ("unix:/run/app.sock", "http", Address(unix="/run/app.sock"), "unix:/run/app.sock"),
        ("http://app", "http", Address(host="app", port=80), "app:80"),
        ("HTTP://App:81/", "http", Address(host="app", port=81), "app:81"),
        ("https://app", "https", Address(host="app", port=443), "https://app:443"),
        ("https://[::1]", "https", Address(host="::1", port=443), "https://[::1]:443"),
        ("https://[::1]:8443", "https", Address(host="::1", port=8443), "https://[::1]:8443"),
        ("h2c://app:9000", "h2c", Address(host="app", port=9000), "h2c://app:9000"),
        ("h2c://unix:/run/a.sock", "h2c", Address(unix="/run/a.sock"), "h2c://unix:/run/a.sock"),
    ],
)
def test_endpoints(text: str, scheme: str, address: Address, name: str) -> None:
    target = parse_endpoint(text)
    assert (target.scheme, target.address, target.name) == (scheme, address, name)
    assert parse_endpoint(name) == target


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("https://app/x", "write https://app, and change paths in a route"),
        ("http://app:81?x", "write http://app:81, and change paths in a route"),
        ("https://me@app", "write https:// and the host alone"),
        ("ftp://app:21", "write http://, https:// or h2c://, or none"),
        ("9001", "write :9001 or 127.0.0.1:9001"),
        *(
            (text, "write host:port, [::1]:port, unix:/path or https://host")
            for text in (
                "app",
                "app:0",
                ":80",
                "-a:80",
                "a..b:80",
                "1.2.3:80",
                "256.1.1.1:80",
                "a b:80",
                "ä:80",
                "a" * 64 + ":80",
                "[a]:80",
                "https://",
                "https://a b",
                "h2c://app:0",
            )
        ),
    ],
)
def test_endpoints_that_are_refused(text: str, hint: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_endpoint(text)
    assert refusal.value.hint == hint


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("192.0.2.1", "192.0.2.1/32"),
        ("::1", "::1/128"),
        ("FD00::/8", "fd00::/8"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_ranges(text: str, network: str) -> None:
    assert parse_range(text) == network


@pytest.mark.parametrize("text", ["", "10.0.0", "10.0.0.0/33", "10.0.0.1/8", "fd00::1/8", "localhost", "1"])
def test_ranges_that_are_refused(text: str) -> None:
    with pytest.raises(Refusal):
        parse_range(text)


@pytest.mark.parametrize("text", ["127.0.0.1:80", "[::1]:80", "unix:/a", "unix:@a", "fd:3"])
def test_written_as_it_was_read(text: str) -> None:
    assert format_address(parse_bind(text)) == text


@given(st.one_of(st.text(), st.from_regex(r"(unix:|fd:|http://|\[)?[a-z0-9.:\]\[/-]{0,12}(:[0-9]{0,6})?")))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_bind, parse_endpoint, parse_range):
        with suppress(Refusal):
            assert parse(text)
