"""PEM files: read, parsed, and refused with a reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from headgate.controller.certificates.findings import Broken

MOST_BYTES = 4 * 1024 * 1024  # of one file; the bundle of a whole system has a quarter of a megabyte

_block = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,64})-----\s.*?-----END \1-----[ \t]*(?:\r?\n|$)", re.DOTALL)
_Parsed = TypeVar("_Parsed")


def read_text(file: str) -> str:
    """The text of a file. Raises Broken."""
    try:
        with Path(file).open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "let the user that Headgate runs as read it" if isinstance(error, PermissionError) else ""
        raise Broken(f"cannot read {file}: {reason}", hint) from None
    except ValueError:
        raise Broken(f"cannot read {file}: no file has such a name") from None
    if len(data) > MOST_BYTES:
        raise Broken(f"{file} has more than {MOST_BYTES} bytes")
    if data[:2] == b"\x30\x82":
        raise Broken(f"{file} is in DER, not in PEM", f"openssl x509 -inform der -in {file} -out FILE")
    return data.decode("latin-1")  # comments may be in anything


def blocks(text: str, *kinds: str) -> list[str]:
    """The PEM blocks of these kinds, in their order."""
    return [match[0].rstrip() + "\n" for match in _block.finditer(text) if match[1] in kinds]


def certificates(file: str, text: str) -> list[x509.Certificate]:
    """All certificates in a file, at least one. Raises Broken."""
    found = blocks(text, "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
    if not found:
        raise Broken(f"{file} has no certificate", "it must have PEM text, -----BEGIN CERTIFICATE-----")
    return [
        _parsed(x509.load_pem_x509_certificate, block, f"certificate {number} of {file} cannot be read")
        for number, block in enumerate(found, 1)
    ]


def revocation_lists(file: str, text: str) -> list[x509.CertificateRevocationList]:
    """All revocation lists in a file, at least one. Raises Broken."""
    found = blocks(text, "X509 CRL")
    if not found:
        raise Broken(f"{file} has no revocation list", "it must have PEM text, -----BEGIN X509 CRL-----")
    return [
        _parsed(x509.load_pem_x509_crl, block, f"revocation list {number} of {file} cannot be read")
        for number, block in enumerate(found, 1)
    ]


def private_key(file: str, text: str) -> tuple[str, PrivateKeyTypes]:
    """The private key in a file, as text and as an object. Raises Broken."""
    found = [
        block for match in _block.finditer(text) if match[1].endswith("PRIVATE KEY") for block in [match[0]]
    ]
    if not found:
        raise Broken(f"{file} has no private key", "it must have PEM text, -----BEGIN PRIVATE KEY-----")
    if len(found) > 1:
        raise Broken(f"{file} has {len(found)} private keys", "leave the one that belongs to the certificate")
    block = found[0]
    if "BEGIN ENCRYPTED" in block or "Proc-Type: 4,ENCRYPTED" in block:
        raise Broken(
            f"{file} is encrypted, and there is nobody to ask for its password",
            f"openssl pkey -in {file} -out FILE, and let only Headgate's user read FILE",
        )
    key = _parsed(lambda data: load_pem_private_key(data, None), block, f"the key in {file} cannot be read")
    return block.rstrip() + "\n", key


def _parsed(parse: Callable[[bytes], _Parsed], block: str, what: str) -> _Parsed:
    """What the block holds. What the parser says of a key is not repeated: nobody knows what is in it."""
    try:
        return parse(block.encode("latin-1"))
    except UnsupportedAlgorithm:
        raise Broken(f"{what}: its algorithm is not supported") from None
    except (ValueError, TypeError):
        raise Broken(f"{what}: it is damaged") from None


def text_of(parsed: list[x509.Certificate] | list[x509.CertificateRevocationList]) -> str:
    """PEM without comments."""
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in parsed)
