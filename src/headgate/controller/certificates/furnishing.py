"""A compiled snapshot names files; here it gets what is in them.

What cannot be used stays out, and says why: its handshakes fail, everything else serves. When it was good in
the snapshot before, it is served on as it was.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from headgate import spec
from headgate.base.errors import Refusal
from headgate.base.process import find_identity
from headgate.controller.certificates.authority import LEAF_LIFE, Authority, state_folder
from headgate.controller.certificates.bundles import read_authorities, read_revocations
from headgate.controller.certificates.findings import Broken, Finding
from headgate.controller.certificates.pairs import BrokenPair, read_pair

if TYPE_CHECKING:
    from collections.abc import Iterable

_replace = msgspec.structs.replace

Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Furnished:
    """A snapshot that can be served, and what was found on the way."""

    snapshot: spec.Snapshot
    findings: list[Finding] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Something that was not served before cannot be used; at a reload nothing shall change then."""
        return any(finding.severity == "error" and finding.new for finding in self.findings)


def furnish(
    snapshot: spec.Snapshot,
    previous: spec.Snapshot | None = None,
    now: dt.datetime | None = None,
    *,
    make: bool = True,
) -> Furnished:
    """Read everything that the snapshot names. `previous` is what is served now; without `make` no local
    authority is made, and nothing signed.
    """
    work = _Furnishing(snapshot, previous, now or dt.datetime.now(dt.UTC), make=make)
    listeners = tuple(work.listener(listener) for listener in snapshot.listeners)
    services = tuple(work.service(service) for service in snapshot.services)
    return Furnished(_replace(snapshot, listeners=listeners, services=services), work.findings)


def files(snapshot: spec.Snapshot) -> list[str]:
    """All files that the snapshot was made from, or would be."""
    found: dict[str, None] = {}
    for site in _sites(snapshot):
        for pair in site.certificates:
            found |= dict.fromkeys((pair.cert_file, pair.key_file))
        if site.clients is not None:
            found |= dict.fromkeys((site.clients.ca_file, site.clients.crl_file))
    for service in snapshot.services:
        if _speaks_tls(service):
            found[service.tls.ca_file] = None
            if service.tls.certificate is not None:
                found |= dict.fromkeys((service.tls.certificate.cert_file, service.tls.certificate.key_file))
    return [file for file in found if file]


def next_renewal(snapshot: spec.Snapshot) -> float:
    """When something must be looked at again though no file changed, in seconds of the epoch; 0 for never."""
    ends = [pair.not_after for site in _sites(snapshot) for pair in site.certificates if not pair.cert_file]
    return min(ends) - LEAF_LIFE.total_seconds() / 3 if ends else 0.0


def _sites(snapshot: spec.Snapshot) -> Iterator[spec.TlsSite]:
    for listener in snapshot.listeners:
        if listener.tls is not None:
            yield from listener.tls.sites


def _speaks_tls(service: spec.Service) -> bool:
    return any(endpoint.scheme == "https" for endpoint in service.endpoints)


class _Furnishing:
    """One pass over a snapshot; each file is read and reported once."""

    def __init__(
        self, snapshot: spec.Snapshot, previous: spec.Snapshot | None, now: dt.datetime, *, make: bool
    ) -> None:
        self._snapshot = snapshot
        self._now = now
        self._make = make
        self._served = _Served(previous) if previous is not None else None
        self._pairs: dict[tuple[str, str], spec.Certificate] = {}
        self._trusts: dict[tuple[str, str], tuple[str, str, str]] = {}
        self._authority: Authority | Broken | None = None
        self.findings: list[Finding] = []

    # --- What is reported ---

    def _warn(self, path: Where, warnings: Iterable[tuple[str, str]]) -> None:
        self.findings += [Finding(path, message, hint, "warning") for message, hint in warnings]

    def _report(self, path: Where, broken: Broken, *, kept: bool, known: bool) -> None:
        """`kept`: what was good before is served on. `known`: it was broken before, too."""
        if kept:
            message = f"{broken.reason}; what was read before is served on"
            self.findings.append(Finding(path, message, broken.hint, "warning", new=False))
        else:
            self.findings.append(Finding(path, broken.reason, broken.hint, new=not known))

    # --- Listeners ---

    def listener(self, listener: spec.Listener) -> spec.Listener:
        if listener.tls is None:
            return listener
        base: Where = ("listeners", listener.name, "tls")
        sites = []
        for site in listener.tls.sites:
            path = (*base, "sites", *site.names) if site.names else base
            pairs = tuple(
                self._pair((*path, "certificates", number), pair)
                for number, pair in enumerate(site.certificates)
            )
            sites.append(_replace(site, certificates=pairs, clients=self._clients(path, site.clients)))
            self._names(path, site, pairs)
        return _replace(listener, tls=_replace(listener.tls, sites=tuple(sites)))

    def _names(self, path: Where, site: spec.TlsSite, pairs: tuple[spec.Certificate, ...]) -> None:
        """A site whose certificates have none of its names shows clients what they refuse."""
        known = {name for pair in pairs for name in pair.names}
        for name in site.names:
            above = f"*.{name.partition('.')[2]}"
            if known and name not in known and above not in known and all(pair.chain for pair in pairs):
                self._warn(
                    path, [(f"no certificate of this site has the name {name}; clients refuse it", "")]
                )

    def _pair(self, path: Where, pair: spec.Certificate, *, server: bool = True) -> spec.Certificate:
        key = (pair.cert_file, pair.key_file)
        if not pair.cert_file:
            return self._internal(path, pair)
        if key not in self._pairs:
            self._pairs[key] = self._read_pair(path, key, server=server)
        return self._pairs[key]

    def _read_pair(self, path: Where, key: tuple[str, str], *, server: bool) -> spec.Certificate:
        try:
            pair, warnings = read_pair(*key, self._now, server=server)
        except Broken as broken:
            before = self._served.pairs.get(key) if self._served is not None else None
            kept = before is not None and bool(before.chain)
            self._report(path, broken, kept=kept, known=before is not None or self._served is None)
            if before is not None and kept:
                return before
            seen = broken.pair if isinstance(broken, BrokenPair) else spec.Certificate()
            return _replace(seen, cert_file=key[0], key_file=key[1], broken=broken.reason)
        self._warn(path, warnings)
        return pair

    def _internal(self, path: Where, wanted: spec.Certificate) -> spec.Certificate:
        """A certificate of the local authority: the one that is served, as long as it is good."""
        if not self._make:
            return wanted
        authority = self._opened_authority()
        if isinstance(authority, Broken):
            self._report(path, authority, kept=False, known=self._served is None)
            return _replace(wanted, broken=authority.reason)
        hosts = wanted.names
        for pair in self._served.internal if self._served is not None else ():
            if authority.has_issued(pair, hosts, self._now):
                return pair
        return authority.issue(hosts, self._now)

    def _opened_authority(self) -> Authority | Broken:
        if self._authority is None:
            process = self._snapshot.process
            try:
                self._authority = Authority.open(state_folder(process.state), self._now)
                if os.geteuid() == 0 and (identity := find_identity(process.user, process.group)):
                    self._authority.give(identity.uid, identity.gid)
            except Broken as broken:
                self._authority = broken
            except (Refusal, OSError) as error:  # a user that does not exist is reported with the process
                self._authority = Broken(f"the local authority cannot be given to the user: {error}")
        return self._authority

    def _clients(
        self, path: Where, clients: spec.ClientCertificates | None
    ) -> spec.ClientCertificates | None:
        if clients is None:
            return None
        path = (*path, "client_certificates")
        ca, crl, broken = self._trust(path, clients.ca_file, clients.crl_file)
        return _replace(clients, ca=ca, crl=crl, broken=broken)

    # --- Services ---

    def service(self, service: spec.Service) -> spec.Service:
        tls = service.tls
        if not _speaks_tls(service):
            return service
        path: Where = ("services", service.name, "tls")
        if tls.certificate is not None:
            pair = self._pair((*path, "certificate"), tls.certificate, server=False)
            tls = _replace(tls, certificate=pair)
        if tls.ca_file:
            ca, _, broken = self._trust(path, tls.ca_file, "")
            tls = _replace(tls, ca=ca, broken=broken)
        return _replace(service, tls=tls)

    # --- Authorities and revocation lists ---

    def _trust(self, path: Where, ca_file: str, crl_file: str) -> tuple[str, str, str]:
        """PEM of both, and why they are broken: both are good or none is."""
        key = (ca_file, crl_file)
        if key not in self._trusts:
            self._trusts[key] = self._read_trust(path, ca_file, crl_file)
        return self._trusts[key]

    def _read_trust(self, path: Where, ca_file: str, crl_file: str) -> tuple[str, str, str]:
        where = "ca"
        crl, warnings = "", []
        try:
            ca, found = read_authorities(ca_file, self._now)
            warnings = [("ca", found)]
            if crl_file:
                where = "crl"
                crl, found = read_revocations(crl_file, ca, self._now)
                warnings.append(("crl", found))
        except Broken as broken:
            before = self._served.trusts.get((ca_file, crl_file)) if self._served is not None else None
            kept = before is not None and bool(before[0])
            self._report((*path, where), broken, kept=kept, known=before is not None or self._served is None)
            return (*before, "") if before is not None and kept else ("", "", broken.reason)
        for key, each in warnings:
            self._warn((*path, key), each)
        return ca, crl, ""


class _Served:
    """What a snapshot has, by the files that it came from."""

    def __init__(self, snapshot: spec.Snapshot) -> None:
        self.pairs: dict[tuple[str, str], spec.Certificate] = {}
        self.internal: list[spec.Certificate] = []
        self.trusts: dict[tuple[str, str], tuple[str, str]] = {}
        for site in _sites(snapshot):
            for pair in site.certificates:
                self._add(pair)
            if site.clients is not None:
                clients = site.clients
                self.trusts[clients.ca_file, clients.crl_file] = (clients.ca, clients.crl)
        for service in snapshot.services:
            if _speaks_tls(service):
                if service.tls.certificate is not None:
                    self._add(service.tls.certificate)
                if service.tls.ca_file:
                    self.trusts[service.tls.ca_file, ""] = (service.tls.ca, "")

    def _add(self, pair: spec.Certificate) -> None:
        if pair.cert_file:
            self.pairs[pair.cert_file, pair.key_file] = pair
        else:
            self.internal.append(pair)
