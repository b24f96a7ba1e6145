"""The TLS parts of a configuration as those of a snapshot: what is inherited is filled in, choices by name
are resolved, paths are whole. Nothing is read here: the PEM texts are still empty.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headgate import spec
from headgate.config.profiles import PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headgate.config import model as written


def listener_tls(
    tls: written.ListenerTls, folder: str, hosts: Iterable[str], *, http2: bool
) -> spec.ListenerTls:
    """What a listener does. `hosts` are those of its routes, for certificates that are made here."""
    profile = PROFILES[tls.profile]
    pairs = _pairs(tls.certificates, folder) or (spec.Certificate(names=tuple(hosts)),)
    sites = [
        spec.TlsSite(
            names=(name,),
            certificates=_pairs(site.certificates, folder) if site.certificates else pairs,
            clients=_clients(inherited(site.client_certificates, tls.client_certificates), folder),
        )
        for name, site in tls.sites.items()
    ]
    everything_else = spec.TlsSite(certificates=pairs, clients=_clients(tls.client_certificates, folder))
    return spec.ListenerTls(
        sites=(everything_else, *sites),
        min_version=tls.min_version or profile.min_version,
        ciphers=profile.ciphers,
        server_order=profile.server_order,
        strict_sni=tls.strict_sni,
        session_tickets=tls.session_tickets,
        alpn=_alpn(http2=http2),
    )


def inherited(
    clients: written.ClientCertificates | None, above: written.ClientCertificates | None
) -> written.ClientCertificates | None:
    """What a site asks for: each key that it does not set is the listener's."""
    if clients is None or above is None:
        return clients or above
    return above.model_copy(update={key: value for key, value in clients if value is not None})


def service_tls(tls: written.ServiceTls, folder: str, *, one_client: bool) -> spec.ServiceTls:
    """How the endpoints with https are spoken to; with `one_client` on each connection, not over HTTP/2."""
    certificate = None
    if tls.certificate is not None:
        certificate = spec.Certificate(
            cert_file=_whole(folder, tls.certificate), key_file=_whole(folder, tls.key or tls.certificate)
        )
    return spec.ServiceTls(
        verify=tls.verify,
        ca_file=_whole(folder, tls.ca),
        server_name=tls.server_name or "",
        certificate=certificate,
        min_version=tls.min_version,
        alpn=_alpn(http2=tls.http2 and not one_client),
    )


def identity_fields(listeners: Iterable[written.Listener]) -> tuple[str, ...]:
    """All fields that carry a client's identity on some listener: no client may set them on any."""
    names = {"x-forwarded-client-cert"}
    for listener in listeners:
        for clients in _all_clients(listener.tls):
            names.update(clients.headers or ())
    return tuple(sorted(names))


def _all_clients(tls: written.ListenerTls | None) -> Iterator[written.ClientCertificates]:
    if tls is not None:
        for clients in (tls.client_certificates, *(site.client_certificates for site in tls.sites.values())):
            if clients is not None:
                yield clients


def _pairs(pairs: Iterable[written.CertificatePair], folder: str) -> tuple[spec.Certificate, ...]:
    return tuple(
        spec.Certificate(cert_file=_whole(folder, pair.cert), key_file=_whole(folder, pair.key or pair.cert))
        for pair in pairs
    )


def _clients(clients: written.ClientCertificates | None, folder: str) -> spec.ClientCertificates | None:
    if clients is None or clients.mode == "off":
        return None
    default = spec.ClientCertificates()
    return spec.ClientCertificates(
        mode=clients.mode or default.mode,
        ca_file=_whole(folder, clients.ca),
        crl_file=_whole(folder, clients.crl),
        depth=default.depth if clients.depth is None else clients.depth,
        forward=default.forward if clients.forward is None else clients.forward,
        headers=tuple((clients.headers or {}).items()),
    )


def _alpn(*, http2: bool) -> tuple[str, ...]:
    return ("h2", "http/1.1") if http2 else ("http/1.1",)


def _whole(folder: str, path: str | None) -> str:
    return str(Path(folder, path)) if path else ""
