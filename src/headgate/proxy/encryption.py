"""Contexts of TLS, made from what a snapshot says: one for each way of speaking, found again by equal ones.

Contexts outlive snapshots, and with them what is kept of sessions. Keys come from memory: OpenSSL reads them
from a file that exists in memory only, and is closed at once.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from headgate import spec
from headgate.base.client_tls import client_context, load, say, trust
from headgate.base.files import secret_file

# From a context, the digest of its policy for clients, and how many certificates may stand below an
# authority's, to what sessions are made of.
Wrap = Callable[[ssl.SSLContext, bytes, int], Any]

OPEN = b""  # the policy that asks clients for nothing
_DEPTH = 100  # OpenSSL's own limit


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
    say(context, tls.min_version, tls.alpn)
    if tls.ciphers:
        context.set_ciphers(tls.ciphers)
    if tls.server_order:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if not tls.session_tickets:
        context.options |= ssl.OP_NO_TICKET
    for certificate in certificates:
        load(context, certificate.chain, certificate.key.text)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED if clients.mode == "require" else ssl.CERT_OPTIONAL
        trust(context, clients.ca)
        if clients.crl:
            with secret_file(clients.crl) as path:
                context.load_verify_locations(cafile=path)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    return context


def _client(tls: spec.ServiceTls) -> ssl.SSLContext:
    own = tls.certificate
    return client_context(
        verify=tls.verify,
        ca=tls.ca,
        pair=(own.chain, own.key.text) if own is not None else None,
        min_version=tls.min_version,
        alpn=tls.alpn,
    )
