from __future__ import annotations

from itertools import pairwise

import pytest

from headgate.core.events import Event
from headgate.core.head import TOKEN_NAMES, Head, Method, TargetForm
from headgate.core.http1 import Http1Client, Http1Server


def request(*lines: str, start: str = "GET / HTTP/1.1", host: str = "Host: a") -> Head:
    """The head of a request with these lines."""
    data = "\r\n".join([start, *([host] if host else []), *lines, "", ""]).encode("latin-1")
    event = Http1Server().receive(data)[0]
    assert isinstance(event, Head), event
    return event


def sent(head: Head) -> bytes:
    """The bytes that go upstream for a head."""
    client = Http1Client()
    client.send(head)
    return client.output()


# Fields.


def test_names_and_order_are_kept() -> None:
    head = request("X-b: 1", "x-A: 2", "X-B: 3", "Cookie: c")
    assert head.items() == [
        (b"Host", b"a"),
        (b"X-b", b"1"),
        (b"x-A", b"2"),
        (b"X-B", b"3"),
        (b"Cookie", b"c"),
    ]


def test_white_space_around_values_is_not_part_of_them() -> None:
    head = request("A:  b c\t ", "D:", "E: \t ", "F:g")
    assert head.items()[1:] == [(b"A", b"b c"), (b"D", b""), (b"E", b""), (b"F", b"g")]


def test_lines_go_out_as_they_came() -> None:
    head = request("A:  b ", "Keep-Alive: 5", "C:d")
    assert sent(head) == b"GET / HTTP/1.1\r\nHost: a\r\nA:  b \r\nC:d\r\n\r\n"


@pytest.mark.parametrize("name", [name.decode() for name in TOKEN_NAMES.values()])
def test_well_known_names_are_known_in_any_case(name: str) -> None:
    """As trailers, every well-known field is dropped, and one that is a letter off is not."""
    server = Http1Server()
    server.receive(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    shown = [
        f"x{name}",
        f"{name}x",
        name[:-1] + "~",
        *(name[:i] + "~" + name[i + 1 :] for i in range(len(name))),
    ]
    hidden = [name, name.upper(), name.title()] if name != "transfer-encoding" else []
    lines = "".join(f"{line}: v\r\n" for line in [*hidden, *shown])
    (event,) = server.receive(b"0\r\n" + lines.encode() + b"\r\n")
    assert isinstance(event, Head)
    assert [field.decode() for field, _ in event.items()] == shown


def test_heads_are_used_again_without_what_was_in_them() -> None:
    """A trailer section without fields gives its head back; the next one begins empty."""
    stream = b"POST / HTTP/1.1\r\nHost: a\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    for _ in range(5):
        Http1Server().receive(stream)
        head = request(start="GET /b?c HTTP/1.1")
        assert head.describe() == (
            "RequestHead", 0, "GET", "/b?c", "/b", 11, [(b"Host", b"a")], -1, False, True, True,
        )  # fmt: skip
        assert (head.upgrade_text, head.reason_text, head.status, head.port) == (None, None, 0, -1)


def test_a_head_grows_with_its_bytes() -> None:
    """Spans follow when the bytes move, as they do for a head that comes in pieces."""
    lines = [f"X-{i}: {'v' * 300}" for i in range(90)]
    data = "\r\n".join(["GET http://b:1/c/../d?e HTTP/1.1", "Host: a", *lines, "", ""]).encode()
    server = Http1Server()
    events: list[Event] = []
    edges = [0, 3, 20, 2047, 2048, 2049, 9000, 20_000, len(data)]
    for start, end in pairwise(edges):
        events += server.receive(data[start:end])
    (head,) = events
    assert isinstance(head, Head)
    assert (head.method_name, head.target_text, head.path_text) == ("GET", "http://b:1/c/../d?e", "/d")
    assert (head.query_text, head.authority_text, head.host_text, head.port) == ("e", "b:1", "b", 1)
    assert head.items()[0] == (b"X-0", b"v" * 300)
    assert head.items()[-1] == (b"Host", b"b:1")
    assert sent(head).startswith(b"GET /d?e HTTP/1.1\r\nX-0: v")


# What the fields say.


@pytest.mark.parametrize(
    ("lines", "version", "keep_alive"),
    [
        ([], "1.1", True),
        (["Connection: close"], "1.1", False),
        (["Connection: x, CLOSE"], "1.1", False),
        (["Connection: x", "Connection: close"], "1.1", False),
        (["Connection: keep-alive"], "1.1", True),
        (["Connection: keep-alive, close"], "1.1", False),
        ([], "1.0", False),
        (["Connection: Keep-Alive"], "1.0", True),
        (["Proxy-Connection: keep-alive"], "1.0", False),
    ],
)
def test_keep_alive(lines: list[str], version: str, keep_alive: bool) -> None:
    head = request(*lines, start=f"GET / HTTP/{version}")
    assert head.keep_alive == keep_alive
    assert head.version == int(version.replace(".", ""))
    assert not any(name.lower().endswith(b"connection") for name, _ in head.items())


@pytest.mark.parametrize(
    ("lines", "welcome"),
    [
        (["TE: trailers"], True),
        (["TE: gzip, Trailers"], True),
        (["TE: gzip", "TE: trailers"], True),
        (["TE: gzip"], False),
        ([], False),
    ],
)
def test_te(lines: list[str], welcome: bool) -> None:
    head = request(*lines, "Connection: TE")
    assert head.te_trailers == welcome
    assert not any(name == b"TE" for name, _ in head.items())


@pytest.mark.parametrize(
    ("start", "lines", "expects", "kept"),
    [
        ("POST / HTTP/1.1", ["Content-Length: 1"], True, True),
        ("POST / HTTP/1.1", ["Transfer-Encoding: chunked"], True, True),
        ("POST / HTTP/1.1", ["Content-Length: 0"], False, False),
        ("GET / HTTP/1.1", [], False, False),
        ("POST / HTTP/1.0", ["Content-Length: 1"], False, False),
    ],
)
def test_expect(start: str, lines: list[str], expects: bool, kept: bool) -> None:
    head = request(*lines, "Expect: 100-Continue", start=start)
    assert head.expect_continue == expects
    assert (b"Expect" in dict(head.items())) == kept


# Targets and authorities.


@pytest.mark.parametrize("method", list(Method)[1:])
def test_methods(method: Method) -> None:
    name = method.name.removeprefix("METHOD_")
    head = request(start=f"{name} {'a:1' if name == 'CONNECT' else '/'} HTTP/1.1")
    assert head.method == method
    for other in (name.lower(), name + "X", name[:-1]):
        assert request(start=f"{other} / HTTP/1.1").method == Method.METHOD_OTHER


@pytest.mark.parametrize(
    ("start", "form", "path", "query"),
    [
        ("GET /a/b", TargetForm.ORIGIN_FORM, "/a/b", None),
        ("GET /a/./b/..?c=/../d", TargetForm.ORIGIN_FORM, "/a/", "c=/../d"),
        ("GET /?", TargetForm.ORIGIN_FORM, "/", ""),
        ("GET //a", TargetForm.ORIGIN_FORM, "//a", None),
        ("GET http://b", TargetForm.ABSOLUTE_FORM, "/", None),
        ("GET http://b?c", TargetForm.ABSOLUTE_FORM, "/", "c"),
        ("GET HTTP://b/%7e/c?d", TargetForm.ABSOLUTE_FORM, "/~/c", "d"),
        ("OPTIONS *", TargetForm.ASTERISK_FORM, "*", None),
        ("OPTIONS http://b", TargetForm.ASTERISK_FORM, "*", None),
        ("CONNECT b:443", TargetForm.AUTHORITY_FORM, "b:443", None),
    ],
)
def test_target_forms(start: str, form: TargetForm, path: str, query: str | None) -> None:
    head = request(start=f"{start} HTTP/1.1")
    assert head.target_form == form
    assert (head.path_text, head.query_text) == (path, query)


@pytest.mark.parametrize(
    ("authority", "host", "port"),
    [
        ("a", "a", -1),
        ("A.Example.COM", "a.example.com", -1),
        ("a.example.", "a.example", -1),
        ("a:80", "a", 80),
        ("a:", "a", -1),
        ("a:65535", "a", 65535),
        ("a:00080", "a", 80),
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("[::1]", "::1", -1),
        ("[2001:DB8::1]:443", "2001:db8::1", 443),
        ("a_b-c~d", "a_b-c~d", -1),
        ("x" * 255, "x" * 255, -1),
    ],
)
def test_authorities(authority: str, host: str, port: int) -> None:
    for head in (
        request(host=f"Host: {authority}"),
        request(start=f"GET http://{authority}/ HTTP/1.1", host="Host: other"),
    ):
        assert (head.authority_text, head.host_text, head.port) == (authority, host, port)


@pytest.mark.parametrize(
    "authority",
    [
        "", " ", "a b", "a,b", "a/b", "a@b", "a:b", "a:65536", "a:123456", "a:-1", "a:80:80", ":80",
        "[", "[]", "[::1", "::1", "[::1]x", "[g::1]", "[::1%25eth0]", "a%20b", "a\\b", "ä", "x" * 256,
        "a?b", "a#b",
    ],
)  # fmt: skip
def test_what_is_no_authority(authority: str) -> None:
    data = f"GET / HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode("latin-1")
    assert Http1Server().receive(data)[0].describe() == ("Violation", 0, 400, "malformed Host")


def test_the_authority_of_the_target_goes_before_host() -> None:
    head = request("X: y", start="GET http://B:81/c HTTP/1.1", host="Host: other")
    assert head.host_text == "b"
    assert sent(head) == b"GET /c HTTP/1.1\r\nX: y\r\nHost: B:81\r\n\r\n"
