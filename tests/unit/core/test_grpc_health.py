from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.grpc_health import (
    MalformedMessageError,
    ServingStatus,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    unwrap,
    wrap,
)

# Fields that are not ours: a varint, 64 bits, bytes, 32 bits.
OTHERS = b"\x10\xac\x02" + b"\x19" + bytes(8) + b"\x22\x02hi" + b"\x2d" + bytes(4)


class TestRequest:
    def test_of_the_whole_server(self) -> None:
        assert encode_request() == b""
        assert decode_request(b"") == ""

    def test_of_a_service(self) -> None:
        assert encode_request("a.B") == b"\x0a\x03a.B"
        assert decode_request(b"\x0a\x03a.B") == "a.B"

    def test_other_fields_are_passed_over(self) -> None:
        assert decode_request(OTHERS + b"\x0a\x01x" + OTHERS) == "x"

    def test_the_last_one_counts(self) -> None:
        assert decode_request(b"\x0a\x01x\x0a\x01y") == "y"

    @given(st.text(max_size=400))
    def test_there_and_back(self, service: str) -> None:
        assert decode_request(encode_request(service)) == service

    @pytest.mark.parametrize(
        "message",
        [
            b"\x0a",  # no size
            b"\x0a\x02x",  # cut short
            b"\x02\x00",  # field 0
            b"\x0b",  # a group
            b"\x0f",  # no type
            b"\x80",  # a tag that does not end
            b"\x08" + b"\xff" * 10 + b"\x01",  # more than ten bytes
            b"\x08" + b"\xff" * 9 + b"\x02",  # more than 64 bits
            b"\x09" + bytes(7),
            b"\x0d" + bytes(3),
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ],
    )
    def test_malformed(self, message: bytes) -> None:
        with pytest.raises(MalformedMessageError):
            decode_request(message)
        with pytest.raises(MalformedMessageError):
            decode_response(message)

    def test_a_service_that_is_not_utf_8(self) -> None:
        with pytest.raises(MalformedMessageError):
            decode_request(b"\x0a\x01\xff")


class TestResponse:
    @pytest.mark.parametrize("status", ServingStatus)
    def test_there_and_back(self, status: ServingStatus) -> None:
        assert decode_response(encode_response(status)) is status

    def test_bytes(self) -> None:
        assert encode_response(ServingStatus.SERVING) == b"\x08\x01"
        assert encode_response(ServingStatus.UNKNOWN) == b""

    def test_a_status_of_later(self) -> None:
        assert decode_response(OTHERS + b"\x08\xff\x01") is ServingStatus.UNKNOWN


class TestFraming:
    def test_there_and_back(self) -> None:
        assert wrap(b"abc") == b"\0\0\0\0\3abc"
        assert unwrap(wrap(b"abc")) == b"abc"
        assert unwrap(wrap(b"")) == b""

    @pytest.mark.parametrize(
        "body", [b"", b"\0\0\0\0", b"\1\0\0\0\0", b"\0\0\0\0\1", b"\0\0\0\0\0x", b"\0\0\0\0\0" * 2]
    )
    def test_malformed(self, body: bytes) -> None:
        with pytest.raises(MalformedMessageError):
            unwrap(body)


@given(st.binary(max_size=60))
def test_any_bytes(message: bytes) -> None:
    try:
        service = decode_request(message)
        decode_response(message)
    except MalformedMessageError:
        return
    assert decode_request(encode_request(service)) == service
