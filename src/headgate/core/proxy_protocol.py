"""The header of the PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): who a connection is
really from, said by the proxy in front before anything else.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, field

V1_BYTES = 107
"""The longest header of version 1, with its CRLF."""
V2_BYTES = 4096
"""The longest header of version 2 that is read: addresses take 216 bytes at most, the rest is for TLVs."""
_V1 = b"PROXY "
_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_MAPPED = b"\0" * 10 + b"\xff\xff"
_CRC32C = 0x03


@dataclass(frozen=True, slots=True)
class Introduction:
    """A header that was read."""

    size: int
    """Bytes of the header; what follows is the connection's own."""
    address: bytes = b""
    """16 bytes, IPv4 mapped into IPv6; b"": the connection is the proxy's own, or of an unknown kind."""
    text: str = ""
    port: int = 0
    facts: dict[int, bytes] = field(default_factory=dict)
    """TLVs by type."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Bytes that are no header; the text says why."""

    reason: str


def read(data: bytes) -> Introduction | Refusal | None:
    """The header with which `data` begins; None when more must come. Never raises."""
    if data[: len(_V2)] == _V2[: len(data)]:
        return _read_v2(data) if len(data) >= 16 else None
    if data[: len(_V1)] == _V1[: len(data)]:
        return _read_v1(data)
    return Refusal("no header of the PROXY protocol")


def _read_v1(data: bytes) -> Introduction | Refusal | None:
    end = data.find(b"\r\n", 0, V1_BYTES)
    if end < 0:
        return None if len(data) < V1_BYTES else Refusal("a header of version 1 without an end")
    size = end + 2
    words = data[len(_V1) : end].split(b" ")
    if words[0] == b"UNKNOWN":
        return Introduction(size)
    if len(words) != 5 or words[0] not in (b"TCP4", b"TCP6"):
        return Refusal("a malformed header of version 1")
    wanted = 4 if words[0] == b"TCP4" else 6
    try:
        source, target = (ipaddress.ip_address(word.decode("ascii")) for word in words[1:3])
    except (ValueError, UnicodeDecodeError):
        return Refusal("a malformed address in a header of version 1")
    if source.version != wanted or target.version != wanted or not all(map(_is_port, words[3:])):
        return Refusal("a malformed address in a header of version 1")
    return Introduction(size, *_client(source.packed), int(words[3]))


def _is_port(word: bytes) -> bool:
    return word.isdigit() and len(word) <= 5 and int(word) <= 65535 and (word == b"0" or word[:1] != b"0")


def _client(packed: bytes) -> tuple[bytes, str]:
    """Address and text as a socket of that client would give them."""
    mapped = _MAPPED + packed if len(packed) == 4 else packed
    plain = packed if len(packed) == 4 else packed.removeprefix(_MAPPED)
    return mapped, str(ipaddress.ip_address(plain))


def _read_v2(data: bytes) -> Introduction | Refusal | None:
    version, family, length = data[12], data[13], int.from_bytes(data[14:16], "big")
    size = 16 + length
    if version >> 4 != 2 or version & 15 > 1:
        return Refusal("an unknown version or command")
    if size > V2_BYTES:
        return Refusal("a header that is too long")
    if len(data) < size:
        return None
    # Family and transport; the bytes of both addresses and ports.
    room = {0x11: 12, 0x12: 12, 0x21: 36, 0x22: 36, 0x31: 216, 0x32: 216}.get(family, 0)
    if length < room:
        return Refusal("a header without room for its addresses")
    facts = _facts(data[16 + room : size])
    if facts is None:
        return Refusal("a malformed TLV")
    if _CRC32C in facts and not _crc_is_right(data[:size], facts[_CRC32C]):
        return Refusal("a wrong checksum")
    if version & 15 == 0 or family not in (0x11, 0x21):
        return Introduction(size, facts=facts)
    width = 4 if family == 0x11 else 16
    ports = 16 + 2 * width
    address, text = _client(data[16 : 16 + width])
    return Introduction(size, address, text, struct.unpack(">H", data[ports : ports + 2])[0], facts)


def _facts(data: bytes) -> dict[int, bytes] | None:
    facts = {}
    while data:
        if len(data) < 3:
            return None
        size = int.from_bytes(data[1:3], "big")
        if len(data) < 3 + size:
            return None
        facts[data[0]] = data[3 : 3 + size]
        data = data[3 + size :]
    return facts


def _crc_is_right(header: bytes, checksum: bytes) -> bool:
    """The checksum is made over the header with zeros in its place."""
    if len(checksum) != 4:
        return False
    at = header.rfind(bytes([_CRC32C, 0, 4]) + checksum)
    blank = header[: at + 3] + bytes(4) + header[at + 7 :]
    return at >= 0 and _crc32c(blank) == int.from_bytes(checksum, "big")


def _crc_table() -> list[int]:
    table = list(range(256))
    for _ in range(8):
        table = [value >> 1 ^ (0x82F63B78 if value & 1 else 0) for value in table]
    return table


_TABLE = _crc_table()


def _crc32c(data: bytes) -> int:
    """CRC-32C (RFC 3720 appendix B.4)."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


# --- Writing ----------------------------------------------------------------------------------------

ALPN, AUTHORITY, SSL, SSL_VERSION, SSL_COMMON_NAME, SSL_CIPHER = 0x01, 0x02, 0x20, 0x21, 0x22, 0x23


def write_v1(source: tuple[str, int] | None, target: tuple[str, int] | None) -> bytes:
    """A header of version 1. `source` and `target`: address and port; None where there are none."""
    if source is None or target is None:
        return b"PROXY UNKNOWN\r\n"
    addresses = [ipaddress.ip_address(source[0]), ipaddress.ip_address(target[0])]
    kind, addresses = _of_one_family(addresses)
    words = ("PROXY", f"TCP{kind}", *map(str, addresses), str(source[1]), str(target[1]))
    return " ".join(words).encode() + b"\r\n"


def write_v2(
    source: tuple[str, int] | None, target: tuple[str, int] | None, facts: list[tuple[int, bytes]]
) -> bytes:
    """A header of version 2 with these TLVs."""
    tail = b"".join(bytes([kind]) + struct.pack(">H", len(value)) + value for kind, value in facts)
    if source is None or target is None:
        return _V2 + b"\x21\x00" + struct.pack(">H", len(tail)) + tail
    addresses = [ipaddress.ip_address(source[0]), ipaddress.ip_address(target[0])]
    kind, addresses = _of_one_family(addresses)
    body = b"".join(address.packed for address in addresses) + struct.pack(">HH", source[1], target[1]) + tail
    return _V2 + b"\x21" + (b"\x11" if kind == 4 else b"\x21") + struct.pack(">H", len(body)) + body


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _of_one_family(addresses: list[Address]) -> tuple[int, list[Address]]:
    """4 or 6, and the addresses so; of two kinds both become IPv6."""
    if all(address.version == 4 for address in addresses):
        return 4, addresses
    mapped = [ipaddress.IPv6Address(_MAPPED + a.packed) if a.version == 4 else a for a in addresses]
    return 6, list(mapped)


def ssl_fact(*, verified: bool, version: str, cipher: str, common_name: str) -> bytes:
    """The value of the SSL TLV: the client came by TLS, and with which certificate."""
    client = 0x01 | (0x02 | 0x04 if common_name or verified else 0)
    parts = [(SSL_VERSION, version), (SSL_CIPHER, cipher), (SSL_COMMON_NAME, common_name)]
    tail = b"".join(
        bytes([kind]) + struct.pack(">H", len(text.encode())) + text.encode() for kind, text in parts if text
    )
    return struct.pack(">BI", client, 0 if verified else 1) + tail
