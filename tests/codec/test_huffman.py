"""The Huffman code of HPACK (RFC 7541 section 5.2), against the codes and the coder of the hpack package."""

from __future__ import annotations

import hpack
import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.huffman import LENGTHS, decode

CODER = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
SYMBOLS = range(256)
EOS = 256


def bits_of(*symbols: int) -> str:
    return "".join(f"{REQUEST_CODES[symbol]:0{REQUEST_CODES_LENGTH[symbol]}b}" for symbol in symbols)


def octets(bits: str) -> bytes:
    assert len(bits) % 8 == 0
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def padded(bits: str) -> bytes:
    return octets(bits + "1" * (-len(bits) % 8))


def theirs(coded: bytes) -> bytes | None:
    """None when the package refuses it."""
    try:
        return bytes(decode_huffman(coded))
    except hpack.HPACKDecodingError:
        return None


def refused_by_both(coded: bytes) -> bool:
    return decode(coded) is None and theirs(coded) is None


def test_the_lengths_are_the_same() -> None:
    assert list(LENGTHS) == REQUEST_CODES_LENGTH


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_symbol_is_decoded(symbol: int) -> None:
    """Wherever in an octet it begins: "0" has five bits."""
    for before in range(9):
        text = b"0" * before + bytes([symbol])
        assert decode(CODER.encode(text)) == text
        assert decode(CODER.encode(text + b"~")) == text + b"~"


def test_every_pair_of_symbols_is_decoded() -> None:
    for first in SYMBOLS:
        for second in SYMBOLS:
            text = bytes((first, second))
            assert decode(CODER.encode(text)) == text


@given(st.binary(max_size=400))
def test_every_text_is_decoded(text: bytes) -> None:
    assert decode(CODER.encode(text)) == text


def test_padding_is_of_ones() -> None:
    """Any other bits behind a symbol are another symbol, or are refused."""
    for symbol in SYMBOLS:
        bits = bits_of(symbol)
        size = -len(bits) % 8
        assert decode(padded(bits)) == bytes([symbol])
        for padding in range(2**size - 1):
            coded = octets(bits + f"{padding:0{size}b}")
            decoded = decode(coded)
            assert decoded == theirs(coded)
            assert decoded is None or CODER.encode(decoded) == coded


def test_padding_is_shorter_than_an_octet() -> None:
    for symbol in SYMBOLS:
        coded = padded(bits_of(symbol))
        assert all(refused_by_both(coded + b"\xff" * more) for more in range(1, 5))


def test_padding_alone_may_be_nothing() -> None:
    assert decode(b"") == b""
    for octet in range(256):
        assert decode(bytes([octet])) == theirs(bytes([octet]))


def test_a_code_without_its_end_is_refused() -> None:
    for symbol in SYMBOLS:
        bits = bits_of(symbol)
        assert all(refused_by_both(octets(bits[:size])) for size in range(8, len(bits), 8))


def test_eos_is_refused() -> None:
    eos = bits_of(EOS)
    assert refused_by_both(padded(eos))
    for symbol in SYMBOLS:
        bits = bits_of(symbol)
        assert all(
            refused_by_both(padded(all_bits)) for all_bits in (bits + eos, eos + bits, bits + eos + bits)
        )


@given(st.binary(max_size=60))
def test_both_refuse_the_same_codes(coded: bytes) -> None:
    assert decode(coded) == theirs(coded)
