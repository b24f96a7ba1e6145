"""Who a client is by its certificate, as fields for the endpoint.

X-Forwarded-Client-Cert is written as Envoy does: `Hash=...;Subject="...";URI=...;DNS=...`. Certificates are
read by `cryptography`, which a worker imports only when a listener asks for them.
"""

from __future__ import annotations

import binascii
import hashlib
import urllib.parse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

    from headgate import spec

XFCC = b"X-Forwarded-Client-Cert"
# The names of facts in X-Forwarded-Client-Cert.
_KEYS = {
    "hash": "Hash",
    "cert": "Cert",
    "chain": "Chain",
    "subject": "Subject",
    "issuer": "Issuer",
    "serial": "Serial",
    "uri": "URI",
    "dns": "DNS",
    "not_after": "NotAfter",
}


def identity_fields(clients: spec.ClientCertificates, chain: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """Names and values of the fields. `chain`: certificates as DER, the client's first; [] for none."""
    if not chain:
        return []
    facts = _Facts(chain)
    fields = []
    if clients.forward:
        elements = [f"{_KEYS[fact]}={_quoted(text)}" for fact in clients.forward for text in facts.all(fact)]
        fields.append((XFCC, ";".join(elements)))
    fields += [(name.title().encode(), ",".join(facts.all(fact))) for name, fact in clients.headers]
    return [(name, _field_value(value)) for name, value in fields if value]


def common_name(certificate: bytes) -> str:
    """The subject's common name of a certificate (DER); "" without."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    names = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


class _Facts:
    """What a certificate says, as texts."""

    def __init__(self, chain: Sequence[bytes]) -> None:
        from cryptography import x509

        self._chain = chain
        self._certificate = x509.load_der_x509_certificate(chain[0])

    def all(self, fact: str) -> list[str]:
        """The texts of a fact; [] when the certificate does not have it."""
        return [text for text in _READERS[fact](self._chain, self._certificate) if text]


def _names(certificate: x509.Certificate, kind: str) -> list[str]:
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    sort = x509.DNSName if kind == "dns" else x509.UniformResourceIdentifier
    return [str(name) for name in names.get_values_for_type(sort)]


def _pem(chain: Sequence[bytes]) -> str:
    """As PEM, percent-encoded."""
    texts = []
    for certificate in chain:
        lines = binascii.b2a_base64(certificate, newline=False).decode()
        body = "\n".join(lines[at : at + 64] for at in range(0, len(lines), 64))
        texts.append(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    return urllib.parse.quote("".join(texts), safe="")


_READERS: dict[str, Callable[[Sequence[bytes], x509.Certificate], list[str]]] = {
    "hash": lambda chain, _: [hashlib.sha256(chain[0]).hexdigest()],
    "cert": lambda chain, _: [_pem(chain[:1])],
    "chain": lambda chain, _: [_pem(chain)],
    "subject": lambda _, certificate: [certificate.subject.rfc4514_string()],
    "issuer": lambda _, certificate: [certificate.issuer.rfc4514_string()],
    "serial": lambda _, certificate: [f"{certificate.serial_number:x}"],
    "uri": lambda _, certificate: _names(certificate, "uri"),
    "dns": lambda _, certificate: _names(certificate, "dns"),
    "not_after": lambda _, certificate: [certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")],
}


def _quoted(text: str) -> str:
    """In quotes where the text has what separates elements."""
    if not any(mark in text for mark in ',;="\\ '):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _field_value(text: str) -> bytes:
    """A certificate is not ours: what could end the line, or is no ASCII, is percent-encoded."""
    data = text.encode("utf-8", "replace")
    return b"".join(bytes([byte]) if 0x20 <= byte <= 0x7E else b"%%%02X" % byte for byte in data)
