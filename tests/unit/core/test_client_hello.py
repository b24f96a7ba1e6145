"""What is read of a ClientHello before TLS begins."""

from __future__ import annotations

from random import Random

import pytest

from headgate.core.client_hello import ClientHello, HelloOutcome
from support.hellos import alpn, extension, hello, message, openssl_hello, records, server_name, sized

INCOMPLETE, READ = HelloOutcome.HELLO_INCOMPLETE, HelloOutcome.HELLO_READ
NOT_TLS, BROKEN = HelloOutcome.HELLO_NOT_TLS, HelloOutcome.HELLO_BROKEN


def seen(data: bytes, most_bytes: int = 16384) -> tuple[int, str | None, list[bytes]]:
    found = ClientHello()
    outcome = found.receive(data, most_bytes)
    return outcome, found.server_name, found.protocols


@pytest.mark.parametrize(
    ("name", "protocols"),
    [
        ("a.example", ["h2", "http/1.1"]),
        ("A.Example", ["http/1.1"]),
        ("xn--bcher-kva.example", []),
        (None, ["acme-tls/1"]),
        (None, []),
    ],
)
def test_hellos_of_openssl(name: str | None, protocols: list[str]) -> None:
    outcome, found, offered = seen(openssl_hello(name, protocols))
    assert outcome == READ
    assert found == (name.lower() if name else None)
    assert offered == [protocol.encode() for protocol in protocols]


def test_every_split_gives_the_same() -> None:
    data = openssl_hello()
    for end in range(len(data)):
        assert ClientHello().receive(data[:end]) == INCOMPLETE
    assert seen(data)[0] == READ
    assert seen(data + b"what follows")[1] == "a.example"


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 63, 100, 16384])
def test_a_hello_over_many_records(size: int) -> None:
    whole = message([server_name(b"a.example"), alpn(b"h2"), extension(21, bytes(300))])
    data = records(whole, size)
    for end in range(0, len(data), 7):
        assert ClientHello().receive(data[:end]) == INCOMPLETE
    found = ClientHello()
    assert found.receive(data) == READ
    assert (found.server_name, found.protocols, found.body) == ("a.example", [b"h2"], whole[4:])


def test_without_extensions() -> None:
    assert seen(hello(None)) == (READ, None, [])
    assert seen(hello([])) == (READ, None, [])


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\n", b"P", b"PRI * HTTP/2.0\r\n", b"\x80\x2e\x01\x03\x01", b"SSH-2.0-x", b"\0" * 20],
)
def test_what_is_no_tls(data: bytes) -> None:
    assert ClientHello().receive(data) == NOT_TLS


def test_another_version_of_records_is_no_tls() -> None:
    assert ClientHello().receive(b"\x16\x02") == NOT_TLS
    assert ClientHello().receive(b"\x16") == INCOMPLETE
    assert ClientHello().receive(b"") == INCOMPLETE


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (b"a.example", "a.example"),
        (b"A.EXAMPLE", "a.example"),
        (b"a.example.", "a.example"),
        (b"under_score.example", "under_score.example"),
        (b"127.0.0.1", "127.0.0.1"),
        (b"::1", "::1"),
        (b"a" * 253, "a" * 253),
        (b"a" * 253 + b".", "a" * 253),
    ],
)
def test_names(name: bytes, found: str) -> None:
    assert seen(hello([server_name(name)])) == (READ, found, [])


@pytest.mark.parametrize(
    "name", [b"", b"a b", b"a\0", b"a/b", b'a"b', b"a\r\nb", b"\xc3\xbc", b"a,b", b"[::1]", b"a" * 254]
)
def test_what_is_no_name(name: bytes) -> None:
    assert seen(hello([server_name(name)]))[0] == BROKEN


BAD_EXTENSIONS = {
    "a name's list is too long": extension(0, b"\0\x0a" + b"\0" + sized(b"abc")),
    "a name is too long": extension(0, sized(b"\0\0\x09abc")),
    "two names": extension(0, sized(b"\0" + sized(b"a") + b"\0" + sized(b"b"))),
    "a name of another kind": extension(0, sized(b"\1" + sized(b"abc"))),
    "no name": extension(0),
    "two extensions of names": server_name(b"a") + server_name(b"b"),
    "no protocols": extension(16),
    "an empty list of protocols": extension(16, b"\0\0"),
    "an empty protocol": alpn(b"h2", b""),
    "a protocol is too long": extension(16, sized(b"\x09h2")),
    "a list of protocols is too long": extension(16, b"\0\x09" + sized(b"h2", 1)),
    "two lists of protocols": alpn(b"h2") + alpn(b"http/1.1"),
    "an extension is too long": b"\0\x15\0\x09abc",
    "half an extension": b"\0\x15\0",
}


@pytest.mark.parametrize("bad", BAD_EXTENSIONS.values(), ids=list(BAD_EXTENSIONS))
def test_broken_extensions(bad: bytes) -> None:
    assert seen(hello([bad]))[0] == BROKEN
    assert seen(hello([extension(21), bad, extension(23)]))[0] == BROKEN


BAD_RECORDS = {
    "an empty record": b"\x16\3\1\0\0",
    "a record that is too long": b"\x16\3\1\x40\x01",
    "an empty record between": records(message()[:20]) + b"\x16\3\1\0\0",
    "another message": records(b"\2" + sized(bytes(40), 3)),
    "an alert behind the first part": records(message()[:20]) + b"\x15\3\1\0\2\2\x28",
    "another version behind the first part": records(message()[:20]) + b"\x16\2\1\0\2\2\x28",
    "a message over the limit": records(b"\1\0\x40\0" + bytes(100)),
    "a message far over the limit": records(b"\1\xff\xff\xff"),
    "nothing but its head": records(b"\1\0\0\0"),
    "only half of its random": records(b"\1" + sized(bytes(20), 3)),
    "an end within the session": records(b"\1" + sized(bytes(34) + b"\x20" + bytes(8), 3)),
    "an end within the ciphers": records(b"\1" + sized(bytes(35) + b"\0\x09ab", 3)),
    "an end before the compressions": records(b"\1" + sized(bytes(35) + b"\0\2ab", 3)),
    "an end within the compressions": records(b"\1" + sized(bytes(35) + b"\0\2ab\4", 3)),
    "one byte behind the compressions": records(b"\1" + sized(bytes(35) + b"\0\2ab\1\0\0", 3)),
    "more than the extensions": records(b"\1" + sized(bytes(35) + b"\0\2ab\1\0\0\0\0", 3)),
}


@pytest.mark.parametrize("data", BAD_RECORDS.values(), ids=list(BAD_RECORDS))
def test_broken_records(data: bytes) -> None:
    assert seen(data)[0] == BROKEN


def test_the_limit_counts_the_message_and_bounds_its_records() -> None:
    whole = message([extension(21, bytes(400))])
    assert ClientHello().receive(records(whole), len(whole)) == READ
    assert ClientHello().receive(records(whole), len(whole) - 1) == BROKEN
    drops = records(message([extension(21, bytes(1000))]), 1)
    assert ClientHello().receive(drops[:600], 2000) == INCOMPLETE
    assert ClientHello().receive(drops[:4500], 2000) == BROKEN


def test_a_hello_can_be_read_again() -> None:
    found = ClientHello()
    assert found.receive(openssl_hello("a.example")) == READ
    assert found.receive(openssl_hello(None, [])) == READ
    assert (found.server_name, found.protocols) == (None, [])


def test_changed_hellos_break_nothing() -> None:
    """Bits flipped and pieces cut out, two thousand times, at every split the same."""
    random = Random(3)
    seeds = [openssl_hello(), hello([server_name(b"a.example"), alpn(b"h2", b"http/1.1")])]
    for _ in range(2000):
        data = bytearray(random.choice(seeds))
        for _ in range(random.randrange(1, 5)):
            data[random.randrange(len(data))] = random.randrange(256)
        cut = random.randrange(len(data))
        del data[cut : cut + random.randrange(3)]
        whole = seen(bytes(data))
        early = [ClientHello().receive(bytes(data[:end])) for end in range(0, len(data), 50)]
        settled = [outcome for outcome in early if outcome != INCOMPLETE]
        assert all(outcome == whole[0] for outcome in settled)
