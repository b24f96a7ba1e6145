"""Contexts of TLS, made from what a snapshot says: one for each way of speaking, found again by equal ones.

Contexts outlive snapshots, and with them what is kept of sessions. Keys come from memory: OpenSSL reads them
from a file that exists in memory only, and is closed at once.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from headgate import spec
from headgate.base.files import secret_file

# From a context, the digest of its policy for clients, and how many certificates may stand below an
# authority's, to what sessions are made of.
Wrap = Callable[[ssl.SSLContext, bytes, int], Any]

OPEN = b""  # the policy that asks clients for nothing
_DEPTH = 100  # OpenSSL's own limit

_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
# Where systems keep what they trust, when OpenSSL was built for another place.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def _unwrapped(context: ssl.SSLContext, policy: bytes, depth: int) -> Any:
    del policy, depth
    return context


class Kept:
    """One context, kept for as long as a site or a service holds it."""

    __slots__ = ("__weakref__", "context", "policy")

    def __init__(self, context: Any, policy: bytes) -> None:
        self.context = context
        self.policy = policy


class Contexts:
    """All contexts of a worker. `wrap` makes of each what sessions are made of."""

    def __init__(self, wrap: Wrap | None = None) -> None:
        self._wrap = wrap or _unwrapped
        self._kept: WeakValueDictionary[bytes, Kept] = WeakValueDictionary()

    def server(
        self,
        tls: spec.ListenerTls,
        certificates: tuple[spec.Certificate, ...],
        clients: spec.ClientCertificates | None,
    ) -> Kept:
        """The context that presents these certificates. Raises ValueError when OpenSSL refuses one."""
        policy = clients.policy if clients is not None else OPEN
        depth = clients.depth if clients is not None else _DEPTH
        said = (tls.min_version, tls.ciphers, tls.server_order, tls.session_tickets, tls.alpn)
        return self._keep(
            (*said, *map(_bytes_of, certificates), policy),
            lambda: (_server(tls, certificates, clients), policy, depth),
        )

    def client(self, tls: spec.ServiceTls) -> Kept:
        """The context for endpoints. Raises ValueError when OpenSSL refuses a part of it."""
        own = _bytes_of(tls.certificate) if tls.certificate is not None else b""
        return self._keep(
            ("client", tls.verify, tls.ca, own, tls.min_version, tls.alpn),
            lambda: (_client(tls), OPEN, _DEPTH),
        )

    def _keep(self, parts: tuple[Any, ...], build: Callable[[], tuple[ssl.SSLContext, bytes, int]]) -> Kept:
        digest = hashlib.sha256(msgspec.msgpack.encode(parts)).digest()
        kept = self._kept.get(digest)
        if kept is None:
            try:
                context, policy, depth = build()
            except (ssl.SSLError, OSError) as error:
                raise ValueError(f"TLS: {error}") from None
            kept = self._kept[digest] = Kept(self._wrap(context, policy, depth), policy)
        return kept


def _bytes_of(certificate: spec.Certificate) -> bytes:
    return hashlib.sha256(f"{certificate.chain}\0{certificate.key.text}".encode()).digest()


def _server(
    tls: spec.ListenerTls,
    certificates: tuple[spec.Certificate, ...],
    clients: spec.ClientCertificates | None,
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _say(context, tls.min_version, tls.alpn)
    if tls.ciphers:
        context.set_ciphers(tls.ciphers)
    if tls.server_order:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if not tls.session_tickets:
        context.options |= ssl.OP_NO_TICKET
    for certificate in certificates:
        _load(context, certificate)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED if clients.mode == "require" else ssl.CERT_OPTIONAL
        _trust(context, clients.ca)
        if clients.crl:
            with secret_file(clients.crl) as path:
                context.load_verify_locations(cafile=path)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    return context


def _client(tls: spec.ServiceTls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _say(context, tls.min_version, tls.alpn)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca:
        _trust(context, tls.ca)
    else:
        _trust_system(context)
    if tls.certificate is not None:
        _load(context, tls.certificate)
    return context


def _say(context: ssl.SSLContext, min_version: spec.Version, alpn: tuple[str, ...]) -> None:
    context.minimum_version = _VERSIONS[min_version]
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # An end without close_notify is a truncation, and whoever reads wants to know.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    context.set_alpn_protocols(list(alpn))


def _load(context: ssl.SSLContext, certificate: spec.Certificate) -> None:
    with secret_file(certificate.chain) as chain, secret_file(certificate.key.text) as key:
        context.load_cert_chain(chain, key, password=_no_password)


def _no_password() -> str:
    """OpenSSL would ask on the terminal; keys in a snapshot are not encrypted."""
    raise ValueError("the key is encrypted")


def _trust(context: ssl.SSLContext, authorities: str) -> None:
    """Believe what is in the text, also where it is no root."""
    context.load_verify_locations(cadata=authorities)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def _trust_system(context: ssl.SSLContext) -> None:
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    paths = ssl.get_default_verify_paths()
    if not (paths.cafile or paths.capath):  # this build of OpenSSL looks where nothing is
        bundle = next((bundle for bundle in _BUNDLES if Path(bundle).exists()), None)
        if bundle is not None:
            context.load_verify_locations(cafile=bundle)
