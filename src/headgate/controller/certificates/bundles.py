"""Authorities that are believed, and their lists of what is revoked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from cryptography import x509

from headgate.controller.certificates.pairs import name_of
from headgate.controller.certificates.reading import certificates, read_text, revocation_lists, text_of


def read_authorities(file: str, now: dt.datetime) -> tuple[str, list[tuple[str, str]]]:
    """PEM of the authorities in a file, and warnings with hints. Raises Broken."""
    found = certificates(file, read_text(file))
    return text_of(found), list(_expired(file, found, now))


def read_revocations(file: str, authorities: str, now: dt.datetime) -> tuple[str, list[tuple[str, str]]]:
    """PEM of the revocation lists in a file, and warnings with hints. Raises Broken."""
    found = revocation_lists(file, read_text(file))
    return text_of(found), [*_stale(file, found, now), *_uncovered(file, found, authorities)]


def _expired(file: str, found: list[x509.Certificate], now: dt.datetime) -> Iterator[tuple[str, str]]:
    for each in found:
        if each.not_valid_after_utc <= now:
            end = f"{each.not_valid_after_utc:%Y-%m-%d}"
            yield f"{name_of(each.subject)} in {file} expired on {end}; what it signed is refused", ""


def _stale(
    file: str, lists: list[x509.CertificateRevocationList], now: dt.datetime
) -> Iterator[tuple[str, str]]:
    for each in lists:
        end = each.next_update_utc
        if end is not None and end <= now:
            what = f"the list of {name_of(each.issuer)} in {file} was to be renewed on {end:%Y-%m-%d}"
            yield f"{what}; clients are refused", "put the new list there; it is read when it changes"


def _uncovered(
    file: str, lists: list[x509.CertificateRevocationList], authorities: str
) -> Iterator[tuple[str, str]]:
    issuers = {each.issuer for each in lists}
    for authority in x509.load_pem_x509_certificates(authorities.encode()) if authorities else ():
        if authority.subject not in issuers:
            what = f"{file} has no list of {name_of(authority.subject)}"
            yield f"{what}; its clients are refused", "add the list of each authority, an empty one too"
