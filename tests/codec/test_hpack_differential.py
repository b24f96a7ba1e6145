"""What we encode, the hpack package decodes, and the other way round; and both refuse the same blocks.

One difference is explained: LONG_INTEGER.
"""

from __future__ import annotations

import re
from random import Random

import hpack
import pytest
from hpack.table import HeaderTable
from hypothesis import given
from hypothesis import strategies as st

from fuzz.mutation import mutate
from headgate.core.field_table import STATIC
from headgate.core.hpack import Hpack, HpackOutcome

Fields = list[tuple[bytes, bytes]]

LIMITS = (1 << 26, 1 << 16)  # bytes and number of fields: more than any block here has
NAMES = (
    b":method", b":path", b":status", b":authority", b"accept", b"accept-encoding", b"cookie", b"set-cookie",
    b"authorization", b"content-type", b"content-length", b"date", b"etag", b"server", b"vary", b"x-a",
    b"x-b", b"x-request-id", b"x-forwarded-for", b"user-agent", b"", b"x" * 300,
)  # fmt: skip
VALUES = (
    b"", b"GET", b"/", b"200", b"gzip, deflate", b"text/html; charset=utf-8", b"no-store", b"1", b"v" * 126,
    b"v" * 127, b"v" * 128, b"w" * 1500, b"w" * 3000, b"w" * 5000, b"\xc3\xa4\xff\x00", bytes(range(256)),
)  # fmt: skip

# The package takes an integer of five bytes and more behind its prefix, most of them zeros that say nothing.
# Section 5.1 lets an implementation set a limit: ours is four, which is more than any length or index needs.
LONG_INTEGER = re.compile(rb"[\x0f\x1f\x3f\x7f\xff][\x80-\xff]{4,}[\x00-\x7f]")


def random_fields(chance: Random) -> Fields:
    return [_random_field(chance) for _ in range(chance.randrange(12))]


def _random_field(chance: Random) -> tuple[bytes, bytes]:
    name, value = chance.choice(NAMES), chance.choice(VALUES)
    if chance.random() < 0.2:
        name = b"x-%d" % chance.randrange(200)
    if chance.random() < 0.2:
        value = chance.randbytes(chance.randrange(60))
    return name, value


def lower(fields: Fields) -> Fields:
    return [(name.lower(), value) for name, value in fields]


def their_decoder() -> hpack.Decoder:
    return hpack.Decoder(max_header_list_size=LIMITS[0])


def their_fields(decoder: hpack.Decoder, block: bytes) -> Fields | None:
    """None when the package calls the block broken."""
    try:
        return [(name, value) for name, value in decoder.decode(block, raw=True)]
    except hpack.HPACKError:
        return None


# What we encode.


@pytest.mark.parametrize("seed", range(8))
def test_the_package_reads_what_we_encode(seed: int) -> None:
    chance, ours, theirs = Random(seed), Hpack(), their_decoder()
    for _ in range(300):
        for _ in range(chance.choice((0, 0, 0, 1, 2, 3))):
            size = chance.choice((0, 31, 32, 64, 100, 1000, 4095, 4096, 8192))
            ours.resize(size)
            theirs.max_allowed_table_size = size
        fields = random_fields(chance)
        assert their_fields(theirs, ours.encode(fields)) == lower(fields)


steps = st.one_of(
    st.integers(0, 5000), st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=80)), max_size=8)
)


@given(st.lists(steps, max_size=12))
def test_the_package_reads_whatever_we_encode(plan: list[int | Fields]) -> None:
    """A number is the peer's next table size."""
    ours, theirs = Hpack(), their_decoder()
    for step in plan:
        if isinstance(step, int):
            ours.resize(step)
            theirs.max_allowed_table_size = step
        else:
            assert their_fields(theirs, ours.encode(step)) == lower(step)


# What the package encodes.


@pytest.mark.parametrize("seed", range(4))
def test_we_read_what_the_package_encodes(seed: int) -> None:
    chance, ours, theirs = Random(seed), Hpack(), hpack.Encoder()
    for _ in range(150):
        if chance.random() < 0.2:
            _resize(theirs, chance.choice((0, 31, 32, 64, 100, 1000, 4095, 4096)))
        fields = random_fields(chance)
        marked = [(name, value, chance.random() < 0.2) for name, value in fields]
        block = theirs.encode(marked, huffman=chance.random() < 0.7)
        assert ours.decode(block, *LIMITS) == (HpackOutcome.DECODED, fields)
        assert ours.table_size == _size(theirs.header_table)


@given(st.lists(steps, max_size=12))
def test_we_read_whatever_the_package_encodes(plan: list[int | Fields]) -> None:
    ours, theirs = Hpack(), hpack.Encoder()
    for step in plan:
        if isinstance(step, int):
            _resize(theirs, min(step, 4096))
        else:
            assert ours.decode(theirs.encode(step), *LIMITS) == (HpackOutcome.DECODED, step)
            assert ours.table_size == _size(theirs.header_table)


def _resize(encoder: hpack.Encoder, size: int) -> None:
    """The package forgets an update when the same size is set again behind it."""
    if size != encoder.header_table_size:
        encoder.header_table_size = size


def _size(table: HeaderTable) -> int:
    return sum(len(name) + len(value) + 32 for name, value in table.dynamic_entries)


# The same verdicts.


def compare_blocks(blocks: list[bytes]) -> None:
    """Both read one block behind the other, up to the first that is broken for both."""
    ours, theirs = Hpack(), their_decoder()
    for block in blocks:
        outcome, fields = ours.decode(block, *LIMITS)
        expected = their_fields(theirs, block)
        if outcome == HpackOutcome.HPACK_BROKEN:
            assert expected is None or LONG_INTEGER.search(block), block.hex()
            return
        assert fields == expected, block.hex()
        assert ours.table_size == _size(theirs.header_table)


def sound_blocks(chance: Random) -> list[bytes]:
    encoder = hpack.Encoder()
    blocks = []
    for _ in range(4):
        if chance.random() < 0.3:
            _resize(encoder, chance.choice((0, 64, 1000, 4096)))
        blocks.append(encoder.encode(random_fields(chance)[:5], huffman=chance.random() < 0.7))
    return blocks


BLOCK_MORSELS = (
    b"\x80", b"\x82", b"\xbe", b"\xbf", b"\xff\x00", b"\xff\x80\x00", b"\x40", b"\x00", b"\x10", b"\x7f\x00",
    b"\x0f\x00", b"\x1f\x00", b"\x20", b"\x3f\x01", b"\x3f\xe1\x1f", b"\x3f\xe2\x1f", b"\x81\xff",
    b"\x82\x1f\xff", b"\x84\xff\xff\xff\xff", b"\x7f\x80\x80\x80\x80\x00", b"\x01a", b"\x81\x1f",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_both_refuse_the_same_blocks(seed: int) -> None:
    chance = Random(seed)
    for _ in range(100):
        blocks = sound_blocks(chance)
        at = chance.randrange(len(blocks))
        blocks[at] = mutate(blocks[at], blocks, BLOCK_MORSELS, chance, 4096)
        compare_blocks(blocks)


@given(st.binary(max_size=60))
def test_both_refuse_the_same_bytes(block: bytes) -> None:
    compare_blocks([b"\x40\x01a\x01b\x40\x01c\x01d", block])


# Tables.


def test_the_static_table_is_the_same() -> None:
    assert STATIC == HeaderTable.STATIC_TABLE
    ours = Hpack()
    for index, field in enumerate(STATIC, 1):
        assert ours.decode(bytes([0x80 | index])) == (HpackOutcome.DECODED, [field])
