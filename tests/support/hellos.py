"""ClientHellos: made by the interpreter's own OpenSSL, and put together from their parts."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence

SERVER_NAME, GROUPS, FORMATS, ALGORITHMS, ALPN, VERSIONS = 0, 10, 11, 13, 16, 43


def openssl_hello(name: str | None = "a.example", protocols: Sequence[str] = ("h2", "http/1.1")) -> bytes:
    """The records that a client of `ssl` begins with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return out.read()
    raise AssertionError("a handshake without a server")


def sized(data: bytes, width: int = 2) -> bytes:
    """The bytes behind a number that says how many they are."""
    return len(data).to_bytes(width, "big") + data


def numbers(values: Iterable[int]) -> bytes:
    """Numbers of 16 bits."""
    return b"".join(value.to_bytes(2, "big") for value in values)


def extension(kind: int, data: bytes = b"") -> bytes:
    """One extension."""
    return numbers([kind]) + sized(data)


def server_name(name: bytes) -> bytes:
    """The extension that names the server."""
    return extension(SERVER_NAME, sized(b"\0" + sized(name)))


def alpn(*protocols: bytes) -> bytes:
    """The extension that offers protocols."""
    return extension(ALPN, sized(b"".join(sized(protocol, 1) for protocol in protocols)))


def message(
    extensions: Iterable[bytes] | None = (), ciphers: Iterable[int] = (0x1301,), version: int = 0x0303
) -> bytes:
    """A ClientHello; `extensions` None: not even their size."""
    body = numbers([version]) + bytes(32) + b"\0" + sized(numbers(ciphers)) + b"\1\0"
    if extensions is not None:
        body += sized(b"".join(extensions))
    return b"\1" + sized(body, 3)


def records(handshake: bytes, size: int = 16384) -> bytes:
    """A handshake message in records of at most so many bytes."""
    parts = (handshake[at : at + size] for at in range(0, len(handshake), size))
    return b"".join(b"\x16\3\1" + sized(part) for part in parts)


def hello(
    extensions: Iterable[bytes] | None = (), ciphers: Iterable[int] = (0x1301,), version: int = 0x0303
) -> bytes:
    """A ClientHello in one record."""
    return records(message(extensions, ciphers, version))
