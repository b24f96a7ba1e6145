"""TLS and what goes with it: certificates, policies for clients, PROXY protocol, HTTP/2.

Certificates, keys and lists travel as PEM text, so that a worker can start while the controller is down
and after privileges were dropped. The names of files are for people. What could not be read has an empty
PEM, and `broken` says why: whatever depends on it refuses its handshakes, and nothing else does.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from headgate.spec.data import Data
from headgate.spec.secret import Secret

Version = Literal["1.0", "1.1", "1.2", "1.3"]


class Certificate(Data, frozen=True):
    """A certificate with the chain above it, and its key."""

    cert_file: str = ""  # both "": made by the local authority
    key_file: str = ""
    chain: str = ""  # PEM, the certificate itself first
    key: Secret = Secret()  # PEM, not encrypted
    kind: Literal["", "rsa", "ecdsa", "ed25519", "ed448"] = ""
    names: tuple[str, ...] = ()  # lower case: host names, "*.example.com", and addresses
    not_after: int = 0  # seconds of the epoch
    broken: str = ""  # why it cannot be used


class ClientCertificates(Data, frozen=True):
    """What is asked of clients, and where their identity goes."""

    mode: Literal["require", "request"] = "require"
    ca_file: str = ""
    crl_file: str = ""
    ca: str = ""  # PEM of all authorities
    crl: str = ""  # PEM of all lists; "" looks at none
    depth: int = 1  # certificates between the client's and an authority's
    forward: tuple[str, ...] = ("hash", "subject", "uri", "dns")  # X-Forwarded-Client-Cert; () writes none
    headers: tuple[tuple[str, str], ...] = ()  # field name in lower case, and the fact it carries
    broken: str = ""

    @property
    def policy(self) -> bytes:
        """A digest of what is asked: connections of equal policies admit the same clients."""
        asked = (self.mode, self.ca, self.crl, self.depth, self.broken)
        return hashlib.sha256(msgspec.msgpack.encode(asked)).digest()


class TlsSite(Data, frozen=True):
    """What is presented to, and asked of, clients of some names."""

    names: tuple[str, ...] = ()  # SNI names; () takes those of the certificates, and every other one
    certificates: tuple[Certificate, ...] = ()  # the first one is the default
    clients: ClientCertificates | None = None  # None asks nothing


class ListenerTls(Data, frozen=True):
    """How a listener speaks TLS. The first site is the one for all names that no other has."""

    sites: tuple[TlsSite, ...] = ()
    min_version: Version = "1.2"
    ciphers: str = ""  # OpenSSL's list for TLS 1.2 and below; "" is OpenSSL's default
    server_order: bool = False  # our order of ciphers goes before the client's
    session_tickets: bool = True  # sessions can be resumed
    strict_sni: bool = False  # names that no certificate has, and none at all, are refused
    alpn: tuple[str, ...] = ("h2", "http/1.1")


class Hsts(Data, frozen=True):
    """Strict-Transport-Security (RFC 6797)."""

    max_age: int = 63_072_000  # seconds
    include_subdomains: bool = False
    preload: bool = False

    @property
    def value(self) -> str:
        """The field's value."""
        subdomains = "; includeSubDomains" if self.include_subdomains else ""
        return f"max-age={self.max_age}{subdomains}{'; preload' if self.preload else ''}"


class HttpsRedirect(Data, frozen=True):
    """Every request is sent to the same address with https."""

    port: int = 443
    status: int = 308


class Http2(Data, frozen=True):
    """HTTP/2 from downstream: by ALPN with TLS, by prior knowledge without."""

    enabled: bool = True
    max_streams: int = 100
    window_bytes: int = 64 * 1024  # of a stream at its beginning
    budget_bytes: int = 16 * 1024 * 1024  # to which the windows of one connection may grow


class ProxyProtocol(Data, frozen=True):
    """The header of the PROXY protocol that listed addresses must send, and nobody else may."""

    sources: tuple[str, ...] = ()  # CIDR ranges; "unix" for those of a unix socket
    timeout: float = 3.0


class ProxyHeader(Data, frozen=True):
    """The header of the PROXY protocol that endpoints get."""

    version: Literal[1, 2] = 2
    facts: tuple[Literal["sni", "alpn", "client_certificate"], ...] = ()  # as TLVs; version 2 only


class ServiceTls(Data, frozen=True):
    """TLS to the endpoints with `https`."""

    verify: bool = True
    ca_file: str = ""
    ca: str = ""  # PEM; "" takes the system's
    server_name: str = ""  # "" takes the endpoint's host
    certificate: Certificate | None = None  # shown to endpoints that ask
    min_version: Version = "1.2"
    alpn: tuple[str, ...] = ("h2", "http/1.1")
    broken: str = ""
