"""The header of the PROXY protocol that endpoints get: from whom a connection really is."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import TYPE_CHECKING

from headgate.core.proxy_protocol import ClientBit, TlsFacts, write_local, write_v1, write_v2
from headgate.proxy.identity import common_name

if TYPE_CHECKING:
    from headgate import spec
    from headgate.proxy.forwarding import Peer

_MAPPED = b"\0" * 10 + b"\xff\xff"


def introduction(header: spec.ProxyHeader, peer: Peer, fd: int) -> bytes:
    """The header for a client's connection; `fd` is its socket, for the address that it came to."""
    host, port = _own_address(fd)
    source, target = _packed(peer.text.decode()), _packed(host)
    if header.version == 1:
        return write_v1(source, peer.port, target, port)
    if not source or not target:
        return write_local()
    secured = peer.secured
    return write_v2(
        source,
        peer.port,
        target,
        port,
        alpn=secured.protocol if secured is not None and "alpn" in header.facts else b"",
        authority=secured.server_name if secured is not None and "sni" in header.facts else b"",
        tls=_tls_facts(peer) if "client_certificate" in header.facts else None,
    )


def _tls_facts(peer: Peer) -> TlsFacts | None:
    secured = peer.secured
    if secured is None:
        return None
    bits = ClientBit.CLIENT_TLS
    if secured.certificate:
        bits |= ClientBit.CLIENT_CERTIFICATE_SESSION
        if not secured.resumed:
            bits |= ClientBit.CLIENT_CERTIFICATE
    name = common_name(secured.certificate).encode() if secured.certificate else b""
    verify = 0 if secured.certificate else 1
    return TlsFacts(bits, verify, version=secured.version, cipher=secured.cipher, common_name=name)


def _own_address(fd: int) -> tuple[str, int]:
    with socket.socket(fileno=os.dup(fd)) as copy:
        address = copy.getsockname()
    return (address[0], address[1]) if isinstance(address, tuple) else ("", 0)


def _packed(text: str) -> bytes:
    """16 bytes, IPv4 mapped into IPv6; b"" for what is no address."""
    try:
        packed = ipaddress.ip_address(text).packed
    except ValueError:
        return b""
    return _MAPPED + packed if len(packed) == 4 else packed
