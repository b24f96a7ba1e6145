from __future__ import annotations

import base64
import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.playbook import trailers
from headgate.core.grpc_web import (
    WebKind,
    WebRequest,
    WebResponse,
    answer_kind,
    grpc_type,
    web_kind_of,
    web_type,
)

BINARY, TEXT, NOT_WEB = WebKind.WEB_BINARY, WebKind.WEB_TEXT, WebKind.NOT_WEB
STATUS = [(b"Grpc-Status", b"0"), (b"grpc-message", b"fine")]
STATUS_BLOCK = b"grpc-status: 0\r\ngrpc-message: fine\r\n"


def message(payload: bytes, flag: int = 0) -> bytes:
    return struct.pack(">BI", flag, len(payload)) + payload


def decoded(text: bytes) -> bytes:
    """Base64 with padding anywhere, by an independent implementation."""
    groups = re.findall(rb"[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==", text)
    assert b"".join(groups) == text
    return b"".join(base64.b64decode(group, validate=True) for group in groups)


def read(*pieces: bytes, kind: int = TEXT) -> tuple[bytes, bool]:
    """What becomes of a request body, and whether it was whole."""
    request = WebRequest(kind)
    got = b"".join(request.translate(piece) for piece in pieces)
    return got, request.end()


def written(*pieces: bytes, kind: int = TEXT) -> bytes:
    """What becomes of a response body with its trailers."""
    response = WebResponse(kind)
    return b"".join(response.translate(piece) for piece in pieces) + response.end(STATUS)


def singly(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


class TestContentTypes:
    @pytest.mark.parametrize(
        ("web", "kind", "grpc"),
        [
            (b"application/grpc-web", BINARY, b"application/grpc"),
            (b"application/grpc-web+proto", BINARY, b"application/grpc+proto"),
            (b"application/grpc-web-text", TEXT, b"application/grpc"),
            (b"application/grpc-web-text+json", TEXT, b"application/grpc+json"),
            (b"Application/gRPC-Web-Text+proto; charset=x", TEXT, b"application/grpc+proto; charset=x"),
            (b"application/grpc-web;a=b", BINARY, b"application/grpc;a=b"),
            (b"application/grpc", NOT_WEB, b""),
            (b"application/grpc+proto", NOT_WEB, b""),
            (b"application/grpc-webx", NOT_WEB, b""),
            (b"application/grpc-web-texts", NOT_WEB, b""),
            (b"application/grpc-web-tex", NOT_WEB, b""),
            (b"", NOT_WEB, b""),
        ],
    )
    def test_of_requests(self, web: bytes, kind: int, grpc: bytes) -> None:
        assert web_kind_of(web) == kind
        assert grpc_type(web) == grpc

    @pytest.mark.parametrize(
        ("grpc", "kind", "web"),
        [
            (b"application/grpc", BINARY, b"application/grpc-web"),
            (b"application/grpc+proto", TEXT, b"application/grpc-web-text+proto"),
            (b"application/grpc;a=b", TEXT, b"application/grpc-web-text;a=b"),
            (b"application/grpc-web", TEXT, b""),
            (b"text/html", BINARY, b""),
        ],
    )
    def test_of_responses(self, grpc: bytes, kind: int, web: bytes) -> None:
        assert web_type(grpc, kind) == web

    @pytest.mark.parametrize(
        ("kind", "accept", "expected"),
        [
            (TEXT, b"", TEXT),
            (BINARY, b"*/*", BINARY),
            (BINARY, b"application/grpc-web-text", TEXT),
            (TEXT, b"text/html, application/grpc-web+proto;q=0.5", BINARY),
            (TEXT, b"application/grpc-web, application/grpc-web-text", TEXT),
            (BINARY, b"application/grpc-web, application/grpc-web-text", BINARY),
        ],
    )
    def test_of_answers(self, kind: int, accept: bytes, expected: int) -> None:
        assert answer_kind(kind, accept) == expected


class TestRequest:
    def test_binary_passes(self) -> None:
        assert read(b"\0\xff", b"", b"x", kind=BINARY) == (b"\0\xffx", True)

    @pytest.mark.parametrize("size", range(12))
    def test_text(self, size: int) -> None:
        body = bytes(range(250, 250 - size, -1))
        text = base64.b64encode(body)
        assert read(text) == (body, True)
        assert read(*singly(text)) == (body, True)

    def test_padding_in_the_middle(self) -> None:
        text = base64.b64encode(b"a") + base64.b64encode(b"bc") + base64.b64encode(b"def")
        assert read(text) == (b"abcdef", True)
        assert read(*singly(text)) == (b"abcdef", True)

    @pytest.mark.parametrize(
        ("text", "before"),
        [
            (b"YWJj YWJj", b"abc"),
            (b"YWJj\r\n", b"abc"),
            (b"YWJjYW-_", b"abc"),
            (b"YWJj=", b"abc"),
            (b"YWJjY===", b"abc"),
            (b"YWJjYW=x", b"abc"),
            (b"YWJjYWI=YQ==\xff", b"abcaba"),
            (b"YWJjYR==", b"abc"),  # bits that belong to no byte
            (b"YWJjYWJ=", b"abc"),
            (b"YWJjY", b"abc"),
            (b"YWJjYQ", b"abc"),
            (b"YWJjYQ=", b"abc"),
            (b"YWJjYWI", b"abc"),
        ],
    )
    def test_broken(self, text: bytes, before: bytes) -> None:
        assert read(text) == (before, False)
        assert read(*singly(text)) == (before, False)

    def test_nothing_comes_after_what_is_broken(self) -> None:
        request = WebRequest(TEXT)
        assert request.translate(b"!") == b""
        assert request.broken
        assert request.translate(b"YWJj") == b""

    @given(st.lists(st.binary(max_size=20)), st.data())
    def test_every_split(self, parts: list[bytes], data: st.DataObject) -> None:
        text = b"".join(map(base64.b64encode, parts))
        cut = data.draw(st.integers(0, len(text)))
        assert read(text[:cut], text[cut:]) == (b"".join(parts), True)

    @given(st.binary(max_size=40))
    def test_any_bytes(self, text: bytes) -> None:
        whole, ended = read(text)
        assert read(*singly(text)) == (whole, ended)
        if ended:
            assert decoded(text) == whole


class TestResponse:
    def test_trailers_are_a_message(self) -> None:
        assert written(message(b"hello"), kind=BINARY) == message(b"hello") + message(STATUS_BLOCK, 0x80)

    def test_trailers_of_a_head(self) -> None:
        response = WebResponse(BINARY)
        block = b"grpc-status: 5\r\nx-bin: \xe9\r\n"
        assert response.end(trailers(b"Grpc-Status: 5", b"X-Bin: \xe9")) == message(block, 0x80)

    def test_no_trailers(self) -> None:
        assert WebResponse(BINARY).end([]) == message(b"", 0x80)
        assert WebResponse(TEXT).end([]) == base64.b64encode(message(b"", 0x80))

    def test_every_message_of_text_is_whole(self) -> None:
        response = WebResponse(TEXT)
        for payload in (b"", b"a", b"ab", b"abc", b"abcd" * 1000):
            assert response.translate(message(payload)) == base64.b64encode(message(payload))
        assert response.end(STATUS) == base64.b64encode(message(STATUS_BLOCK, 0x80))

    def test_it_flows(self) -> None:
        """No more than two bytes are held back while a message comes."""
        response = WebResponse(TEXT)
        response.translate(message(bytes(1000))[:5])
        sent = 5
        got = b""
        for _ in range(100):
            got += response.translate(bytes(7))
            sent += 7
            assert len(decoded(got)) >= sent - 5 - 2

    @pytest.mark.parametrize("cut", range(1, 9))
    def test_a_message_that_was_cut_short(self, cut: int) -> None:
        text = written(message(b"abcd")[:cut])
        assert decoded(text) == message(b"abcd")[:cut] + message(STATUS_BLOCK, 0x80)
        assert text.endswith(base64.b64encode(message(STATUS_BLOCK, 0x80)))

    @given(st.lists(st.binary(max_size=40)), st.data())
    def test_every_split(self, payloads: list[bytes], data: st.DataObject) -> None:
        body = b"".join(map(message, payloads))
        whole = written(body)
        assert whole == b"".join(
            base64.b64encode(message(payload)) for payload in payloads
        ) + base64.b64encode(message(STATUS_BLOCK, 0x80))
        assert written(*singly(body)) == whole
        cut = data.draw(st.integers(0, len(body)))
        assert written(body[:cut], body[cut:]) == whole

    @given(st.binary(max_size=100))
    def test_any_bytes(self, body: bytes) -> None:
        whole = written(body)
        assert decoded(whole) == body + message(STATUS_BLOCK, 0x80)
        assert written(*singly(body)) == whole
