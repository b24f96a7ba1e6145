"""Heads of HTTP/2: what field lists must keep to, and what is made of them (RFC 9113 section 8)."""

from __future__ import annotations

import pytest

from codec.subjects import request_head, response_head
from headgate.core.events import Data, Reset
from headgate.core.head import Head, TargetForm
from headgate.core.http1 import Http1Client
from headgate.core.http2 import Http2Client, Http2Server
from headgate.core.paths import path_policy
from support.frames import (
    BEGIN,
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    GET,
    HEADERS,
    PADDED,
    POST,
    PRIORITISED,
    RST_STREAM,
    Blocks,
    Field,
    answer,
    block,
    data,
    frame,
    frames,
    headers,
    request,
)
from unit.core.http2_stage import client, code_of, heads, of_kind, respond, server, violations

PROTOCOL = 1


def pseudo(**changes: bytes | None) -> list[Field]:
    """The pseudo-fields of a GET with changes; None leaves one out."""
    values: dict[str, bytes | None] = {"method": b"GET", "scheme": b"http", "authority": b"a", "path": b"/"}
    values.update(changes)
    return [(b":" + name.encode(), value) for name, value in values.items() if value is not None]


def read(*fields: Field, **changes: bytes | None) -> Head:
    (head,) = server().receive(request(*fields, pseudo=pseudo(**changes)))
    assert isinstance(head, Head), head
    return head


def sent_on(head: Head) -> bytes:
    """What a server of HTTP/1 gets of a request."""
    codec = Http1Client()
    codec.send(head)
    return codec.output()


# --- Malformed requests -------------------------------------------------------------------------

MALFORMED = {
    "no method": pseudo(method=None),
    "no scheme": pseudo(scheme=None),
    "no path": pseudo(path=None),
    "no authority": pseudo(authority=None),
    "an empty authority": pseudo(authority=b""),
    "two paths": [*GET, (b":path", b"/")],
    "two methods": [(b":method", b"GET"), *GET],
    "a status": [*GET, (b":status", b"200")],
    "an unknown pseudo-field": [*GET, (b":foo", b"x")],
    "a pseudo-field of another case": [*GET[:3], (b":Path", b"/")],
    "a pseudo-field behind a field": [*GET[:3], (b"a", b"b"), GET[3]],
    "a method that is none": pseudo(method=b"GE T"),
    "an empty method": pseudo(method=b""),
    "a method with a line": pseudo(method=b"GET / HTTP/1.1\r\nX: y"),
    "another scheme": pseudo(scheme=b"ftp"),
    "an empty path": pseudo(path=b""),
    "a path without a slash": pseudo(path=b"a"),
    "a path with a space": pseudo(path=b"/a b"),
    "a path with HTTP in it": pseudo(path=b"/ HTTP/1.1"),
    "a path with a line": pseudo(path=b"/\r\nX: y"),
    "a path with a fragment": pseudo(path=b"/a#b"),
    "a whole target": pseudo(path=b"http://a/"),
    "an asterisk of GET": pseudo(path=b"*"),
    "an authority with a user": pseudo(authority=b"u@a"),
    "an authority with a path": pseudo(authority=b"a/b"),
    "an authority with a bad port": pseudo(authority=b"a:99999"),
    "CONNECT with a path": [(b":method", b"CONNECT"), (b":authority", b"a:1"), GET[3]],
    "CONNECT without an authority": [(b":method", b"CONNECT")],
    "CONNECT without a port": [(b":method", b"CONNECT"), (b":authority", b"a")],
    "a protocol without CONNECT": [*GET, (b":protocol", b"websocket")],
    "a protocol without a path": [(b":method", b"CONNECT"), *GET[1:3], (b":protocol", b"websocket")],
    "an upper case name": [*GET, (b"Accept", b"x")],
    "an empty name": [*GET, (b"", b"x")],
    "a name with a space": [*GET, (b"a b", b"x")],
    "a name with a colon": [*GET, (b"a:b", b"x")],
    "a name with a line": [*GET, (b"a\r\nb", b"x")],
    "a name of 8 bits": [*GET, (b"\xe4", b"x")],
    "a name that CGI reads as Content-Length": [*GET, (b"content_length", b"3")],
    "CR in a value": [*GET, (b"a", b"x\ry")],
    "LF in a value": [*GET, (b"a", b"x\ny")],
    "NUL in a value": [*GET, (b"a", b"x\0y")],
    "a control byte in a value": [*GET, (b"a", b"x\x7fy")],
    "a space before a value": [*GET, (b"a", b" x")],
    "a tab behind a value": [*GET, (b"a", b"x\t")],
    "a value of a space": [*GET, (b"a", b" ")],
    "Connection": [*GET, (b"connection", b"close")],
    "Keep-Alive": [*GET, (b"keep-alive", b"1")],
    "Proxy-Connection": [*GET, (b"proxy-connection", b"x")],
    "Transfer-Encoding": [*GET, (b"transfer-encoding", b"chunked")],
    "Upgrade": [*GET, (b"upgrade", b"h2c")],
    "TE of gzip": [*GET, (b"te", b"gzip")],
    "two lengths": [*GET, (b"content-length", b"0"), (b"content-length", b"0")],
    "a length that is none": [*GET, (b"content-length", b"+1")],
    "a length and no body": [*GET, (b"content-length", b"1")],
    "two hosts": [*GET, (b"host", b"a"), (b"host", b"a")],
    "another Host": [*GET, (b"host", b"b")],
    "a Host with another port": [*GET, (b"host", b"a:81")],
    "a Host that is none": [*GET, (b"host", b"a, b")],
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_requests_end_their_stream(name: str) -> None:
    """RFC 9113 section 8.1.1: they may be answered before."""
    codec = server()
    assert violations(codec.receive(headers(MALFORMED[name])))[0][:2] == (1, 400)
    respond(codec, 1, b"HTTP/1.1 400 X\r\nContent-Length: 0\r\n\r\n", b"")
    *_, end = frames(codec.output())
    assert (end.kind, end.stream, end.number) == (RST_STREAM, 1, PROTOCOL)
    assert codec.open_streams == 0
    (head,) = heads(codec.receive(request(stream=3)))
    assert head.stream == 3


def test_trace_takes_no_body() -> None:
    codec = server()
    said = request(pseudo=pseudo(method=b"TRACE"), last=False)
    assert violations(codec.receive(said))[0][:2] == (1, 400)


# --- Requests that are refused ------------------------------------------------------------------


def refused(codec: Http2Server, said: bytes, status: int) -> None:
    """The stream stays, and takes the answer."""
    assert violations(codec.receive(said))[0][:2] == (1, status)
    assert of_kind(codec.output(), RST_STREAM) == []
    respond(codec, 1)
    assert frames(codec.output())[-1].flags & END_STREAM
    assert codec.open_streams == 0


def test_what_can_be_answered_is() -> None:
    refused(server(), request(pseudo=pseudo(path=b"/%zz")), 400)
    strict = server(path_policy=path_policy(encoded_slash="reject"))
    refused(strict, request(pseudo=pseudo(path=b"/%2f")), 400)
    refused(server(head_bytes=4096), request((b"a", b"x" * 4096)), 431)
    refused(server(head_fields=20), request(*[(b"a", b"")] * 23), 431)
    refused(server(), request((b"expect", b"tea")), 417)
    for protocol in (b"h2c", b"websocket, h2c", b"TLS/1.0", b"", b"a b"):
        refused(server(), headers([(b":method", b"CONNECT"), *GET[1:], (b":protocol", protocol)]), 501)


def test_the_body_of_a_refused_request_is_read() -> None:
    codec = server(head_bytes=4096)
    events = codec.receive(request((b"a", b"x" * 4096), last=False) + data(b"abc", last=True))
    assert [type(event).__name__ for event in events] == ["Violation", "Data"]


# --- What a request becomes ---------------------------------------------------------------------


def test_a_request() -> None:
    head = read(
        (b"accept", b"*/*"), (b"x-a", b""), method=b"PATCH", authority=b"Ex.com.:81", path=b"/a/./b?c=d?e"
    )
    assert (head.version, head.method_name, head.target_text) == (20, "PATCH", "/a/./b?c=d?e")
    assert (head.path_text, head.query_text) == ("/a/b", "c=d?e")
    assert (head.host_text, head.port, head.authority_text) == ("ex.com", 81, "Ex.com.:81")
    assert (head.last, head.chunked, head.content_length, head.keep_alive) == (True, False, -1, True)
    assert head.items() == [(b"accept", b"*/*"), (b"x-a", b""), (b"host", b"Ex.com.:81")]
    assert sent_on(head) == b"PATCH /a/b?c=d?e HTTP/1.1\r\naccept: */*\r\nx-a: \r\nhost: Ex.com.:81\r\n\r\n"


def test_host_says_what_authority_does() -> None:
    assert read((b"host", b"A"), authority=b"a").items() == [(b"host", b"A")]
    assert read((b"host", b"a"), authority=None).items() == [(b"host", b"a")]
    assert read((b"host", b"[::1]:80"), authority=b"[::1]:80").host_text == "::1"


def test_cookies_are_joined() -> None:
    head = read((b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2"), (b"cookie", b"c=3; d=4"))
    assert sorted(head.items()) == [(b"cookie", b"a=1; b=2; c=3; d=4"), (b"host", b"a"), (b"x", b"y")]
    assert read((b"cookie", b"a=1")).items() == [(b"cookie", b"a=1"), (b"host", b"a")]


def test_many_and_long_fields_are_kept_in_place() -> None:
    fields = [(b"x-%d" % i, bytes([97 + i % 26]) * 200) for i in range(90)]
    head = read(*fields, path=b"/" + b"p" * 3000 + b"?q=" + b"r" * 300, authority=b"h" * 200)
    assert head.items() == [*fields, (b"host", b"h" * 200)]
    assert head.path_text == "/" + "p" * 3000
    assert head.query_text == "q=" + "r" * 300
    assert head.authority_text == "h" * 200


def test_te_and_expectations() -> None:
    head = read((b"te", b"Trailers"))
    assert head.te_trailers
    assert head.items() == [(b"host", b"a")]
    (head,) = heads(server().receive(request((b"expect", b"100-Continue"), pseudo=POST, last=False)))
    assert head.expect_continue
    assert head.chunked


def test_asterisks() -> None:
    head = read(method=b"OPTIONS", path=b"*")
    assert head.target_form == TargetForm.ASTERISK_FORM
    assert head.path_text == "*"


def test_connect() -> None:
    (head,) = heads(
        server().receive(headers([(b":method", b"CONNECT"), (b":authority", b"a:443")], last=False))
    )
    assert head.target_form == TargetForm.AUTHORITY_FORM
    assert (head.target_text, head.port, head.upgrade_text) == ("a:443", 443, None)


def test_extended_connect() -> None:
    fields = [(b":method", b"CONNECT"), *GET[1:3], (b":path", b"/chat?x"), (b":protocol", b"websocket")]
    codec = server()
    (head,) = heads(codec.receive(headers([*fields, (b"origin", b"b")], last=False)))
    assert (head.method_name, head.upgrade_text, head.path_text, head.query_text) == (
        "CONNECT",
        "websocket",
        "/chat",
        "x",
    )
    assert not head.chunked
    assert head.items() == [(b"origin", b"b"), (b"host", b"a")]
    respond(codec, 1, b"HTTP/1.1 200 OK\r\n\r\n", b"")
    assert codec.receive(data(b"ping"))[0].describe() == ("Data", 1, b"ping", False)


def test_names_that_cgi_reads_as_others_are_dropped() -> None:
    assert read((b"x_forwarded_for", b"evil"), (b"x_y", b"z")).items() == [(b"x_y", b"z"), (b"host", b"a")]


def test_length_and_framing_for_http1() -> None:
    codec = server()
    said = request(pseudo=POST, last=False) + request(
        (b"content-length", b"3"), pseudo=POST, last=False, stream=3
    )
    said += request((b"content-length", b"0"), pseudo=POST, last=False, stream=5) + request(
        (b"content-length", b"0"), pseudo=POST, stream=7
    )
    framing = [(head.chunked, head.content_length, head.last) for head in heads(codec.receive(said))]
    assert framing == [(True, -1, False), (False, 3, False), (True, -1, False), (False, 0, True)]


# --- Frames of a head ---------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [2, 3, 10, 60])
def test_blocks_in_continuations(pieces: int) -> None:
    fields = [*GET, *[(b"x-%d" % i, b"y" * 20) for i in range(30)]]
    whole = block(fields)
    size = -(-len(whole) // pieces)
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    said = frame(HEADERS, END_STREAM, 1, parts[0])
    for number, part in enumerate(parts[1:], 2):
        said += frame(CONTINUATION, END_HEADERS if number == len(parts) else 0, 1, part)
    (head,) = heads(server().receive(said))
    assert head.items() == [*fields[4:], (b"host", b"a")]


def test_padding_and_the_old_priority_are_left_out() -> None:
    payload = b"\x03" + b"\x80\0\0\x05\x10" + block(GET) + b"\0\0\0"
    (head,) = heads(
        server().receive(frame(HEADERS, END_HEADERS | END_STREAM | PADDED | PRIORITISED, 1, payload))
    )
    assert head.path_text == "/"


def test_long_heads_are_sent_in_continuations() -> None:
    codec = server()
    codec.receive(request())
    lines = [(b"x-%d" % number, b"~" * 8000) for number in range(4)]
    codec.send(
        response_head(b"HTTP/1.1 204 X\r\n" + b"".join(b"%s: %s\r\n" % line for line in lines) + b"\r\n"), 1
    )
    sent = frames(codec.output())
    assert [part.kind for part in sent] == [HEADERS, CONTINUATION]
    assert len(sent[0].payload) == 16384
    assert [part.flags & END_HEADERS for part in sent] == [0, END_HEADERS]
    assert Blocks().read(b"".join(part.payload for part in sent)) == [(b":status", b"204"), *lines]


# --- Sending ------------------------------------------------------------------------------------


def fields_of(output: bytes, blocks: Blocks | None = None) -> list[Field]:
    (head,) = of_kind(output, HEADERS)
    return (blocks or Blocks()).read(head.payload)


def test_a_response_loses_what_belongs_to_http1() -> None:
    codec = server()
    codec.receive(request())
    respond(
        codec, 1,
        b"HTTP/1.1 200 OK\r\nServer: X\r\nConnection: x-hop, keep-alive\r\nKeep-Alive: 5\r\nX-Hop: 1\r\n"
        b"Proxy-Connection: a\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\nX-Stays: 2\r\n\r\n",
        b"",
    )  # fmt: skip
    assert fields_of(codec.output()) == [(b":status", b"200"), (b"server", b"X"), (b"x-stays", b"2")]


def test_statuses() -> None:
    codec = server()
    blocks = Blocks()
    for number, status in enumerate((200, 204, 206, 304, 400, 404, 500, 201, 301, 418, 502, 599)):
        stream = 2 * number + 1
        codec.receive(request(stream=stream))
        codec.output()
        respond(codec, stream, b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status, b"")
        assert fields_of(codec.output(), blocks)[0] == (b":status", b"%d" % status)


def test_interim_responses() -> None:
    codec = server()
    codec.receive(request())
    blocks = Blocks()
    for status in (100, 103):
        codec.send(response_head(b"HTTP/1.1 %d X\r\nLink: y\r\n\r\n" % status), 1)
        output = codec.output()
        assert not frames(output)[0].flags & END_STREAM
        assert fields_of(output, blocks)[0] == (b":status", b"%d" % status)
    respond(codec)
    assert fields_of(codec.output(), blocks)[0] == (b":status", b"200")


REQUESTS: dict[bytes, list[Field]] = {
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n": [*GET[:2], GET[3], GET[2]],
    b"GET /x/../y?q=1 HTTP/1.1\r\nHost: A:1\r\nAccept: b\r\nConnection: te\r\nTE: trailers\r\n\r\n": [
        (b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/y?q=1"), (b":authority", b"A:1"),
        (b"accept", b"b"), (b"te", b"trailers"),
    ],
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n": [
        (b":method", b"OPTIONS"), (b":scheme", b"http"), (b":path", b"*"), (b":authority", b"a"),
    ],
    b"GET http://b/c?d HTTP/1.1\r\nHost: a\r\n\r\n": [
        (b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/c?d"), (b":authority", b"b"),
    ],
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, X\r\nUpgrade: websocket\r\nCookie: e\r\n\r\n": [
        *GET[:2], GET[3], GET[2], (b"cookie", b"e"),
    ],
}  # fmt: skip


def first_request(head: Head) -> list[Field]:
    codec = Http2Client()
    codec.receive(BEGIN)
    codec.output()
    codec.send(head, codec.open())
    fields = fields_of(codec.output())
    pseudo = [name.startswith(b":") for name, _ in fields]
    assert pseudo == sorted(pseudo, reverse=True), "pseudo-fields come first"
    return sorted(fields)


@pytest.mark.parametrize("said", REQUESTS)
def test_requests_of_http1_are_sent_on(said: bytes) -> None:
    assert first_request(request_head(said)) == sorted(REQUESTS[said])


def test_requests_of_http2_are_sent_on() -> None:
    fields = pseudo(path=b"/%61?x", scheme=b"https")
    cookies = ((b"cookie", b"a"), (b"te", b"trailers"), (b"cookie", b"b"))
    (head,) = heads(server().receive(request(*cookies, pseudo=fields)))
    assert first_request(head) == sorted([
        (b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/a?x"), (b":authority", b"a"),
        (b"cookie", b"a; b"), (b"te", b"trailers"),
    ])  # fmt: skip


def test_an_extended_connect_is_sent_on() -> None:
    fields = [(b":method", b"CONNECT"), *GET[1:3], (b":path", b"/chat"), (b":protocol", b"websocket")]
    (head,) = heads(server().receive(headers(fields, last=False)))
    assert first_request(head) == sorted([
        (b":method", b"CONNECT"), (b":scheme", b"http"), (b":path", b"/chat"), (b":authority", b"a"),
        (b":protocol", b"websocket"),
    ])  # fmt: skip


# --- Responses ----------------------------------------------------------------------------------

MALFORMED_RESPONSES = {
    "no status": headers([(b"a", b"b")]),
    "a method": headers([(b":status", b"200"), (b":method", b"GET")]),
    "two statuses": headers([(b":status", b"200")] * 2),
    "a status of two digits": answer(status=b"20"),
    "a status of 600": answer(status=b"600"),
    "a status of 0": answer(status=b"000"),
    "switching protocols": answer(status=b"101", last=False),
    "an interim response that ends": answer(status=b"100"),
    "interim responses without end": answer(status=b"100", last=False) * 33,
    "an interim response with a body": answer((b"content-length", b"1"), status=b"103", last=False),
    "Connection": answer((b"connection", b"close")),
    "a line in a value": answer((b"a", b"b\r\nc: d")),
    "a length and no body": answer((b"content-length", b"5")),
    "two lengths": answer((b"content-length", b"5"), (b"content-length", b"5"), last=False),
    "data before a head": data(b"x"),
    "trailers that end nothing": answer(last=False) + headers([(b"a", b"b")], last=False),
    "a head too large": answer((b"a", b"x" * 40000)),
}


@pytest.mark.parametrize("name", MALFORMED_RESPONSES)
def test_malformed_responses_end_their_stream(name: str) -> None:
    codec = client()
    event = codec.receive(MALFORMED_RESPONSES[name])[-1]
    assert isinstance(event, Reset)
    assert (event.stream, event.ours, event.unprocessed) == (1, True, False)
    assert code_of(codec)[0] == 1
    assert codec.capacity == 100
    assert codec.open_streams == 0


def test_responses() -> None:
    codec = client()
    events = codec.receive(
        answer(status=b"103", last=False)
        + answer((b"content-length", b"2"), last=False)
        + data(b"ok", last=True)
    )
    first, second, third = events
    assert isinstance(first, Head)
    assert isinstance(second, Head)
    assert isinstance(third, Data)
    assert (first.status, second.status, second.version, second.content_length) == (103, 200, 20, 2)
    assert (second.chunked, second.last, third.last) == (False, False, True)
    assert codec.open_streams == 0


def test_responses_without_a_body() -> None:
    for ask, status in ((b"HEAD", b"200"), (b"GET", b"304"), (b"GET", b"204")):
        codec = client(ask=ask + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
        fields = () if status == b"204" else ((b"content-length", b"5"),)
        (head,) = heads(codec.receive(answer(*fields, status=status)))
        assert head.last
        assert codec.open_streams == 0
        codec = client(ask=ask + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
        events = codec.receive(answer(*fields, status=status, last=False) + data(b"hello", last=True))
        assert isinstance(events[-1], Reset)


def test_trailers() -> None:
    codec = server()
    said = (
        request(pseudo=POST, last=False) + data(b"x") + headers([(b"x-sum", b"1"), (b"content-type", b"y")])
    )
    events = codec.receive(said)
    assert events[-1].describe() == ("Trailers", 1, [(b"x-sum", b"1")])
    respond(codec, 1)
    assert codec.open_streams == 0
