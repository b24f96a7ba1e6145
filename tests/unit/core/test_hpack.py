"""HPACK, reading side: the examples of RFC 7541, and each fault with its rule."""

from __future__ import annotations

import pytest

from headgate.core.hpack import Hpack, HpackOutcome

Fields = list[tuple[bytes, bytes]]

DECODED, BROKEN, TOO_LARGE = HpackOutcome.DECODED, HpackOutcome.HPACK_BROKEN, HpackOutcome.HPACK_TOO_LARGE


def fields(text: str) -> Fields:
    """A field a line, the name up to the first colon behind its first letter."""
    lines = [line.strip() for line in text.strip().splitlines()]
    split = [(line[:1] + line[1:].split(": ", 1)[0], line.split(": ", 1)[1]) for line in lines]
    return [(name.encode(), value.encode()) for name, value in split]


# Appendix C.2: single fields, each with the size of the table behind it.

SINGLE = {
    "C.2.1": (
        "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
        "custom-key: custom-header",
        55,
    ),
    "C.2.2": ("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path", 0),
    "C.2.3": ("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret", 0),
    "C.2.4": ("82", ":method: GET", 0),
}


@pytest.mark.parametrize("section", SINGLE)
def test_a_field_of_appendix_c(section: str) -> None:
    block, field, table_bytes = SINGLE[section]
    hpack = Hpack()
    assert hpack.decode(bytes.fromhex(block)) == (DECODED, fields(field))
    assert hpack.table_size == table_bytes


# Appendix C.3 to C.6: three heads of one connection, without and with Huffman coding.

REQUESTS = (
    """
    :method: GET
    :scheme: http
    :path: /
    :authority: www.example.com
    """,
    """
    :method: GET
    :scheme: http
    :path: /
    :authority: www.example.com
    cache-control: no-cache
    """,
    """
    :method: GET
    :scheme: https
    :path: /index.html
    :authority: www.example.com
    custom-key: custom-value
    """,
)
RESPONSES = (
    """
    :status: 302
    cache-control: private
    date: Mon, 21 Oct 2013 20:13:21 GMT
    location: https://www.example.com
    """,
    """
    :status: 307
    cache-control: private
    date: Mon, 21 Oct 2013 20:13:21 GMT
    location: https://www.example.com
    """,
    """
    :status: 200
    cache-control: private
    date: Mon, 21 Oct 2013 20:13:22 GMT
    location: https://www.example.com
    content-encoding: gzip
    set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1
    """,
)
C3 = (
    "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "8286 84be 5808 6e6f 2d63 6163 6865",
    "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
)
C4 = (
    "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
    "8286 84be 5886 a8eb 1064 9cbf",
    "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
)
C5 = (
    (
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32"
        "3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d"
    ),
    "4803 3330 37c1 c0bf",
    (
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970"
        "7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61"
        "6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31"
    ),
)
C6 = (
    (
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad"
        "1718 63c7 8f0b 97c8 e9ae 82ae 43d3"
    ),
    "4883 640e ffc1 c0bf",
    (
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2"
        "e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07"
    ),
)
SEQUENCES = {
    "C.3": (4096, C3, REQUESTS, (57, 110, 164)),
    "C.4": (4096, C4, REQUESTS, (57, 110, 164)),
    "C.5": (256, C5, RESPONSES, (222, 222, 215)),
    "C.6": (256, C6, RESPONSES, (222, 222, 215)),
}


@pytest.mark.parametrize("section", SEQUENCES)
def test_a_sequence_of_appendix_c(section: str) -> None:
    table_bytes, blocks, heads, sizes = SEQUENCES[section]
    hpack = Hpack(table_bytes)
    for block, head, size in zip(blocks, heads, sizes, strict=True):
        assert hpack.decode(bytes.fromhex(block)) == (DECODED, fields(head))
        assert hpack.table_size == size


def test_integers_of_appendix_c() -> None:
    hpack = Hpack()
    # C.1.2: 1337 with a prefix of five bits; C.1.1: 10.
    assert hpack.decode(bytes.fromhex("3f9a0a")) == (DECODED, [])
    assert hpack.decode(bytes.fromhex("2a")) == (DECODED, [])
    assert Hpack(1336).decode(bytes.fromhex("3f9a0a"))[0] == BROKEN


# What is broken, and the rule that says so.

BROKEN_BLOCKS = {
    "6.1 index 0": b"\x80",
    "2.3.3 index behind both tables": b"\xbe",
    "2.3.3 index behind both tables, of two bytes": b"\xff\x00",
    "2.3.3 name index behind both tables, indexed": b"\x7e\x01a",
    "2.3.3 name index behind both tables, not indexed": b"\x0f\x2f\x01a",
    "2.3.3 name index behind both tables, never indexed": b"\x1f\x2f\x01a",
    "5.1 an index without its end": b"\xff",
    "5.1 an index without its end, of two bytes": b"\xff\x80",
    "5.1 an index that overflows 32 bits": b"\xff\xff\xff\xff\xff\x0f",
    "5.1 an index that overflows 64 bits": b"\xff" + b"\xff" * 9 + b"\x01",
    "5.1 zeros without end": b"\xff" + b"\x80" * 10 + b"\x00",
    "5.1 a length that overflows": b"\x00\x7f\xff\xff\xff\xff\x7f" + b"a" * 200,
    "5.2 no name": b"\x00",
    "5.2 a name longer than the block": b"\x00\x05ab",
    "5.2 no value": b"\x00\x01a",
    "5.2 no value, behind a name index": b"\x41",
    "5.2 a value longer than the block": b"\x00\x01a\x02b",
    "5.2 a length without its end": b"\x00\x01a\x7f",
    "5.2 padding of more than seven bits": b"\x00\x01a\x82\x1f\xff",
    "5.2 padding only, of eight bits": b"\x00\x01a\x81\xff",
    "5.2 padding that is not of ones": b"\x00\x01a\x81\x18",
    "5.2 a code without its end": b"\x00\x01a\x81\xfe",
    "5.2 EOS": b"\x00\x01a\x84\xff\xff\xff\xff",
    "5.2 EOS behind a symbol": b"\x00\x01a\x85\x1f\xff\xff\xff\xff",
    "5.2 a name with broken coding": b"\x00\x81\x18\x01b",
    "4.2 a size over what was announced": b"\x3f\xe2\x1f",
    "4.2 a size behind a field": b"\x82\x20",
    "4.2 a size behind a literal": b"\x00\x01a\x01b\x20\x82",
    "5.1 a size without its end": b"\x3f",
}


@pytest.mark.parametrize("rule", BROKEN_BLOCKS)
def test_what_is_broken(rule: str) -> None:
    assert Hpack().decode(BROKEN_BLOCKS[rule])[0] == BROKEN


SOUND_BLOCKS: dict[str, tuple[bytes, Fields]] = {
    "nothing": (b"", []),
    "an empty name and value": (b"\x00\x00\x00", [(b"", b"")]),
    "empty strings with Huffman coding": (b"\x00\x80\x80", [(b"", b"")]),
    "a size as announced": (b"\x3f\xe1\x1f", []),
    "two sizes": (b"\x20\x3f\xe1\x1f\x82", [(b":method", b"GET")]),
    "the last index of the static table": (b"\xbd", [(b"www-authenticate", b"")]),
    "padding of seven bits": (b"\x00\x01a\x83\x00\x2e\x7f", [(b"a", b"00:")]),
    "zeros that say nothing": (b"\x1f\x80\x00\x01b", [(b"accept-charset", b"b")]),
}


@pytest.mark.parametrize("case", SOUND_BLOCKS)
def test_what_is_not_broken(case: str) -> None:
    block, decoded = SOUND_BLOCKS[case]
    assert Hpack().decode(block) == (DECODED, decoded)


# The dynamic table.


def literal(name: bytes, value: bytes, *, first: int = 0x40) -> bytes:
    """A field with plain strings, of less than 127 bytes each."""
    return bytes([first, len(name)]) + name + bytes([len(value)]) + value


def test_a_field_counts_32_bytes_more() -> None:
    hpack = Hpack(70)
    hpack.decode(literal(b"a", b"1") + literal(b"b", b"2"))
    assert hpack.table_size == 68
    hpack.decode(literal(b"c", b"345"))
    assert hpack.table_size == 70
    assert hpack.decode(b"\xbe\xbf") == (DECODED, [(b"c", b"345"), (b"b", b"2")])
    assert hpack.decode(b"\xc0")[0] == BROKEN


def test_a_field_larger_than_the_table_empties_it() -> None:
    hpack = Hpack(64)
    hpack.decode(literal(b"a", b"b"))
    assert hpack.decode(literal(b"c", b"d" * 32)) == (DECODED, [(b"c", b"d" * 32)])
    assert hpack.table_size == 0


def test_a_name_may_be_of_the_field_that_goes_out() -> None:
    """Section 4.4."""
    hpack = Hpack(64)
    hpack.decode(literal(b"name", b"a" * 20))
    assert hpack.decode(b"\x7e\x14" + b"b" * 20) == (DECODED, [(b"name", b"b" * 20)])
    assert hpack.decode(b"\xbe") == (DECODED, [(b"name", b"b" * 20)])


def test_a_smaller_size_forgets_the_oldest() -> None:
    hpack = Hpack()
    hpack.decode(literal(b"a", b"1") + literal(b"b", b"2"))
    assert hpack.decode(b"\x3f\x09\xbe") == (DECODED, [(b"b", b"2")])  # 40 bytes
    assert hpack.table_size == 34
    assert hpack.decode(b"\x20\x3f\xe1\x1f\xbe")[0] == BROKEN


def test_the_table_holds_through_many_rounds() -> None:
    hpack = Hpack()
    kept: Fields = []
    for number in range(3000):
        field = (b"x%d" % number, b"v" * (number % 97))
        kept.insert(0, field)
        hpack.decode(literal(*field))
        while sum(len(name) + len(value) + 32 for name, value in kept) > 4096:
            kept.pop()
        last = bytes([0x80 | (61 + len(kept))])
        assert hpack.decode(b"\xbe" + last) == (DECODED, [kept[0], kept[-1]])
    assert hpack.table_size == sum(len(name) + len(value) + 32 for name, value in kept)


# Limits: the table stays right, the head gets only a part.


def test_the_list_counts_32_bytes_a_field() -> None:
    """RFC 9113 section 6.5.2."""
    block = literal(b"a", b"1") + literal(b"b", b"2")
    assert Hpack().decode(block, 68)[0] == DECODED
    assert Hpack().decode(block, 67) == (TOO_LARGE, [(b"a", b"1")])


def test_fields_are_counted() -> None:
    assert Hpack().decode(b"\x82" * 5, most_fields=5)[0] == DECODED
    assert Hpack().decode(b"\x82" * 6, most_fields=5) == (TOO_LARGE, [(b":method", b"GET")] * 5)


def test_a_list_that_is_too_large_keeps_the_table_right() -> None:
    hpack = Hpack()
    block = literal(b"a", b"1" * 100) + literal(b"b", b"2") + b"\xbe" + literal(b"c", b"3")
    outcome, kept = hpack.decode(block, 100)
    assert (outcome, kept) == (TOO_LARGE, [])
    assert hpack.decode(b"\xbe\xbf\xc0") == (DECODED, [(b"c", b"3"), (b"b", b"2"), (b"a", b"1" * 100)])


def test_nothing_more_is_kept_behind_the_limit() -> None:
    """Not even a field that would fit again."""
    assert Hpack().decode(literal(b"a", b"1" * 100) + b"\x82", 100) == (TOO_LARGE, [])


BROKEN_BEHIND = [
    b"\xbe", b"\x0f\x2f\x01a", b"\x00\x05ab", b"\x00\x01a", b"\x00\x01a\x02b", b"\x0f\x00\x81\xff",
    b"\x00\x81\x18\x01b", b"\x40\x01a\x81\xff", b"\x10\x01a\x84\xff\xff\xff\xff",
]  # fmt: skip


@pytest.mark.parametrize("block", BROKEN_BEHIND, ids=bytes.hex)
def test_a_block_is_broken_also_behind_the_limit(block: bytes) -> None:
    assert Hpack().decode(b"\x82" * 6 + block, most_fields=5)[0] == BROKEN


@pytest.mark.parametrize("first", [0x00, 0x10, 0x40])
def test_literals_behind_the_limit_are_passed_over(first: int) -> None:
    """Of what is indexed the table is told."""
    hpack = Hpack()
    hpack.decode(literal(b"a", b"1"))
    index = b"\x7e" if first == 0x40 else bytes([first | 0x0F, 0x2F])
    coded = b"\x82\x1c\x7f"
    block = b"\x82" * 6 + literal(b"b", b"2", first=first) + index + b"\x013" + bytes([first]) + coded * 2
    assert hpack.decode(block, most_fields=5) == (TOO_LARGE, [(b":method", b"GET")] * 5)
    latest = (b"ab", b"ab") if first == 0x40 else (b"a", b"1")
    assert hpack.decode(b"\xbe") == (DECODED, [latest])


def test_names_behind_the_limit_are_not_copied() -> None:
    """An index of two bytes names four thousand; a head takes no room for what nobody gets."""
    hpack = Hpack()
    hpack.decode(b"\x40\x7f\xa1\x1e" + b"n" * 4000 + b"\x00")
    assert hpack.decode(b"\x0f\x2f\x00", 5000) == (DECODED, [(b"n" * 4000, b"")])
    long_name = hpack.room
    assert hpack.decode(b"\x82" * 6 + b"\x0f\x2f\x00" * 5000, most_fields=5)[0] == TOO_LARGE
    assert hpack.room < 4000 < long_name


def test_a_bomb_stores_nothing() -> None:
    hpack = Hpack()
    value = b"b" * 4000
    hpack.decode(b"\x40\x01a\x7f\xa1\x1e" + value)
    assert hpack.table_size == 4033
    outcome, kept = hpack.decode(b"\xbe" * 16384, 65536)
    assert outcome == TOO_LARGE
    assert kept == [(b"a", value)] * 16
