"""Certificates for tests: an authority, intermediates, leaves of every kind, and revocation lists."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Kind = Literal["ecdsa", "rsa", "ed25519"]
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
DAY = dt.timedelta(days=1)


@cache
def _rsa_key(number: int) -> rsa.RSAPrivateKey:
    """RSA keys are slow to make: tests share a few."""
    del number
    return rsa.generate_private_key(65537, 2048)


def new_key(kind: Kind, number: int = 0) -> Key:
    """A private key; RSA ones are the same for the same number."""
    if kind == "rsa":
        return _rsa_key(number)
    return (
        ec.generate_private_key(ec.SECP256R1()) if kind == "ecdsa" else ed25519.Ed25519PrivateKey.generate()
    )


@dataclass(frozen=True)
class Pair:
    """A certificate with what is above it, and its key."""

    certificate: x509.Certificate
    key: Key
    above: tuple[x509.Certificate, ...] = ()

    @property
    def chain(self) -> str:
        """PEM of the certificate and what is above it."""
        return "".join(pem(each) for each in (self.certificate, *self.above))

    @property
    def key_pem(self) -> str:
        """PEM of the key."""
        return self.encrypted("")

    def encrypted(self, password: str) -> str:
        """PEM of the key under a password; "" encrypts nothing."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password.encode())
            if password
            else serialization.NoEncryption(),
        ).decode()

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write NAME.crt and NAME.key; returns their paths."""
        cert, key = folder / f"{name}.crt", folder / f"{name}.key"
        cert.write_text(self.chain)
        key.write_text(self.key_pem)
        return cert, key


def pem(certificate: x509.Certificate | x509.CertificateRevocationList) -> str:
    """The text of a certificate or list."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


class Authority:
    """Signs certificates; itself a root, or signed by another one."""

    def __init__(self, name: str = "Test CA", above: Authority | None = None) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.above = above
        issuer = above or self
        self.certificate = (
            _builder(self.name, issuer.name, self.key, NOW - DAY, NOW + 365 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    key_cert_sign=True,
                    crl_sign=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .sign(issuer.key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        """The authority's own certificate."""
        return pem(self.certificate)

    def issue(
        self,
        *names: str,
        kind: Kind = "ecdsa",
        key: Key | None = None,
        subject: str | None = None,
        uris: Iterable[str] = (),
        client: bool = False,
        before: dt.datetime = NOW - DAY,
        after: dt.datetime = NOW + 90 * DAY,
    ) -> Pair:
        """A certificate for host names and addresses; without any, one that has only a common name."""
        key = key or new_key(kind)
        common = subject if subject is not None else (names[0] if names else "nobody")
        builder = _builder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)]), self.name, key, before, after
        )
        alternatives = [*map(_alternative, names), *map(x509.UniformResourceIdentifier, uris)]
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )
        above = []
        authority: Authority | None = self
        while authority is not None and authority.above is not None:
            above.append(authority.certificate)
            authority = authority.above
        return Pair(builder.sign(self.key, hashes.SHA256()), key, tuple(above))

    def revoke(self, *pairs: Pair, next_update: dt.datetime = NOW + 30 * DAY) -> str:
        """A revocation list as PEM."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(NOW - DAY)
            .next_update(next_update)
        )
        for pair in pairs:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(pair.certificate.serial_number)
                .revocation_date(NOW - DAY)
                .build()
            )
        return pem(builder.sign(self.key, hashes.SHA256()))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: Key,
    before: dt.datetime,
    after: dt.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(before)
        .not_valid_after(after)
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
