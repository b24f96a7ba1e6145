"""What the HPACK encoder indexes, never indexes, and says of the size of its table."""

from __future__ import annotations

import pytest

from headgate.core.hpack import Hpack, HpackOutcome

NEVER_INDEXED = 0x10


def encoded(name: bytes, value: bytes) -> bytes:
    return Hpack().encode([(name, value)])


def decoded(*blocks: bytes) -> list[list[tuple[bytes, bytes]]]:
    peer = Hpack()
    outcomes = [peer.decode(block) for block in blocks]
    assert {outcome for outcome, _ in outcomes} == {HpackOutcome.DECODED}
    return [fields for _, fields in outcomes]


def test_what_repeats_is_an_index() -> None:
    hpack = Hpack()
    fields = [(b"x-a", b"1"), (b"server", b"nginx/1.22.1"), (b"user-agent", b"curl/8")]
    first = hpack.encode(fields)
    again = hpack.encode(fields)
    assert again == b"\xc0\xbf\xbe"
    assert decoded(first, again) == [fields, fields]


def test_a_name_that_repeats_is_an_index() -> None:
    hpack = Hpack()
    first, second = hpack.encode([(b"x-a", b"1")]), hpack.encode([(b"x-a", b"2")])
    assert first == b"\x40\x03x-a\x011"
    assert second == b"\x7e\x012"
    assert decoded(first, second) == [[(b"x-a", b"1")], [(b"x-a", b"2")]]


def test_a_name_of_the_static_table_is_an_index() -> None:
    assert encoded(b"server", b"a") == b"\x76\x01a"
    assert encoded(b"www-authenticate", b"a") == b"\x7d\x01a"


@pytest.mark.parametrize("name", [b"X-Some-Name", b"x-SOME-name", b"Content-Type", b"SET-COOKIE", b"ETag"])
def test_names_are_sent_in_lower_case(name: bytes) -> None:
    """RFC 9113 section 8.2."""
    assert encoded(name, b"Value") == encoded(name.lower(), b"Value")
    assert decoded(encoded(name, b"Value")) == [[(name.lower(), b"Value")]]


def test_only_letters_have_a_lower_case() -> None:
    name = bytes(octet for octet in range(33, 127) if octet != 58)
    assert decoded(encoded(name, b"")) == [[(name.lower(), b"")]]


@pytest.mark.parametrize("size", [1, 126, 127, 128, 255, 256, 257, 1000])
def test_a_name_of_any_size(size: int) -> None:
    hpack = Hpack()
    field = (b"N" * size, b"value")
    blocks = [hpack.encode([field]) for _ in range(3)]
    assert decoded(*blocks) == [[(b"n" * size, b"value")]] * 3


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 254, 255, 2000, 5000, 60000])
def test_a_value_of_any_size(size: int) -> None:
    hpack = Hpack()
    field = (b"x-a", b"v" * size)
    blocks = [hpack.encode([field]) for _ in range(3)]
    assert decoded(*blocks) == [[field]] * 3


SECRETS = (
    (b"authorization", b"Basic YTpi"),
    (b"Authorization", b"Bearer " + b"x" * 100),
    (b"proxy-authorization", b"Basic YTpi"),
    (b"set-cookie", b"id=1"),
    (b"set-cookie", b"id=" + b"1" * 100),
    (b"cookie", b"id=1234"),
)


@pytest.mark.parametrize(("name", "value"), SECRETS)
def test_secrets_are_never_indexed(name: bytes, value: bytes) -> None:
    """RFC 7541 section 7.1.3: whoever can add fields must not learn others by the size of a block."""
    hpack = Hpack()
    first, again = hpack.encode([(name, value)]), hpack.encode([(name, value)])
    assert first == again
    assert first[0] & 0xF0 == NEVER_INDEXED
    assert decoded(first, again) == [[(name.lower(), value)]] * 2


def test_a_long_cookie_is_indexed() -> None:
    hpack = Hpack()
    cookie = (b"cookie", b"session=0123456789abcdef")
    assert hpack.encode([cookie])[0] & 0xC0 == 0x40
    assert hpack.encode([cookie]) == b"\xbe"


CHANGING = (
    b"content-length", b"date", b"etag", b"last-modified", b"age", b"expires", b"location", b"x-request-id",
    b"traceparent", b"content-range", b"range", b"if-none-match", b"if-modified-since", b"referer",
    b"x-forwarded-for", b"x-real-ip", b"forwarded", b"x-forwarded-client-cert", b"X-Forwarded-For", b"ETag",
    b"grpc-timeout", b"x-amzn-trace-id",
)  # fmt: skip


@pytest.mark.parametrize("name", CHANGING)
def test_what_changes_each_time_is_not_indexed(name: bytes) -> None:
    hpack = Hpack()
    first, again = hpack.encode([(name, b"1")]), hpack.encode([(name, b"1")])
    assert first == again
    assert first[0] & 0xF0 == 0


def test_what_would_push_out_half_of_the_table_is_not_indexed() -> None:
    hpack = Hpack()
    hpack.encode([(b"x-a", b"1")])
    large = (b"x-large", b"v" * 2100)
    assert hpack.encode([large]) == hpack.encode([large])
    assert hpack.encode([(b"x-a", b"1")]) == b"\xbe"


# Whole fields of the static table.

WHOLE = [
    (b":method", b"GET", 2), (b":method", b"POST", 3), (b":path", b"/", 4), (b":path", b"/index.html", 5),
    (b":scheme", b"http", 6), (b":scheme", b"https", 7), (b":status", b"200", 8), (b":status", b"500", 14),
    (b"accept-encoding", b"gzip, deflate", 16), (b"accept-language", b"", 17), (b"www-authenticate", b"", 61),
    (b"etag", b"", 34),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "index"), WHOLE)
def test_a_field_of_the_static_table_is_its_index(name: bytes, value: bytes, index: int) -> None:
    hpack = Hpack()
    assert hpack.encode([(name, value)] * 2) == bytes([0x80 | index]) * 2
    assert hpack.encode([(b"x-a", b"1")] * 2)[-1] == 0xBE, "it took no place in the other table"


@pytest.mark.parametrize("value", [b"gzip, deflatE", b"gzip, deflat", b"gzip, deflate, br", b""])
def test_another_value_is_not(value: bytes) -> None:
    assert encoded(b"accept-encoding", value) == bytes([0x50, len(value)]) + value
    assert decoded(encoded(b"accept-encoding", value)) == [[(b"accept-encoding", value)]]


@pytest.mark.parametrize("name", [b"authorization", b"cookie", b"set-cookie", b"proxy-authorization"])
def test_an_empty_secret_is_never_indexed(name: bytes) -> None:
    assert encoded(name, b"")[0] & 0xF0 == NEVER_INDEXED


# What finds its index again.


def test_two_lines_never_take_each_others_place() -> None:
    first = (b"x-first", b"1")
    for number in range(2000):
        hpack = Hpack()
        fields = [first, (b"x-second", b"%d" % number)]
        hpack.encode(fields)
        assert hpack.encode(fields) == b"\xbf\xbe"


def test_many_lines_come_to_rest() -> None:
    hpack, fields = Hpack(), [(b"x-%d" % number, b"1") for number in range(60)]
    for _ in range(10):
        hpack.encode(fields)
    assert len(hpack.encode(fields)) == len(fields)


# The size of the table (section 4.2).


def test_a_size_goes_out_with_the_next_block_and_once() -> None:
    hpack = Hpack()
    hpack.resize(100)
    assert hpack.encode([]) == b"\x3f\x45"
    assert hpack.encode([]) == b""


def test_the_smallest_size_goes_out_before_the_last() -> None:
    hpack = Hpack()
    for size in (1000, 0, 50, 4096):
        hpack.resize(size)
    assert hpack.encode([]) == b"\x20\x3f\xe1\x1f"


def test_sizes_that_only_fall_are_one_update() -> None:
    hpack = Hpack()
    for size in (1000, 100):
        hpack.resize(size)
    assert hpack.encode([]) == b"\x3f\x45"


def test_the_smallest_size_is_that_since_the_last_block() -> None:
    hpack = Hpack()
    hpack.resize(0)
    assert hpack.encode([]) == b"\x20"
    hpack.resize(100)
    assert hpack.encode([]) == b"\x3f\x45"


def test_a_larger_table_than_ours_changes_nothing() -> None:
    hpack = Hpack()
    hpack.resize(1 << 20)
    assert hpack.encode([]) == b""


def test_a_table_that_shrank_and_grew_forgot_its_fields() -> None:
    hpack = Hpack()
    field = (b"x-a", b"1")
    blocks = [hpack.encode([field])]
    hpack.resize(0)
    hpack.resize(4096)
    blocks.append(hpack.encode([field]))
    assert blocks[1] == b"\x20\x3f\xe1\x1f\x40\x03x-a\x011"
    assert decoded(*blocks) == [[field], [field]]


def test_without_a_table_nothing_is_an_index() -> None:
    hpack = Hpack()
    hpack.resize(0)
    hpack.encode([])
    field = (b"x-a", b"1")
    assert hpack.encode([field]) == hpack.encode([field])


@pytest.mark.parametrize("table_bytes", [0, 64, 100, 1000, 4096])
def test_both_tables_stay_the_same(table_bytes: int) -> None:
    hpack, peer = Hpack(), Hpack()
    hpack.resize(table_bytes)
    for number in range(2000):
        fields = [(b"x-%d" % (number * step % 61), b"v" * (number * step % 83)) for step in (1, 3, 7)]
        assert peer.decode(hpack.encode(fields)) == (HpackOutcome.DECODED, fields)
        assert peer.table_size <= table_bytes


def test_a_smaller_table_than_peers_begin_with_is_said() -> None:
    hpack = Hpack(100)
    assert hpack.encode([]) == b"\x3f\x45"
    assert hpack.encode([]) == b""


def test_a_larger_table_waits_for_the_peer() -> None:
    hpack = Hpack(8192)
    assert hpack.encode([]) == b""
    hpack.resize(8192)
    assert hpack.encode([]) == b"\x3f\xe1\x3f"
