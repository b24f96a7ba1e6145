"""The local authority: made once, it signs the certificates of `tls: internal`.

It lives in one file with its key, which is put in place whole: two processes that start at the same time end
up with the same one. What it signs is kept in memory only; a snapshot carries it on.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import os
import re
import socket
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from headgate import spec
from headgate.controller.certificates.findings import Broken
from headgate.controller.certificates.pairs import names_of

AUTHORITY_LIFE = dt.timedelta(days=3650)
LEAF_LIFE = dt.timedelta(days=90)
_EARLY = dt.timedelta(hours=1)  # clocks of clients may be behind
_FILE = "authority.pem"  # certificate and key
_ROOT_FILE = "authority.crt"  # the certificate, for those who shall believe it

_host = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?")


def state_folder(setting: str = "", environ: Mapping[str, str] = os.environ) -> Path:
    """Where Headgate keeps what must outlive it."""
    if named := environ.get("HEADGATE_STATE") or setting:
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/lib/headgate")
    base = environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "headgate"


@dataclass(frozen=True, slots=True)
class Authority:
    """A root and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    folder: Path

    @classmethod
    def open(cls, folder: Path, now: dt.datetime | None = None) -> Authority:
        """The authority of a folder; made when there is none, or when its time is over. Raises Broken."""
        now = now or dt.datetime.now(dt.UTC)
        file = folder / _FILE
        try:
            if not file.exists():
                _make(folder, now)
            authority = cls._read(file)
            if authority.certificate.not_valid_after_utc - now < LEAF_LIFE:
                file.unlink()
                _make(folder, now)
                authority = cls._read(file)
            authority._show_root()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Broken(
                f"the local authority cannot be kept in {folder}: {reason}",
                "name another folder as process.state, or in HEADGATE_STATE",
            ) from None
        return authority

    @classmethod
    def _read(cls, file: Path) -> Authority:
        data = file.read_bytes()
        try:
            key = load_pem_private_key(data, None)
            certificate = x509.load_pem_x509_certificate(data)
        except (ValueError, TypeError):
            raise Broken(f"{file} is damaged", "remove it, and a new authority is made") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Broken(f"{file} has a key that Headgate did not make", "remove it")
        return cls(certificate, key, file.parent)

    @property
    def root_file(self) -> Path:
        """The file with the certificate alone."""
        return self.folder / _ROOT_FILE

    @property
    def root(self) -> str:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as browsers show it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    def _show_root(self) -> None:
        if not self.root_file.exists() or self.root_file.read_text() != self.root:
            _put(self.root_file, self.root, replace=True)

    def give(self, uid: int, gid: int) -> None:
        """Let a user whom this process is about to become go on with it. Raises OSError."""
        for path in (self.folder, self.folder / _FILE, self.root_file):
            os.chown(path, uid, gid)

    def issue(self, hosts: Iterable[str], now: dt.datetime) -> spec.Certificate:
        """A certificate for hosts and for what this machine is called."""
        names = _names(hosts)
        key = ec.generate_private_key(ec.SECP256R1())
        common = next((name for name in names if len(name) <= 64), "headgate")
        end = min(now + LEAF_LIFE, self.certificate.not_valid_after_utc)
        certificate = (
            _builder(common, self.certificate.subject, key, now - _EARLY, end)
            .add_extension(
                x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )
        return spec.Certificate(
            chain=certificate.public_bytes(Encoding.PEM).decode(),
            key=spec.Secret(_key_text(key)),
            kind="ecdsa",
            names=names_of(certificate),
            not_after=int(end.timestamp()),
        )

    def has_issued(self, certificate: spec.Certificate, hosts: Iterable[str], now: dt.datetime) -> bool:
        """Whether a certificate is still good for these hosts, and not due to be renewed."""
        if not certificate.chain or set(_names(hosts)) != set(certificate.names):
            return False
        if certificate.not_after - now.timestamp() < LEAF_LIFE.total_seconds() / 3:
            return False
        leaf = x509.load_pem_x509_certificate(certificate.chain.encode())
        try:
            leaf.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True


def _names(hosts: Iterable[str]) -> list[str]:
    machine = socket.gethostname().lower()
    plain = [host.strip("[]") for host in hosts]
    known = dict.fromkeys([*plain, "localhost", machine, "127.0.0.1", "::1"])
    return [name for name in known if _is_address(name) or _host.fullmatch(name)]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _alternative(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if _is_address(name) else x509.DNSName(name)


def _make(folder: Path, now: dt.datetime) -> None:
    """A new authority, unless somebody else puts one there first."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = f"Headgate local authority of {socket.gethostname()}"[:64]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(name, subject, key, now - _EARLY, now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = certificate.public_bytes(Encoding.PEM).decode() + _key_text(key)
    _put(folder / _FILE, text, replace=False)


def _builder(
    common: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begin: dt.datetime, end: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _put(file: Path, text: str, *, replace: bool) -> None:
    """Put a file in place as a whole, readable for its user only; one that is there stays, or is replaced."""
    fd, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(fd, "w") as opened:
            opened.write(text)
        if replace:
            Path(draft).replace(file)
            return
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
    finally:
        Path(draft).unlink(missing_ok=True)
