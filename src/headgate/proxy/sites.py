"""Which certificates, and which policy for clients, belong to the name that a client asks for.

A site is chosen from the ClientHello, before a session exists. Names that the configuration gives a site of
their own go before those that only stand in certificates: a certificate for one exact name must not open a
way around a site that asks all of a wildcard's names for client certificates.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from headgate import spec
from headgate.proxy.encryption import Contexts, Kept

_MOST_HOSTS = 256  # that a site remembers the answer for


class Site:
    """What is presented to, and asked of, the clients of some names."""

    def __init__(
        self, names: tuple[str, ...], kept: Kept, clients: spec.ClientCertificates | None, sites: Sites
    ) -> None:
        self.names = names
        self.clients = clients
        self._kept = kept
        self._sites = sites
        self._covered: dict[str, bool] = {}

    @property
    def context(self) -> Any:
        """What sessions are made of."""
        return self._kept.context

    @property
    def policy(self) -> bytes:
        """A digest of what clients are asked for; b"" when it is nothing."""
        return self._kept.policy

    def covers(self, host: str) -> bool:
        """Whether a request for this host (without port) may come on a connection to this site; if not, it is
        misdirected (RFC 9110 section 7.4). Its certificates must have the name, and a connection made for
        that name would have to ask the client for the same.
        """
        covered = self._covered.get(host)
        if covered is None:
            if len(self._covered) >= _MOST_HOSTS:
                self._covered.clear()
            covered = self._covered[host] = self._covers(_plain(host))
        return covered

    def _covers(self, host: str) -> bool:
        if _is_address(host):
            # No client can ask for an address by SNI: those come to the default site.
            default = self._sites.default
            return self is default or (
                host in self.names and default is not None and default.policy == self.policy
            )
        other = self._sites.find(host)
        if other is None or other.policy != self.policy:
            return False
        return not self.names or any(matches(host, name) for name in self.names)


class Sites:
    """The sites of one listener. `find` answers for each connection. Raises ValueError when OpenSSL refuses
    what the controller found good.
    """

    def __init__(self, tls: spec.ListenerTls, contexts: Contexts) -> None:
        self._tls = tls
        self._contexts = contexts
        self._chosen: dict[str, Site | None] = {}  # names that the configuration gives a site
        self._certified: dict[str, Site | None] = {}  # names of the listener's certificates
        everything, *others = tls.sites
        for name in dict.fromkeys(name for pair in everything.certificates for name in pair.names):
            having = [pair for pair in everything.certificates if name in pair.names]
            self._certified[name] = self._site(having, everything.clients)
        for site in others:
            for name in site.names:
                having = [pair for pair in site.certificates if _has(pair, name)] or list(site.certificates)
                self._chosen[name] = self._site(having, site.clients, name)
        self.default = self._default(everything)

    def _default(self, everything: spec.TlsSite) -> Site | None:
        """That of the first certificate, with those of another kind for the same name beside it."""
        first = everything.certificates[0]
        if first.names and not first.broken:
            return self._certified[first.names[0]]
        return self._site([first], everything.clients)

    def _site(
        self, pairs: Iterable[spec.Certificate], clients: spec.ClientCertificates | None, chosen: str = ""
    ) -> Site | None:
        """The site with the first good certificate of each kind; None: whoever comes is refused."""
        kinds: dict[str, spec.Certificate] = {}
        for pair in pairs:
            if not pair.broken:
                kinds.setdefault(pair.kind, pair)
        if not kinds or (clients is not None and clients.broken):
            return None
        certificates = tuple(kinds.values())
        names = dict.fromkeys(name for pair in certificates for name in pair.names)
        if chosen:  # as it is written, even where the certificate has another name
            names[chosen] = None
        return Site(tuple(names), self._contexts.server(self._tls, certificates, clients), clients, self)

    def find(self, server_name: str | None) -> Site | None:
        """The site for a name from a ClientHello; None when the handshake is refused."""
        name = _plain(server_name or "")
        label, _, rest = name.partition(".")
        wildcard = f"*.{rest}" if label else ""
        for names in (self._chosen, self._certified):
            for each in (name, wildcard):
                if each in names:
                    return names[each]
        return None if self._tls.strict_sni else self.default


def matches(host: str, name: str) -> bool:
    """Whether a name of a certificate stands for a host; a wildcard is exactly one label (RFC 6125)."""
    label, _, rest = host.partition(".")
    return name == host or (label != "" and name.startswith("*.") and name[2:] == rest)


def _has(pair: spec.Certificate, name: str) -> bool:
    return any(matches(name, known) for known in pair.names)


def _plain(host: str) -> str:
    return host.lower().removesuffix(".").strip("[]")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def upstream_context(tls: spec.ServiceTls, contexts: Contexts) -> Kept | None:
    """The context for a service's endpoints; None when a file of it is broken, and no attempt can be made."""
    broken = tls.broken or (tls.certificate.broken if tls.certificate is not None else "")
    return None if broken else contexts.client(tls)
