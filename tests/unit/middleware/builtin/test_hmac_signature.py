"""Signed requests: the vector of RFC 9421, replays, and what is not signed."""

from __future__ import annotations

import hmac
import time
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.middleware import Reply
from headgate.middleware.builtin import hmac_signature
from headgate.middleware.builtin.hmac_signature import (
    HmacSignature,
    Seen,
    Unsigned,
    base_of,
    bytes_of,
    check_digest,
    inputs_of,
)
from headgate.spec import Secret
from support.hooks import Alone, exchange, made
from support.signing import content_digest, signed

KEY = "a key that both of us know"
PARTS = {"@method": "GET", "@authority": "a.example", "@path": "/x", "@query": "?a=1"}
RFC9421_KEY = b64decode(
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
)


def seen(fields: dict[str, str], **facts: Any) -> Any:
    known = {"target": "/x?a=1", "has_body": False, "authority": "A.example:80"}
    return exchange(fields, **{**known, **facts})


def guard(worker: Alone | None = None, **options: Any) -> Any:
    return made(HmacSignature, {"keys": {"partner": Secret(KEY)}, **options}, worker)


def test_the_vector_of_the_rfc() -> None:
    """RFC 9421 section B.2.5."""
    fields = {
        "date": "Tue, 20 Apr 2021 02:07:55 GMT",
        "content-type": "application/json",
        "signature-input": 'sig-b25=("date" "@authority" "content-type");created=1618884473'
        ';keyid="test-shared-secret"',
        "signature": "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
    }
    request = seen(fields, authority="example.com", target="/foo?param=Value&Pet=dog").request
    base = base_of(request, inputs_of(fields["signature-input"])["sig-b25"])
    assert hmac.digest(RFC9421_KEY, base, "sha256") == bytes_of(fields["signature"], "Signature")["sig-b25"]


def test_a_signed_request_passes_once() -> None:
    worker = Alone()
    middleware = guard(worker, user_header="X-User")
    fields = signed(PARTS, KEY, "partner")
    asked = seen(fields | {"x-user": "root"})
    assert middleware.on_request(asked) is None
    assert asked.user == asked.request.headers["x-user"] == "partner"
    reply = middleware.on_request(seen(fields))
    assert reply.status == 401
    assert b"used before" in reply.body
    assert worker.counts == {"replayed": 1}
    again = guard(replay=True)
    assert [again.on_request(seen(fields)) for _ in range(2)] == [None, None]


@pytest.mark.parametrize(
    ("fields", "facts", "said"),
    [
        ({}, {}, "it has no Signature-Input"),
        (signed(PARTS, "another key that is long", "partner"), {}, "does not fit"),
        (signed(PARTS, KEY, "stranger"), {}, "No signature is by a key"),
        (signed(PARTS, KEY, "partner"), {"method": "POST"}, "does not fit"),
        (signed(PARTS, KEY, "partner"), {"target": "/y?a=1"}, "does not fit"),
        (signed(PARTS, KEY, "partner"), {"target": "/x?a=2"}, "does not fit"),
        (signed(PARTS, KEY, "partner"), {"authority": "b.example"}, "does not fit"),
        (signed({"@method": "GET"}, KEY, "partner"), {}, "does not cover @authority"),
        (signed({**PARTS, "x-none": ""}, KEY, "partner"), {}, "x-none is signed, and it is not there"),
        (signed({**PARTS, "@status": "200"}, KEY, "partner"), {}, "@status is not understood"),
        (signed(PARTS, KEY, "partner", int(time.time()) - 400), {}, "too old"),
        (signed(PARTS, KEY, "partner", int(time.time()) + 400), {}, "from the future"),
        (signed(PARTS, KEY, "partner", more=";expires=1"), {}, "has expired"),
        (signed(PARTS, KEY, "partner", more=';alg="none"'), {}, "The algorithm must be hmac-sha256"),
        (signed(PARTS, KEY, "partner", more=";created=1"), {}, "parameter stands twice"),
        (signed(PARTS, KEY, "partner"), {"has_body": True}, "must cover content-digest"),
        ({"signature-input": 'sig1=("a" "a")', "signature": "sig1=::"}, {}, "component stands twice"),
        ({"signature-input": 'sig1=("a";sf)', "signature": "sig1=::"}, {}, "has parameters"),
        ({"signature-input": "nonsense", "signature": "sig1=::"}, {}, "Signature-Input is malformed"),
        ({"signature-input": "sig1=()", "signature": "nonsense"}, {}, "Signature is malformed"),
        ({"signature-input": 'sig1=();keyid="partner"', "signature": "sig1=::"}, {}, "does not cover"),
    ],
)
def test_what_is_not_signed_as_it_must_be(fields: dict[str, str], facts: dict[str, Any], said: str) -> None:
    worker = Alone()
    asked = seen(fields, **facts)
    reply = guard(worker).on_request(asked)
    assert isinstance(reply, Reply)
    assert (reply.status, asked.user) == (401, None)
    assert said in reply.body.decode()
    assert "hmac-sha256" in dict(reply.fields)["Accept-Signature"]
    assert worker.counts == {"refused": 1}


async def test_bodies() -> None:
    async def body(_limit: int) -> bytes:
        return b"hello"

    digest = content_digest(b"hello")
    parts = {**PARTS, "@method": "POST", "content-digest": digest}
    fields = signed(parts, KEY, "partner") | {"content-digest": digest}
    facts = {"method": "POST", "has_body": True}
    assert await guard().on_request(seen(fields, body=body, **facts)) is None

    async def other(_limit: int) -> bytes:
        return b"HELLO"

    reply = await guard().on_request(seen(fields, body=other, **facts))
    assert b"The body is not what Content-Digest says" in reply.body


def test_what_is_remembered_is_bounded_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hmac_signature, "_REMEMBERED", 3)
    known = Seen()
    assert [known.take(name, 0, 10) for name in (b"a", b"b", b"c", b"a", b"d")] == [True] * 3 + [False, None]
    assert known.take(b"d", 11, 10), "there is room when the others are too old"
    assert known.take(b"a", 11, 10)


def test_keys_that_cannot_be_used() -> None:
    with pytest.raises(ValueError, match="no key is known"):
        made(HmacSignature, {"keys": {}})
    with pytest.raises(ValueError, match="the key of one is too short") as caught:
        made(HmacSignature, {"keys": {"one": Secret("sesame")}})
    assert "sesame" not in str(caught.value)


def test_digests() -> None:
    check_digest(content_digest(b"x") + ", md5=:AAAA:", b"x")
    for field in (None, "", "md5=:AAAA:", "sha-256=:AAAA:", content_digest(b"x") + ", sha-512=:AAAA:"):
        with pytest.raises(Unsigned):
            check_digest(field, b"x")


@given(st.text(alphabet='sig1=();"@ab,: \\-x0', max_size=40) | st.text())
def test_any_field_is_read_or_refused(text: str) -> None:
    for read in (inputs_of, lambda field: bytes_of(field, "Signature")):
        try:
            assert read(text)
        except Unsigned:
            continue


NAMES = st.lists(st.from_regex(r"@?[a-z][a-z-]{0,8}", fullmatch=True), unique=True, max_size=4)


@given(NAMES, st.integers(0, 10**14), st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_inputs_come_back(names: list[str], created: int, keyid: str) -> None:
    raw = keyid.replace("\\", "\\\\").replace('"', '\\"')
    text = f'({" ".join(f"{chr(34)}{name}{chr(34)}" for name in names)});created={created};keyid="{raw}"'
    found = inputs_of(f"a={text}, b={text}")
    assert list(found) == ["a", "b"]
    for each in found.values():
        assert each.components == tuple(names)
        assert each.parameters == {"created": created, "keyid": keyid}
        assert each.text == text
