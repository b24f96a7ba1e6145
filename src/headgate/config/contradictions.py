"""What contradicts itself in how a listener or a service speaks: TLS, PROXY protocol, redirects to https."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.base.errors import Refusal
from headgate.base.units import parse_duration
from headgate.config.addresses import Target, parse_endpoint
from headgate.config.plain import is_on, items, mapping, section, shown
from headgate.config.problems import quoted
from headgate.config.profiles import PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.config.document import Document
    from headgate.config.problems import Problem

_YEAR = 365 * 86_400
# Fields that Headgate or the protocol writes; a client's identity cannot go there.
_TAKEN = frozenset(
    {
        "connection",
        "content-length",
        "forwarded",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-forwarded-client-cert",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-real-ip",
        "x-request-id",
    }
)

Path = tuple[str | int, ...]


def errors_of_listeners(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    """What cannot be as it is written."""
    for name, listener in mapping(data.get("listeners")).items():
        path: Path = ("listeners", name)
        yield from _https(path, mapping(listener), document)
        tls = mapping(mapping(listener).get("tls"))
        yield from _versions((*path, "tls"), tls, document)
        yield from _clients((*path, "tls"), tls, document)
        protocol = mapping(mapping(listener).get("proxy_protocol"))
        if protocol.get("from") in ([], ()):
            yield document.problem(
                (*path, "proxy_protocol", "from"),
                "the list is empty, so that nobody could connect",
                "name the balancers in front, or write `proxy_protocol: off`",
            )


def _https(path: Path, listener: dict[str, Any], document: Document) -> Iterator[Problem]:
    has_tls = listener.get("tls") is not None
    if has_tls and _on(listener, "https_redirect"):
        yield document.problem(
            (*path, "https_redirect"),
            "this listener speaks TLS, so that its requests have https already",
            "set it on the listener in clear",
            key=True,
        )
    if not has_tls and _on(listener, "hsts"):
        yield document.problem(
            (*path, "hsts"),
            "browsers ignore the field on a listener without TLS",
            "set it on the listener with TLS",
            key=True,
        )


def _on(listener: dict[str, Any], key: str) -> bool:
    """A section that does not say whether it is on is on when it is there."""
    return listener.get(key) is not None and is_on(section(listener[key], "enabled").get("enabled", True))


def _versions(path: Path, tls: dict[str, Any], document: Document) -> Iterator[Problem]:
    profile, version = tls.get("profile", "intermediate"), tls.get("min_version")
    if not isinstance(profile, str) or profile not in PROFILES or version is None:
        return
    version = getattr(version, "text", None) or str(version)
    lowest = PROFILES[profile].min_version
    if version in ("1.0", "1.1", "1.2", "1.3") and version < lowest:
        fits = "old" if version < "1.2" else "intermediate"
        yield document.problem(
            (*path, "min_version"),
            f"the profile {profile} begins with TLS {lowest}",
            f"write `profile: {fits}`, or a min_version from {lowest} on",
        )


def _clients(path: Path, tls: dict[str, Any], document: Document) -> Iterator[Problem]:
    general = section(tls.get("client_certificates"), "mode")
    if tls.get("client_certificates") is not None:
        yield from _asked((*path, "client_certificates"), general, general, document)
    for name, site in mapping(tls.get("sites")).items():
        own = mapping(site).get("client_certificates")
        if own is not None:
            own = {key: value for key, value in section(own, "mode").items() if value is not None}
            yield from _asked((*path, "sites", name, "client_certificates"), own, general | own, document)


def _asked(path: Path, own: dict[str, Any], whole: dict[str, Any], document: Document) -> Iterator[Problem]:
    if whole.get("mode") in (None, "require", "request") and not whole.get("ca"):
        yield document.problem(path, '"ca" is missing', "write for example `ca: clients-ca.crt`")
    for name in mapping(own.get("headers")):
        if str(name).lower() in _TAKEN:
            hint = (
                "`forward` says what is in it" if "client-cert" in str(name).lower() else "take another name"
            )
            message = f"{quoted(str(name))} is written by Headgate itself"
            yield document.problem((*path, "headers", name), message, hint, key=True)


def errors_of_services(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    """What cannot be as it is written."""
    for name, service in mapping(data.get("services")).items():
        path: Path = ("services", name)
        tls = mapping(mapping(service).get("tls"))
        if tls.get("key") and not tls.get("certificate"):
            yield document.problem(
                (*path, "tls", "key"),
                "there is a key without its certificate",
                "write for example `certificate: client.crt`",
                key=True,
            )
        yield from _balance(document, name, section(mapping(service).get("balance"), "algorithm"))
        header = section(mapping(service).get("proxy_protocol"), "version")
        if header.get("version") == "v1" and header.get("tlvs"):
            yield document.problem(
                (*path, "proxy_protocol", "tlvs"),
                "version 1 of the PROXY protocol says addresses only",
                "write `version: v2`, or remove it",
                key=True,
            )
        verified = is_on(tls.get("verify", "on"))
        for index, target in _targets(service):
            if header.get("version", "off") not in ("off", False) and target.scheme == "h2c":
                yield document.problem(
                    (*path, "endpoints", index),
                    "a connection of HTTP/2 carries many clients, of whom the PROXY protocol names one",
                    "write it without a scheme or with https://, or `proxy_protocol: off`",
                )
            nameless = target.scheme == "https" and target.address.unix and not tls.get("server_name")
            if nameless and verified:
                yield document.problem(
                    (*path, "endpoints", index),
                    "a unix socket has no name that a certificate could have",
                    "write for example `tls: { server_name: app.internal }` for this service",
                )


def _targets(service: Any) -> Iterator[tuple[int, Target]]:
    for index, endpoint in enumerate(items(mapping(service).get("endpoints"))):
        address = endpoint.get("address") if isinstance(endpoint, dict) else endpoint
        try:
            if isinstance(address, str):
                yield index, parse_endpoint(address)
        except Refusal:
            continue  # the models say it


def warnings_of_listeners(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    """What is possible but hardly meant."""
    for name, listener in mapping(data.get("listeners")).items():
        hsts = mapping(mapping(listener).get("hsts"))
        if is_on(hsts.get("preload")) and not (is_on(hsts.get("include_subdomains")) and _a_year(hsts)):
            yield document.problem(
                ("listeners", name, "hsts", "preload"),
                "browsers take names into their list with subdomains and for a year at least",
                "write `include_subdomains: on` and a max_age from 365d on",
                warning=True,
            )


def _a_year(hsts: dict[str, Any]) -> bool:
    age = hsts.get("max_age", "730d")
    try:
        return (age.total_seconds() if hasattr(age, "total_seconds") else parse_duration(str(age))) >= _YEAR
    except Refusal:
        return True  # the models say it


def warnings_of_services(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    """What is possible but hardly meant."""
    for name, service in mapping(data.get("services")).items():
        tls = mapping(mapping(service).get("tls"))
        path: Path = ("services", name, "tls")
        encrypted = any(target.scheme == "https" for _, target in _targets(service))
        if tls and not encrypted:
            yield document.problem(
                path,
                "no endpoint of this service begins with https://, so that nothing of this is used",
                "write for example `endpoints: [https://app.internal]`",
                key=True,
                warning=True,
            )
        elif encrypted and tls.get("verify") in ("off", False):
            yield document.problem(
                (*path, "verify"),
                f"{shown(document, (*path, 'verify'), 'off')}: whoever is between Headgate and the endpoints "
                "can read and change everything",
                "name their authority as `ca`, and remove this",
                warning=True,
            )


def _balance(document: Document, service: str, balance: dict[str, Any]) -> Iterator[Problem]:
    """What is said of keys where there are none."""
    algorithm = balance.get("algorithm", "round_robin")
    keyed = {"consistent_hash": {"key", "table", "bounded_load"}, "rendezvous": {"key", "bounded_load"}}
    known = keyed.get(algorithm, {"bounded_load"} if algorithm == "ip_hash" else set())
    for key in ("key", "table", "bounded_load"):
        if balance.get(key) not in (None, "off") and key not in known:
            yield document.problem(
                ("services", service, "balance", key),
                f"{algorithm} takes no notice of it",
                "write `algorithm: consistent_hash`, or remove it",
                key=True,
            )
