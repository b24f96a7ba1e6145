from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.grpc import (
    GrpcStatus,
    encode_message,
    grpc_status_of,
    is_grpc_type,
    left_of_timeout,
    read_status,
    read_timeout,
    trailers_only,
    write_timeout,
)

UNITS = {"n": 1, "u": 10**3, "m": 10**6, "S": 10**9, "M": 60 * 10**9, "H": 3600 * 10**9}
LONGEST = 2**63 - 1


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (b"application/grpc", True),
        (b"application/grpc+proto", True),
        (b"Application/gRPC;charset=utf-8", True),
        (b"application/grpc ; a=b", True),
        (b"application/grpc-web", False),
        (b"application/grpc-web+proto", False),
        (b"application/grpcx", False),
        (b"application/grp", False),
        (b"", False),
    ],
)
def test_what_is_grpc(content_type: bytes, expected: bool) -> None:
    assert is_grpc_type(content_type) is expected


class TestTimeout:
    @pytest.mark.parametrize(
        ("text", "nanoseconds"),
        [
            (b"1n", 1),
            (b"1u", 1000),
            (b"250m", 250_000_000),
            (b"5S", 5 * 10**9),
            (b"1M", 60 * 10**9),
            (b"1H", 3600 * 10**9),
            (b"99999999S", 99999999 * 10**9),
            (b"99999999M", 99999999 * 60 * 10**9),
            (b"00000010S", 10**10),
            (b"0S", 0),
            (b"2562047H", 2562047 * 3600 * 10**9),
            (b"2562048H", LONGEST),
            (b"99999999H", LONGEST),
        ],
    )
    def test_read(self, text: bytes, nanoseconds: int) -> None:
        assert read_timeout(text) == nanoseconds

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"S",
            b"5",
            b"5s",
            b"5h",
            b"123456789S",
            b"-1S",
            b"+1S",
            b"1.5S",
            b" 1S",
            b"1S ",
            b"1 S",
            b"\xb2S",
        ],
    )
    def test_malformed(self, text: bytes) -> None:
        assert read_timeout(text) is None

    @pytest.mark.parametrize(
        ("nanoseconds", "text"),
        [
            (-5, b"1n"),
            (0, b"1n"),
            (99_999_999, b"99999999n"),
            (100_000_000, b"100000u"),
            (99_999_999_999, b"99999999u"),
            (100_000_000_999, b"100000m"),
            (10**14, b"100000S"),
            (10**17, b"1666666M"),
            (6 * 10**18, b"1666666H"),
            (LONGEST, b"2562047H"),
        ],
    )
    def test_write(self, nanoseconds: int, text: bytes) -> None:
        assert write_timeout(nanoseconds) == text

    @given(st.integers(1, LONGEST))
    def test_there_and_back(self, nanoseconds: int) -> None:
        text = write_timeout(nanoseconds)
        assert re.fullmatch(rb"[1-9][0-9]{0,7}[HMSmun]", text)
        again = read_timeout(text)
        assert again is not None
        assert nanoseconds * (1 - 1e-5) <= again <= nanoseconds

    @given(st.integers(0, 99999999), st.sampled_from(sorted(UNITS)))
    def test_every_timeout(self, number: int, unit: str) -> None:
        assert read_timeout(f"{number}{unit}".encode()) == min(number * UNITS[unit], LONGEST)

    @pytest.mark.parametrize(
        ("timeout", "elapsed", "left"),
        [
            (10**9, 0.25, 750_000_000),
            (10**9, 0.0, 10**9),
            (10**9, -1.0, 10**9),
            (10**9, 1.0, 0),
            (10**9, 1e300, 0),
            (0, 0.0, 0),
            (LONGEST, 1.0, LONGEST - 10**9),
        ],
    )
    def test_what_is_left(self, timeout: int, elapsed: float, left: int) -> None:
        assert left_of_timeout(timeout, elapsed) == left


class TestStatus:
    @pytest.mark.parametrize(
        ("http", "grpc"),
        [
            (400, GrpcStatus.GRPC_INTERNAL),
            (401, GrpcStatus.GRPC_UNAUTHENTICATED),
            (403, GrpcStatus.GRPC_PERMISSION_DENIED),
            (404, GrpcStatus.GRPC_UNIMPLEMENTED),
            (429, GrpcStatus.GRPC_UNAVAILABLE),
            (500, GrpcStatus.GRPC_UNKNOWN),
            (502, GrpcStatus.GRPC_UNAVAILABLE),
            (503, GrpcStatus.GRPC_UNAVAILABLE),
            (504, GrpcStatus.GRPC_UNAVAILABLE),
            (505, GrpcStatus.GRPC_UNKNOWN),
            (200, GrpcStatus.GRPC_UNKNOWN),
        ],
    )
    def test_of_http(self, http: int, grpc: int) -> None:
        assert grpc_status_of(http) == grpc

    @pytest.mark.parametrize(
        ("text", "status"),
        [
            (b"0", 0),
            (b"16", 16),
            (b"999999999", 999999999),
            (b"", None),
            (b"-1", None),
            (b"1234567890", None),
            (b"1 ", None),
        ],
    )
    def test_read(self, text: bytes, status: int | None) -> None:
        assert read_status(text) == status


class TestMessage:
    def test_what_is_encoded(self) -> None:
        assert encode_message("é 100% ~\r\n\x7f\0".encode()) == b"%C3%A9 100%25 ~%0D%0A%7F%00"
        assert encode_message(b"") == b""

    @given(st.binary(max_size=100))
    def test_there_and_back(self, message: bytes) -> None:
        encoded = encode_message(message)
        assert re.fullmatch(rb"[ -~]*", encoded)
        assert unquote_to_bytes(encoded) == message


def test_an_answer_of_our_own() -> None:
    assert trailers_only(GrpcStatus.GRPC_UNAVAILABLE, b"no\n") == [
        (b"Content-Type", b"application/grpc"),
        (b"Grpc-Status", b"14"),
        (b"Grpc-Message", b"no%0A"),
    ]
    assert trailers_only(4, b"", b"application/grpc-web+proto")[0][1] == b"application/grpc-web+proto"
