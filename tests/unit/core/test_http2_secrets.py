"""What came as never indexed goes on so over HTTP/2 (RFC 7541 section 6.2.3: an intermediary must)."""

from __future__ import annotations

import pytest
from hpack import Decoder, NeverIndexedHeaderTuple

from codec.subjects import request_head
from headgate.core.head import Head
from headgate.core.http2 import Http2Client
from support.frames import (
    BEGIN,
    END_HEADERS,
    END_STREAM,
    GET,
    HEADERS,
    Field,
    answer,
    block,
    data,
    frame,
    frames,
    request,
)
from unit.core.http2_stage import client, heads, respond, server

NEVER = b"\x10"
VALUES = [b"secret", b"", b"gzip, deflate", b"v" * 3000]


def secret(fields: list[Field], *secrets: bytes, stream: int = 1, last: bool = True) -> bytes:
    """HEADERS in which the fields with these names or values are never indexed, and all are literals."""
    parts = [block([field], NEVER if set(secrets) & set(field) else b"\0") for field in fields]
    return frame(HEADERS, END_HEADERS | (END_STREAM if last else 0), stream, b"".join(parts))


def marks(output: bytes) -> dict[bytes, bool]:
    """Whether each field of the last block is never indexed."""
    decoder = Decoder()
    payloads = [item.payload for item in frames(output) if item.kind == HEADERS]
    fields = [decoder.decode(payload, raw=True) for payload in payloads][-1]
    return {bytes(field[0]): isinstance(field, NeverIndexedHeaderTuple) for field in fields}


def asked_on(*heads: Head) -> dict[bytes, bool]:
    """The last of these requests, as the next server gets it."""
    codec = Http2Client()
    codec.receive(BEGIN)
    for head in heads:
        codec.send(head, codec.open())
    return marks(codec.output())


def asked(said: bytes) -> Head:
    (head,) = heads(server().receive(said))
    return head


@pytest.mark.parametrize("value", VALUES, ids=len)
@pytest.mark.parametrize("name", [b"x-a", b"accept-encoding", b"x-forwarded-for", b"etag", b"x" * 300])
def test_a_field_of_a_request(name: bytes, value: bytes) -> None:
    fields = [*GET, (b"x-before", b"1"), (name, value), (b"x-after", b"2")]
    plain = {name: False for name, _ in fields}
    assert asked_on(asked(secret(fields))) == plain
    assert asked_on(asked(secret(fields, name))) == plain | {name: True}


def test_a_field_that_the_next_table_has() -> None:
    fields = [*GET, (b"x-a", b"1")]
    assert asked_on(asked(secret(fields)), asked(secret(fields, b"x-a")))[b"x-a"]
    assert not asked_on(asked(secret(fields, b"x-a")), asked(secret(fields)))[b"x-a"]


@pytest.mark.parametrize("path", [b"/", b"/index.html", b"/a?b"])
@pytest.mark.parametrize("name", [b":method", b":path", b":authority"])
def test_a_pseudo_field_of_a_request(name: bytes, path: bytes) -> None:
    fields = [*GET[:3], (b":path", path)]
    plain = {name: False for name, _ in fields}
    assert asked_on(asked(secret(fields))) == plain
    assert asked_on(asked(secret(fields, name))) == plain | {name: True}


def test_the_protocol_of_a_tunnel() -> None:
    fields = [(b":method", b"CONNECT"), *GET[1:], (b":protocol", b"websocket")]
    assert asked_on(asked(secret(fields, b":protocol", last=False)))[b":protocol"]
    assert not asked_on(asked(secret(fields, last=False)))[b":protocol"]


@pytest.mark.parametrize("name", [b":authority", b"host"])
def test_host_and_authority_are_one(name: bytes) -> None:
    fields = [*GET, (b"host", b"a")]
    assert asked_on(asked(secret(fields, name)))[b":authority"]
    assert not asked_on(asked(secret(fields)))[b":authority"]


@pytest.mark.parametrize("part", [b"a=1" * 10, b"b=2" * 10, b"c=3" * 10])
def test_cookies_that_are_joined(part: bytes) -> None:
    fields = [*GET, *((b"cookie", value * 10) for value in (b"a=1", b"b=2", b"c=3"))]
    assert not asked_on(asked(secret(fields)))[b"cookie"]
    assert asked_on(asked(secret(fields, part)))[b"cookie"]


def answered(said: bytes) -> dict[bytes, bool]:
    """A response, as the client gets it."""
    codec = server()
    codec.receive(request())
    (head,) = heads(client().receive(said))
    codec.send(head, 1)
    return marks(codec.output())


@pytest.mark.parametrize("name", [b":status", b"x-a", b"server"])
@pytest.mark.parametrize("status", [b"200", b"404", b"302"])
def test_a_field_of_a_response(name: bytes, status: bytes) -> None:
    fields = [(b":status", status), (b"server", b"a"), (b"x-a", b"1")]
    plain = {name: False for name, _ in fields}
    assert answered(secret(fields)) == plain
    assert answered(secret(fields, name)) == plain | {name: True}


def test_a_trailer() -> None:
    upstream, downstream = client(), server()
    downstream.receive(request())
    said = answer(last=False) + data(b"ok") + secret([(b"x-a", b"1"), (b"x-b", b"2")], b"x-b")
    trailer = heads(upstream.receive(said))[-1]
    respond(downstream, body=b"", head=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    downstream.output()
    downstream.send(trailer, 1)
    assert marks(downstream.output()) == {b"x-a": False, b"x-b": True}


@pytest.mark.parametrize("version", [1, 2])
def test_a_head_that_is_used_again_has_no_marks(version: int) -> None:
    fields = [*GET, (b"x-a", b"1"), (b"x-b", b"2"), (b"x-c", b"3")]
    names = [name for name, _ in fields]
    malformed = secret([*fields, (b"connection", b"close")], *names)
    assert heads(server().receive(malformed)) == []
    head = (
        asked(secret(fields))
        if version == 2
        else request_head(b"GET / HTTP/1.1\r\nHost: a\r\nx-a: 1\r\nx-b: 2\r\nx-c: 3\r\n\r\n")
    )
    assert asked_on(head) == dict.fromkeys(names, False)
