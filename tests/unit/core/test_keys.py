"""What of a request decides its endpoint."""

from __future__ import annotations

import ipaddress

import pytest

from headgate.core.head import Head
from headgate.core.http1 import Http1Server
from headgate.core.keys import KeySource, key_of

ABSENT = 12345


def head(target: str = "/", *lines: str) -> Head:
    text = "\r\n".join((f"GET {target} HTTP/1.1", "Host: a", *lines, "", ""))
    [found, *_] = Http1Server().receive(text.encode())
    assert isinstance(found, Head)
    return found


def key(kind: str, name: str, target: str = "/", *lines: str) -> int:
    return key_of(KeySource(kind, name), head(target, *lines), None, ABSENT)


def of_client(address: str) -> int:
    ip = ipaddress.ip_address(address)
    packed = b"\0" * 10 + b"\xff\xff" + ip.packed if ip.version == 4 else ip.packed
    return key_of(KeySource("client"), head(), packed, ABSENT)


def test_clients() -> None:
    assert of_client("10.0.0.1") == of_client("10.0.0.1") != of_client("10.0.0.2")
    assert of_client("2001:db8::1") == of_client("2001:db8::ffff:2") != of_client("2001:db8:0:1::1")
    assert of_client("::1") != of_client("::2")
    assert key_of(KeySource("client"), head(), None, ABSENT) == ABSENT


def test_paths() -> None:
    assert key("path", "", "/a?x=1") == key("path", "", "/a?x=2") != key("path", "", "/b")


def test_headers() -> None:
    assert key("header", "x-user", "/", "X-User: me") == key("header", "x-user", "/", "x-user:   me  ")
    assert key("header", "x-user", "/", "X-User: me") != key("header", "x-user", "/", "X-User: you")
    assert key("header", "x-user", "/", "X-User: ") != ABSENT
    assert key("header", "x-user") == ABSENT


@pytest.mark.parametrize(
    "line", ["id=7", "a=1; id=7", "a=1;id=7; b=2", 'id="7"', "xid=8; id=7", "id=7; id=8"]
)
def test_cookies(line: str) -> None:
    assert key("cookie", "id", "/", f"Cookie: {line}") == key("cookie", "id", "/", "Cookie: id=7")


@pytest.mark.parametrize("line", ["id", "idx=7", "xid=7", "a=id=7", "ID=7", ""])
def test_no_cookies(line: str) -> None:
    assert key("cookie", "id", "/", f"Cookie: {line}") == ABSENT


def test_several_lines_of_cookies() -> None:
    assert key("cookie", "id", "/", "Cookie: a=1", "Cookie: id=7") == key("cookie", "id", "/", "Cookie: id=7")


@pytest.mark.parametrize("query", ["id=7", "a=1&id=7", "id=7&id=8", "a&id=7", "&&id=7"])
def test_parameters(query: str) -> None:
    assert key("query", "id", f"/?{query}") == key("query", "id", "/x?id=7")


@pytest.mark.parametrize("query", ["", "?", "?id", "?xid=7", "?a=id=7"])
def test_no_parameters(query: str) -> None:
    assert key("query", "id", f"/{query}") == ABSENT
