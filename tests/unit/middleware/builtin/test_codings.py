"""Content codings: negotiation, and streams that give back what went in."""

from __future__ import annotations

import gzip
import zlib

import brotli  # type: ignore[import-untyped]  # it has no types
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from headgate.middleware import BodyMalformed, BodyTooLarge
from headgate.middleware.builtin.codings import DECODERS, ENCODERS, IDENTITY, chosen, weight_of, weights

ALL = ("zstd", "br", "gzip")
BOMB = bytes(20 << 20)
PIECES = st.lists(st.binary(max_size=300) | st.integers(0, 40000).map(lambda size: b"ab" * size), max_size=6)


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, IDENTITY),
        ("", IDENTITY),
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, deflate, br", "br"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("gzip ; q=0.8 , br;Q=0.801", "br"),
        ("br;q=0, *", "zstd"),
        ("*;q=0.5, zstd;q=0", "br"),
        ("*;q=0", IDENTITY),
        ("*", "zstd"),
        ("identity", IDENTITY),
        ("identity;q=1, gzip;q=0.5", IDENTITY),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0, br;q=0.1", "br"),
        ("gzip;q=0", IDENTITY),
        ("gzip;q=0.000", IDENTITY),
        ("gzip;q=2, br;q=-1, zstd;q=x", IDENTITY),
        ("deflate", IDENTITY),
        (",, gzip,", "gzip"),
        ("gzip;level=9", IDENTITY),
    ],
)
def test_the_coding_that_clients_want_most(accepted: str | None, coding: str) -> None:
    assert chosen(ALL, accepted) == coding


def test_whether_identity_will_do() -> None:
    assert weight_of(IDENTITY, "gzip") == 1
    assert weight_of(IDENTITY, "gzip, *;q=0") == 0
    assert weight_of(IDENTITY, "identity;q=0") == 0
    assert weight_of(IDENTITY, "identity;q=0.2, *;q=0") == 0.2


@given(st.text(alphabet='gzipbr*dentyx;q=,01. \t-"é\0', max_size=40))
def test_any_field_can_be_read(accepted: str) -> None:
    assert all(0 <= weight <= 1 for weight in weights(accepted).values())
    coding = chosen(ALL, accepted)
    assert coding == IDENTITY or weight_of(coding, accepted) > 0


@pytest.mark.parametrize("coding", ALL)
@given(pieces=PIECES, level=st.integers(1, 9))
def test_what_is_written_is_read_by_the_library(coding: str, pieces: list[bytes], level: int) -> None:
    encoder = ENCODERS[coding](level)
    written = b"".join(encoder.write(piece) for piece in pieces[:-1])
    written += encoder.end(pieces[-1] if pieces else b"")
    if coding == "gzip":
        read = gzip.decompress(written)
    elif coding == "br":
        read = brotli.decompress(written)
    else:
        read = zstandard.ZstdDecompressor().decompressobj().decompress(written)
    assert read == b"".join(pieces)


@pytest.mark.parametrize("coding", ALL)
def test_each_piece_can_be_read_at_once(coding: str) -> None:
    encoder, decoder = ENCODERS[coding](3), DECODERS[coding]()
    for number in range(5):
        piece = b"data: %d\n\n" % number
        assert decoder.read(encoder.write(piece), 1000) == piece
    assert decoder.read(encoder.end(b""), 1000) == b""
    assert decoder.ended


def packed(coding: str, data: bytes) -> bytes:
    return ENCODERS[coding](6).end(data)


@pytest.mark.parametrize("coding", ALL)
@given(data=st.binary(max_size=2000), cuts=st.lists(st.integers(1, 400), max_size=8))
def test_what_is_cut_anywhere_is_read(coding: str, data: bytes, cuts: list[int]) -> None:
    decoder, left, read = DECODERS[coding](), packed(coding, data), b""
    for cut in cuts:
        read += decoder.read(left[:cut], 4000)
        left = left[cut:]
    assert read + decoder.read(left, 4000) == data
    assert decoder.ended


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_several_members_are_one_body(coding: str) -> None:
    decoder = DECODERS[coding]()
    assert decoder.read(packed(coding, b"ab") + packed(coding, b"cd"), 100) == b"abcd"
    assert decoder.ended


@pytest.mark.parametrize("coding", ALL)
@given(data=st.binary(min_size=1, max_size=200))
def test_nonsense_breaks_nothing(coding: str, data: bytes) -> None:
    try:
        read = DECODERS[coding]().read(data, 1 << 20)
    except (BodyMalformed, BodyTooLarge):
        return
    assert len(read) <= 1 << 20


@pytest.mark.parametrize("coding", ALL)
def test_what_is_cut_off_has_not_ended(coding: str) -> None:
    decoder = DECODERS[coding]()
    decoder.read(packed(coding, b"hello" * 100)[:-3], 1 << 20)
    assert not decoder.ended


@pytest.mark.parametrize("coding", ALL)
def test_a_bomb_stops_at_its_bound(coding: str) -> None:
    for room in (0, 10, 1 << 20):
        with pytest.raises(BodyTooLarge):
            DECODERS[coding]().read(packed(coding, BOMB), room)
    assert DECODERS[coding]().read(packed(coding, b"a" * 1000), 1000) == b"a" * 1000


def test_a_window_that_is_too_large_is_malformed() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    written = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = written.compress(b"a" * 200000) + written.flush()
    with pytest.raises(BodyMalformed):
        DECODERS["zstd"]().read(data, 1 << 20)


def test_deflate_is_not_taken_for_gzip() -> None:
    with pytest.raises(BodyMalformed):
        DECODERS["gzip"]().read(zlib.compress(b"abc"), 100)
