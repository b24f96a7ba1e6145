"""Contexts of TLS for connections to endpoints: workers send exchanges there, the controller probes."""

from __future__ import annotations

import ssl
from pathlib import Path

from headgate.base.files import secret_file

VERSIONS = {
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


def client_context(
    *, verify: bool, ca: str, pair: tuple[str, str] | None, min_version: str, alpn: tuple[str, ...]
) -> ssl.SSLContext:
    """A context that believes `ca` (PEM; "" is the system's) and shows `pair`, chain and key, when asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    say(context, min_version, alpn)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca:
        trust(context, ca)
    else:
        _trust_system(context)
    if pair is not None:
        load(context, *pair)
    return context


def say(context: ssl.SSLContext, min_version: str, alpn: tuple[str, ...]) -> None:
    """Set how a context speaks."""
    context.minimum_version = VERSIONS[min_version]
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # An end without close_notify is a truncation, and whoever reads wants to know.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    context.set_alpn_protocols(list(alpn))


def load(context: ssl.SSLContext, chain: str, key: str) -> None:
    """Have it present a certificate."""
    with secret_file(chain) as chain_file, secret_file(key) as key_file:
        context.load_cert_chain(chain_file, key_file, password=_no_password)


def _no_password() -> str:
    """OpenSSL would ask on the terminal; keys in a snapshot are not encrypted."""
    raise ValueError("the key is encrypted")


def trust(context: ssl.SSLContext, authorities: str) -> None:
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
