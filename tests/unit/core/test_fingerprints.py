"""JA3 and JA4: values that their authors published, and what each leaves out."""

from __future__ import annotations

import pytest

from headgate.core.client_hello import ClientHello, HelloOutcome
from headgate.core.fingerprints import ja3, ja3_text, ja4
from support.hellos import (
    ALGORITHMS,
    ALPN,
    FORMATS,
    GROUPS,
    SERVER_NAME,
    VERSIONS,
    alpn,
    extension,
    hello,
    numbers,
    openssl_hello,
    server_name,
    sized,
)

GREASE = [number << 8 | number for number in range(0x0A, 0x100, 0x10)]

# Of the example in the description of JA4.
CHROME_CIPHERS = [
    0x1301,
    0x1302,
    0x1303,
    0xC02B,
    0xC02F,
    0xC02C,
    0xC030,
    0xCCA9,
    0xCCA8,
    0xC013,
    0xC014,
    0x009C,
    0x009D,
    0x002F,
    0x0035,
]
CHROME_EXTENSIONS = [
    0x001B,
    0x0000,
    0x0033,
    0x0010,
    0x4469,
    0x0017,
    0x002D,
    0x000D,
    0x0005,
    0x0023,
    0x0012,
    0x002B,
    0xFF01,
    0x000B,
    0x000A,
    0x0015,
]
CHROME_ALGORITHMS = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]
CHROME_CONTENT = {
    SERVER_NAME: server_name(b"a.example"),
    ALPN: alpn(b"h2", b"http/1.1"),
    ALGORITHMS: extension(ALGORITHMS, sized(numbers(CHROME_ALGORITHMS))),
    VERSIONS: extension(VERSIONS, sized(numbers([0x0304, 0x0303]), 1)),
    GROUPS: extension(GROUPS, sized(numbers([29, 23, 24]))),
    FORMATS: extension(FORMATS, sized(b"\0", 1)),
}


def body(data: bytes) -> bytes:
    found = ClientHello()
    assert found.receive(data) == HelloOutcome.HELLO_READ
    return found.body


def chrome(kinds: list[int], ciphers: list[int]) -> bytes:
    return body(hello([CHROME_CONTENT.get(kind, extension(kind)) for kind in kinds], ciphers))


def test_the_published_example_of_ja4() -> None:
    assert ja4(chrome(CHROME_EXTENSIONS, CHROME_CIPHERS)) == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_ja4_is_the_same_in_every_order() -> None:
    assert (
        ja4(chrome(CHROME_EXTENSIONS[::-1], CHROME_CIPHERS[::-1])) == "t13d1516h2_8daaf6152771_e5627efa2ab1"
    )


def test_grease_counts_nowhere() -> None:
    greased = [GREASE[0], *CHROME_EXTENSIONS, GREASE[5]]
    assert ja4(chrome(greased, [GREASE[3], *CHROME_CIPHERS])) == "t13d1516h2_8daaf6152771_e5627efa2ab1"
    plain = chrome(CHROME_EXTENSIONS, CHROME_CIPHERS)
    assert ja3_text(chrome(greased, [GREASE[3], *CHROME_CIPHERS])) == ja3_text(plain)


@pytest.mark.parametrize("number", GREASE)
def test_every_grease_value(number: int) -> None:
    versions = extension(VERSIONS, sized(numbers([number, 0x0303]), 1))
    groups = extension(GROUPS, sized(numbers([number, 23])))
    found = body(hello([versions, groups, extension(number)], [number, 0x1301]))
    assert ja3_text(found) == "771,4865,43-10,23,"
    assert ja4(found).startswith("t12i010200_")


def test_what_looks_like_grease_and_is_none() -> None:
    assert ja3_text(body(hello([extension(0x0A1A)], [0x1A0A]))) == f"771,{0x1A0A},{0x0A1A},,"


def test_ja4_without_algorithms_and_without_extensions() -> None:
    kinds = [kind for kind in CHROME_EXTENSIONS if kind != ALGORITHMS]
    assert ja4(chrome(kinds, CHROME_CIPHERS)).startswith("t13d1515h2_8daaf6152771_")
    # As the description has it: the list of extensions alone, without an underscore.
    with_empty = [*CHROME_EXTENSIONS]
    content = [
        extension(kind) if kind == ALGORITHMS else CHROME_CONTENT.get(kind, extension(kind))
        for kind in with_empty
    ]
    assert ja4(body(hello(content, CHROME_CIPHERS))) == "t13d1516h2_8daaf6152771_6d807ffa2a79"
    assert ja4(body(hello(None, []))) == "t12i000000_000000000000_000000000000"
    only = [server_name(b"a"), alpn(b"h2")]
    assert ja4(body(hello(only, [0x1301]))).endswith("_000000000000")


@pytest.mark.parametrize(
    ("protocol", "mark"),
    [
        (b"h2", "h2"),
        (b"http/1.1", "h1"),
        (b"x", "xx"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"\x30\xab", "3b"),
        (b"\x30\x31\xab\xcd", "3d"),
        (b"\x30\xab\xcd\x31", "01"),
    ],
)
def test_the_mark_of_the_protocol(protocol: bytes, mark: str) -> None:
    assert ja4(body(hello([alpn(protocol)])))[8:10] == mark


@pytest.mark.parametrize(
    ("version", "offered", "mark"),
    [
        (0x0303, [], "12"),
        (0x0302, [], "11"),
        (0x0301, [], "10"),
        (0x0300, [], "s3"),
        (0x0303, [0x0303, 0x0304], "13"),
        (0x0303, [0x0302, 0x0301], "11"),
        (0x0399, [], "00"),
    ],
)
def test_the_version(version: int, offered: list[int], mark: str) -> None:
    extensions = [extension(VERSIONS, sized(numbers(offered), 1))] if offered else []
    assert ja4(body(hello(extensions, version=version)))[1:3] == mark


def test_counts_end_at_99() -> None:
    assert ja4(body(hello([], range(0x100, 0x100 + 150))))[4:6] == "99"


def test_published_values_of_ja3() -> None:
    content = [
        server_name(b"a"),
        extension(GROUPS, sized(numbers([23, 24, 25]))),
        extension(FORMATS, sized(b"\0", 1)),
    ]
    found = body(hello(content, [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4], 769))
    assert ja3_text(found) == "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0"
    assert ja3(found) == "ada70206e40642a3e4461f35503241d5"
    bare = body(hello(None, [4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99], 769))
    assert ja3_text(bare) == "769,4-5-10-9-100-98-3-6-19-18-99,,,"
    assert ja3(bare) == "de350869b8c85de67a350c8d186f11e6"


def test_a_hello_of_openssl() -> None:
    found = body(openssl_hello())
    assert ja4(found).startswith("t13d")
    assert ja4(found)[8:10] == "h2"
    assert ja4(body(openssl_hello(None, [])))[3] == "i"
    assert ja4(found) == ja4(body(openssl_hello("b.example")))
