from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.addresses import address_bytes
from headgate.core.proxy_protocol import (
    ClientBit,
    Outcome,
    ProxyHeader,
    TlsFacts,
    read_proxy_header,
    write_local,
    write_v1,
    write_v2,
)

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
SOURCE, DESTINATION = address_bytes("192.0.2.1"), address_bytes("198.51.100.2")
SOURCE_6, DESTINATION_6 = address_bytes("2001:db8::1"), address_bytes("2001:db8::2")
IPV4 = bytes([192, 0, 2, 1, 198, 51, 100, 2]) + struct.pack(">HH", 51234, 443)


def v2(family: int, block: bytes, command: int = 0x21) -> bytes:
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(block)) + block


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack(">BH", kind, len(value)) + value


def reference_crc32c(data: bytes) -> int:
    """Bit by bit, as RFC 3720 appendix B.4 checks it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def with_checksum(header: bytes) -> bytes:
    """The header of version 2 with a checksum at its end."""
    size = struct.unpack(">H", header[14:16])[0] + 7
    zeroed = header[:14] + struct.pack(">H", size) + header[16:] + tlv(3, bytes(4))
    return zeroed[:-4] + struct.pack(">I", reference_crc32c(zeroed))


def read(data: bytes) -> ProxyHeader:
    """The outcome with something behind the header, which makes no difference to it."""
    header = read_proxy_header(data)
    if header.outcome == Outcome.COMPLETE:
        assert header.size == len(data)
        assert read_proxy_header(data + b"GET / HTTP/1.1").describe() == header.describe()
    return header


def test_the_reference_is_right() -> None:
    assert reference_crc32c(b"123456789") == 0xE3069283


class TestVersion1:
    def test_ipv4(self) -> None:
        header = read(b"PROXY TCP4 192.0.2.1 198.51.100.2 51234 443\r\n")
        assert header.outcome == Outcome.COMPLETE
        assert header.version == 1
        assert not header.keep
        assert header.source.describe() == (b"192.0.2.1", 51234, b"")
        assert header.source.packed == SOURCE
        assert header.destination.describe() == (b"198.51.100.2", 443, b"")
        assert header.destination.packed == DESTINATION

    def test_ipv6(self) -> None:
        header = read(b"PROXY TCP6 2001:db8::1 2001:DB8:0:0::2 0 65535\r\n")
        assert header.source.describe() == (b"2001:db8::1", 0, b"")
        assert header.destination.describe() == (b"2001:db8::2", 65535, b"")
        assert header.source.packed == SOURCE_6

    def test_ipv4_in_ipv6_is_ipv4(self) -> None:
        header = read(b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n")
        assert header.source.text == b"192.0.2.1"
        assert header.source.packed == SOURCE

    @pytest.mark.parametrize("rest", [b"", b" ffff::1 ::2 1 2", b" \0\xff anything"])
    def test_unknown_keeps_the_addresses_of_the_connection(self, rest: bytes) -> None:
        header = read(b"PROXY UNKNOWN" + rest + b"\r\n")
        assert (header.outcome, header.keep, header.source.has_address) == (Outcome.COMPLETE, True, False)

    def test_the_longest_line(self) -> None:
        longest = b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n"
        assert len(longest) == 107
        assert read(longest).outcome == Outcome.COMPLETE
        assert read_proxy_header(longest[:105]).outcome == Outcome.INCOMPLETE
        assert read_proxy_header(longest[:-2] + b"x\r\n").reason == "the line of version 1 is too long"
        assert read_proxy_header(longest[:-2] + b"x").outcome == Outcome.BROKEN

    @pytest.mark.parametrize(
        "line",
        [
            b"PROXY \r\n",
            b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
            b"PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
            b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
            b"PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4\r\n",
            b"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
            b"PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.256 1 2\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n",
            b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
            b"PROXY TCP6 ::1%lo ::1 1 2\r\n",
            b"PROXY TCP6 [::1] ::1 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 100000\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 \xb2 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rX",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n\r\n",
            b"PROXY UNKNOWNS\r\n",
        ],
    )
    def test_broken(self, line: bytes) -> None:
        header = read_proxy_header(line)
        assert header.outcome == Outcome.BROKEN
        assert header.reason


class TestVersion2:
    def test_ipv4(self) -> None:
        header = read(v2(0x11, IPV4))
        assert (header.outcome, header.version, header.keep) == (Outcome.COMPLETE, 2, False)
        assert header.source.describe() == (b"192.0.2.1", 51234, b"")
        assert header.destination.describe() == (b"198.51.100.2", 443, b"")

    def test_ipv6(self) -> None:
        header = read(v2(0x21, SOURCE_6 + DESTINATION_6 + struct.pack(">HH", 1, 2)))
        assert header.source.describe() == (b"2001:db8::1", 1, b"")
        assert header.destination.packed == DESTINATION_6

    def test_unix(self) -> None:
        paths = b"/run/a.sock".ljust(108, b"\0") + b"x" * 108
        header = read(v2(0x31, paths))
        assert header.outcome == Outcome.COMPLETE
        assert header.source.describe() == (b"", 0, b"/run/a.sock")
        assert header.destination.path == b"x" * 108
        assert header.source.packed == b""

    def test_an_abstract_unix_name(self) -> None:
        assert read(v2(0x31, b"\0name".ljust(216, b"\0"))).source.path == b"\0name"

    @pytest.mark.parametrize("header", [write_local(), v2(0x11, IPV4, 0x20), v2(0xFF, b"\1\xff\xff", 0x20)])
    def test_local_keeps_the_addresses_of_the_connection(self, header: bytes) -> None:
        found = read(header)
        assert (found.outcome, found.keep, found.source.has_address) == (Outcome.COMPLETE, True, False)

    def test_unspecified_keeps_them_too(self) -> None:
        assert read(v2(0, b"whatever")).keep

    def test_facts(self) -> None:
        tls = struct.pack(">BI", 7, 0) + tlv(0x21, b"TLSv1.3") + tlv(0x22, b"client") + tlv(0x23, b"AES")
        tls += tlv(0x24, b"SHA256") + tlv(0x25, b"EC256") + tlv(0x2F, b"unknown")
        facts = tlv(1, b"h2") + tlv(4, b"padding") + tlv(2, b"a.example") + tlv(0xEA, b"own") + tlv(5, b"id")
        facts += tlv(4, b"") + tlv(0x20, tls) + tlv(0x30, b"netns")
        header = read(with_checksum(v2(0x11, IPV4 + facts)))
        assert header.outcome == Outcome.COMPLETE
        assert (header.alpn, header.authority, header.unique_id) == (b"h2", b"a.example", b"id")
        assert header.checked
        assert header.tls is not None
        assert header.tls.describe() == (7, 0, b"TLSv1.3", b"client", b"AES", b"SHA256", b"EC256")

    def test_no_facts(self) -> None:
        header = read(v2(0x12, IPV4))
        assert (header.alpn, header.authority, header.unique_id, header.tls) == (None, None, None, None)
        assert not header.checked

    def test_a_wrong_checksum(self) -> None:
        right = with_checksum(v2(0x11, IPV4))
        for at in range(16, len(right)):
            if at - len(right) not in (-7, -6, -5):  # those are the type and size of the checksum itself
                wrong = right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :]
                assert read_proxy_header(wrong).reason == "the checksum is wrong"

    def test_the_longest(self) -> None:
        padding = 4096 - len(IPV4) - 3
        longest = v2(0x11, IPV4 + tlv(4, bytes(padding)))
        assert len(longest) == 4112
        assert read(longest).outcome == Outcome.COMPLETE
        longer = v2(0x11, IPV4 + tlv(4, bytes(padding + 1)))
        assert read_proxy_header(longer[:16]).reason == "the header of version 2 is too long"

    @pytest.mark.parametrize(
        ("header", "reason"),
        [
            (v2(0x11, IPV4, 0x11), "version or command"),
            (v2(0x11, IPV4, 0x22), "version or command"),
            (v2(0x10, IPV4), "family or transport"),
            (v2(0x01, IPV4), "family or transport"),
            (v2(0x13, IPV4), "family or transport"),
            (v2(0x41, IPV4), "family or transport"),
            (v2(0x11, IPV4[:-1]), "addresses of version 2 are cut short"),
            (v2(0x21, bytes(35)), "addresses of version 2 are cut short"),
            (v2(0x31, bytes(215)), "addresses of version 2 are cut short"),
            (v2(0x11, IPV4 + b"\4"), "TLV is cut short"),
            (v2(0x11, IPV4 + b"\4\0"), "TLV is cut short"),
            (v2(0x11, IPV4 + b"\4\0\1"), "TLV is cut short"),
            (v2(0x11, IPV4 + b"\4\xff\xff" + bytes(99)), "TLV is cut short"),
            (v2(0x11, IPV4 + tlv(3, b"abc")), "checksum"),
            (v2(0x11, IPV4 + 2 * tlv(1, b"h2")), "repeated"),
            (v2(0x11, IPV4 + 2 * tlv(2, b"a")), "repeated"),
            (v2(0x11, IPV4 + 2 * tlv(5, b"a")), "unique ID"),
            (v2(0x11, IPV4 + tlv(5, bytes(129))), "unique ID"),
            (v2(0x11, IPV4 + 2 * tlv(0x20, bytes(5))), "repeated"),
            (v2(0x11, IPV4 + tlv(0x20, bytes(4))), "TLS is cut short"),
            (v2(0x11, IPV4 + tlv(0x20, bytes(5) + b"\x22\0")), "inside that of TLS"),
            (v2(0x11, IPV4 + tlv(0x20, bytes(5) + b"\x22\0\2a")), "inside that of TLS"),
        ],
    )
    def test_broken(self, header: bytes, reason: str) -> None:
        found = read_proxy_header(header)
        assert found.outcome == Outcome.BROKEN
        assert reason in str(found.reason)


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\n", b"P", b"PRI * HTTP/2.0", b"PROXX", b"PROXY\r", b"\r\n\r\n\0\r\nQUIX", b"\x16\3"],
)
def test_something_else(data: bytes) -> None:
    header = read_proxy_header(data)
    assert header.outcome == (Outcome.INCOMPLETE if data == b"P" else Outcome.ABSENT)


SAMPLES = [
    b"PROXY TCP4 192.0.2.1 198.51.100.2 51234 443\r\nGET /",
    b"PROXY TCP4 192.0.2.1 198.51.100.2 51234 x\r\nGET /",
    b"PROXY UNKNOWN " + b"x" * 120,
    b"PROXY",
    b"PROX: x\r\n\r\n",
    with_checksum(v2(0x11, IPV4 + tlv(1, b"h2"))) + b"GET /",
    v2(0x11, IPV4 + tlv(1, b"h2") * 2) + b"GET /",
    v2(0x11, IPV4, 0x31),
    write_local() + b"x",
]


@pytest.mark.parametrize("sample", SAMPLES)
def test_an_outcome_of_a_part_is_that_of_the_whole(sample: bytes) -> None:
    whole = read_proxy_header(sample).describe()
    for size in range(len(sample)):
        part = read_proxy_header(sample[:size])
        assert part.outcome == Outcome.INCOMPLETE or part.describe() == whole


class TestWriting:
    def test_version_1(self) -> None:
        assert write_v1(SOURCE, 1, DESTINATION, 2) == b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n"
        assert write_v1(SOURCE_6, 1, DESTINATION_6, 2) == b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n"

    def test_version_1_of_two_families(self) -> None:
        assert write_v1(SOURCE, 1, DESTINATION_6, 2) == b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n"

    def test_version_1_without_addresses(self) -> None:
        assert write_v1(b"", 0, DESTINATION, 2) == b"PROXY UNKNOWN\r\n"
        assert write_v1(SOURCE, 1, b"", 0) == b"PROXY UNKNOWN\r\n"

    def test_the_longest_line_of_version_1(self) -> None:
        longest = write_v1(b"\xff" * 16, 65535, b"\xfe" * 16, 65535)
        assert read(longest).outcome == Outcome.COMPLETE

    def test_version_2(self) -> None:
        assert write_v2(SOURCE, 51234, DESTINATION, 443) == v2(0x11, IPV4)

    def test_version_2_without_addresses(self) -> None:
        assert write_v2(b"", 0, b"", 0, alpn=b"h2") == v2(0, tlv(1, b"h2"), 0x20)

    def test_version_2_with_facts(self) -> None:
        tls = TlsFacts(
            ClientBit.CLIENT_TLS | ClientBit.CLIENT_CERTIFICATE, 0, version=b"TLSv1.3", common_name=b"me"
        )
        written = write_v2(SOURCE_6, 1, DESTINATION, 2, alpn=b"h2", authority=b"a", unique_id=b"i", tls=tls)
        header = read(written)
        assert (header.alpn, header.authority, header.unique_id) == (b"h2", b"a", b"i")
        assert header.tls is not None
        assert header.tls.describe() == tls.describe()
        assert header.destination.text == b"198.51.100.2"

    def test_the_checksum(self) -> None:
        written = write_v2(SOURCE, 51234, DESTINATION, 443, alpn=b"h2", checksum=True)
        assert written == with_checksum(v2(0x11, IPV4 + tlv(1, b"h2")))

    def test_too_long_facts_are_left_out(self) -> None:
        big = b"x" * 512
        tls = TlsFacts(version=big, common_name=big, cipher=big, signature=big, key=big)
        written = write_v2(
            SOURCE,
            1,
            DESTINATION,
            2,
            alpn=big,
            authority=big + b"x",
            unique_id=bytes(129),
            tls=tls,
            checksum=True,
        )
        assert read(written).authority is None
        assert len(written) == 16 + 12 + 3 + 512 + 3 + 5 + 5 * (3 + 512) + 7


addresses = st.one_of(
    st.just(b""),
    st.binary(min_size=16, max_size=16),
    st.ip_addresses().map(lambda ip: address_bytes(str(ip))),
)
ports = st.integers(0, 65535)
facts = st.binary(max_size=128)


@given(addresses, ports, addresses, ports)
def test_version_1_there_and_back(source: bytes, sport: int, destination: bytes, dport: int) -> None:
    header = read(write_v1(source, sport, destination, dport))
    assert header.outcome == Outcome.COMPLETE
    if source and destination:
        assert (header.source.packed, header.source.port) == (source, sport)
        assert (header.destination.packed, header.destination.port) == (destination, dport)
    else:
        assert header.keep


@given(addresses, ports, addresses, ports, facts, facts, facts, st.booleans())
def test_version_2_there_and_back(
    source: bytes,
    sport: int,
    destination: bytes,
    dport: int,
    alpn: bytes,
    name: bytes,
    unique: bytes,
    checksum: bool,
) -> None:
    header = read(
        write_v2(
            source, sport, destination, dport, alpn=alpn, authority=name, unique_id=unique, checksum=checksum
        )
    )
    assert header.outcome == Outcome.COMPLETE
    if source and destination:
        assert (header.source.packed, header.source.port) == (source, sport)
        assert (header.alpn or b"", header.authority or b"") == (alpn, name)
        assert (header.unique_id or b"", header.checked) == (unique, checksum)
    else:
        assert header.keep
