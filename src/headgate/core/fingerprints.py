"""Fingerprints of clients by their ClientHello: JA3 (an MD5 over what it offers, in its order) and JA4 (which
sorts what clients shuffle). Values that clients throw in at random (GREASE, RFC 8701) are left out.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field

_SERVER_NAME, _GROUPS, _FORMATS, _ALGORITHMS, _ALPN, _VERSIONS = 0, 10, 11, 13, 16, 43
_VERSION_NAMES = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2"}


@dataclass(slots=True)
class _Offer:
    version: int
    ciphers: list[int]
    extensions: list[int] = field(default_factory=list)
    values: dict[int, bytes] = field(default_factory=dict)

    def numbers(self, extension: int, prefix: int) -> list[int]:
        """The 16-bit numbers of an extension, behind `prefix` bytes that say how many."""
        return _numbers(self.values.get(extension, b"")[prefix:])


def _numbers(data: bytes) -> list[int]:
    numbers = struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2])
    return [number for number in numbers if not _is_grease(number)]


def _is_grease(number: int) -> bool:
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


def _offer(body: bytes) -> _Offer:
    """What a ClientHello offers; `body` was read by core/client_hello."""
    at = 35 + body[34]
    size = int.from_bytes(body[at : at + 2], "big")
    offer = _Offer(int.from_bytes(body[:2], "big"), _numbers(body[at + 2 : at + 2 + size]))
    at += 2 + size
    at += 3 + body[at]
    while at + 4 <= len(body):
        kind, size = struct.unpack(">HH", body[at : at + 4])
        if not _is_grease(kind):
            offer.extensions.append(kind)
            offer.values[kind] = body[at + 4 : at + 4 + size]
        at += 4 + size
    return offer


def ja3_text(body: bytes) -> str:
    """What a JA3 fingerprint is the MD5 of."""
    offer = _offer(body)
    formats = list(offer.values.get(_FORMATS, b"")[1:])
    parts = (offer.ciphers, offer.extensions, offer.numbers(_GROUPS, 2), formats)
    return ",".join([str(offer.version), *("-".join(map(str, part)) for part in parts)])


def ja3(body: bytes) -> str:
    """The JA3 fingerprint of the body of a ClientHello: 32 hexadecimal digits."""
    return hashlib.md5(ja3_text(body).encode(), usedforsecurity=False).hexdigest()


def ja4(body: bytes) -> str:
    """The JA4 fingerprint of the body of a ClientHello, as t13d1516h2_8daaf6152771_e5627efa2ab1."""
    offer = _offer(body)
    version = max(offer.numbers(_VERSIONS, 1), default=offer.version)
    start = (
        f"t{_VERSION_NAMES.get(version, '00')}{'d' if _SERVER_NAME in offer.values else 'i'}"
        f"{min(len(offer.ciphers), 99):02}{min(len(offer.extensions), 99):02}"
        f"{_protocol_mark(offer.values.get(_ALPN, b''))}"
    )
    ciphers = ",".join(sorted(f"{cipher:04x}" for cipher in offer.ciphers))
    kinds = sorted(f"{kind:04x}" for kind in offer.extensions if kind not in (_SERVER_NAME, _ALPN))
    algorithms = ",".join(f"{algorithm:04x}" for algorithm in offer.numbers(_ALGORITHMS, 2))
    rest = ",".join(kinds) + (f"_{algorithms}" if algorithms else "")
    return f"{start}_{_digest(ciphers)}_{_digest(rest)}"


def _protocol_mark(alpn: bytes) -> str:
    """First and last character of the first protocol; of its hexadecimal digits where one is none."""
    name = alpn[3 : 3 + alpn[2]] if len(alpn) > 3 else b""
    if not name:
        return "00"
    text = name.decode("latin-1")
    if not all(mark.isascii() and mark.isalnum() for mark in (text[0], text[-1])):
        text = name.hex()
    return text[0] + text[-1]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else "0" * 12
