"""A certificate with its chain and its key: read from two files and checked."""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from headgate import spec
from headgate.base.files import secret_file
from headgate.controller.certificates.findings import Broken
from headgate.controller.certificates.reading import certificates, private_key, read_text, text_of

SOON = dt.timedelta(days=14)

Kind = Literal["rsa", "ecdsa", "ed25519", "ed448"]
_KINDS: dict[type, Kind] = {
    rsa.RSAPrivateKey: "rsa",
    ec.EllipticCurvePrivateKey: "ecdsa",
    ed25519.Ed25519PrivateKey: "ed25519",
    ed448.Ed448PrivateKey: "ed448",
}


def read_pair(
    cert_file: str, key_file: str, now: dt.datetime, *, server: bool = True
) -> tuple[spec.Certificate, list[tuple[str, str]]]:
    """The pair, and warnings with hints. Raises Broken, with the names in the certificate when those could
    be read: clients that ask for one of them must not get another site's certificate.
    """
    chain = certificates(cert_file, read_text(cert_file))
    pair = spec.Certificate(
        cert_file=cert_file,
        key_file=key_file,
        names=names_of(chain[0]),
        not_after=int(chain[0].not_valid_after_utc.timestamp()),
    )
    try:
        text, key = private_key(key_file, read_text(key_file))
        _belongs(key_file, key, cert_file, chain)
        kind = _kind(key_file, key)
        _accepted(cert_file, text_of(chain), text)
    except Broken as broken:
        raise BrokenPair(broken, pair) from None
    good = spec.Certificate(
        cert_file=cert_file,
        key_file=key_file,
        chain=text_of(chain),
        key=spec.Secret(text),
        kind=kind,
        names=pair.names,
        not_after=pair.not_after,
    )
    return good, list(_warnings(cert_file, chain, key_file, now, server=server))


class BrokenPair(Broken):
    """The key is at fault; `pair` says what the certificate says."""

    def __init__(self, broken: Broken, pair: spec.Certificate) -> None:
        super().__init__(broken.reason, broken.hint)
        self.pair = pair


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The host names and addresses of a certificate, in lower case. Clients look at the common name only when
    there is nothing else, and most do not look at it at all.
    """
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return tuple(str(each.value).lower() for each in common)
    except ValueError:  # an extension that breaks the grammar
        return ()
    names = [name.lower().removesuffix(".") for name in found.get_values_for_type(x509.DNSName)]
    addresses = [str(address) for address in found.get_values_for_type(x509.IPAddress)]
    return tuple(dict.fromkeys([*names, *addresses]))


def _public(key: PrivateKeyTypes | x509.Certificate) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _belongs(key_file: str, key: PrivateKeyTypes, cert_file: str, chain: list[x509.Certificate]) -> None:
    public = _public(key)
    if _public(chain[0]) == public:
        return
    for number, certificate in enumerate(chain[1:], 2):
        if _public(certificate) == public:
            raise Broken(
                f"{key_file} belongs to certificate {number} of {cert_file}, not to the first",
                f"put that one first in {cert_file}, and those above it behind it",
            )
    raise Broken(f"{key_file} does not belong to {cert_file}")


def _kind(key_file: str, key: PrivateKeyTypes) -> Kind:
    for known, kind in _KINDS.items():
        if isinstance(key, known):
            return kind
    raise Broken(f"{key_file} is no key for TLS", "use one for ECDSA (P-256) or RSA")


def _accepted(cert_file: str, chain: str, key: str) -> None:
    """OpenSSL takes it: it knows of keys that are too short, for example."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        with secret_file(chain) as chain_path, secret_file(key) as key_path:
            context.load_cert_chain(chain_path, key_path, password="")
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or str(error)
        words = (
            reason.lower().replace("_", " ").replace("ee key", "its key").replace("ca md", "its signature")
        )
        raise Broken(f"{cert_file} is refused by OpenSSL: {words}") from None


def _warnings(
    cert_file: str, chain: list[x509.Certificate], key_file: str, now: dt.datetime, *, server: bool
) -> Iterator[tuple[str, str]]:
    leaf = chain[0]
    yield from _validity(cert_file, leaf, now)
    yield from _order(cert_file, chain)
    if server:
        yield from _names(cert_file, leaf)
        yield from _use(cert_file, leaf)
    with contextlib.suppress(OSError):  # it was there a moment ago
        if Path(key_file).stat().st_mode & 0o004:
            yield f"{key_file} can be read by everybody on this machine", f"chmod o-r {key_file}"


def _validity(cert_file: str, leaf: x509.Certificate, now: dt.datetime) -> Iterator[tuple[str, str]]:
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now >= end:
        yield f"{cert_file} expired on {end:%Y-%m-%d}; clients refuse it", "renew it"
    elif now < begin:
        yield f"{cert_file} is valid from {begin:%Y-%m-%d %H:%M} UTC only; clients refuse it", ""
    elif end - now < min(SOON, (end - begin) / 4):
        left = (end - now).days
        yield f"{cert_file} expires on {end:%Y-%m-%d}, in {left} {'day' if left == 1 else 'days'}", "renew it"


def _order(cert_file: str, chain: list[x509.Certificate]) -> Iterator[tuple[str, str]]:
    for number, (lower, upper) in enumerate(pairwise(chain), 2):
        if lower.issuer != upper.subject:
            message = (
                f"certificate {number} of {cert_file} ({name_of(upper.subject)}) has not signed the one "
            )
            message += f"before it, which names {name_of(lower.issuer)}"
            yield message, "put the certificate of the site first, and each one's issuer behind it"
            return


def _names(cert_file: str, leaf: x509.Certificate) -> Iterator[tuple[str, str]]:
    try:
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        yield (
            f"{cert_file} has no alternative names; browsers refuse it",
            "have it issued with subjectAltName",
        )
    except ValueError:
        yield f"{cert_file} has an extension that cannot be read; clients may refuse it", ""


def _use(cert_file: str, leaf: x509.Certificate) -> Iterator[tuple[str, str]]:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usage):
        yield f"{cert_file} is not made for servers; clients refuse it", ""


def name_of(name: x509.Name) -> str:
    """A subject or issuer for people."""
    return name.rfc4514_string() or "no name"
