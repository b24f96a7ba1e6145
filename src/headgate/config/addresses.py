"""Addresses as people write them: where listeners bind, endpoints answer and clients come from.

All readers raise `Refusal`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

from headgate.base.errors import Refusal
from headgate.spec import Address

_BIND_HINT = "write host:port, :port, [::]:port, unix:/path or fd:number"
_ENDPOINT_HINT = "write host:port, [::1]:port, unix:/path or https://host"
_SCHEME_PORTS: dict[Literal["http", "https", "h2c"], int] = {"http": 80, "https": 443, "h2c": 80}
_name = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_UNIX_BYTES = 107  # sockaddr_un.sun_path without the final NUL


def parse_bind(text: str) -> Address:
    """Where a socket listens: `0.0.0.0:8080`, `[::]:8080`, `:8080` (all IPv4 addresses), `unix:/run/x.sock`
    or `fd:3` (an inherited descriptor). Port 0 lets the system choose.
    """
    if text.startswith("unix:"):
        return Address(unix=_unix_path(text[5:]))
    if text.startswith("fd:"):
        if not text[3:].isdecimal() or len(text) > 9:
            raise Refusal("names no descriptor", "write fd: and a number, such as fd:3")
        return Address(fd=int(text[3:]))
    host, port = _host_and_port(text, _BIND_HINT, lowest=0)
    if host in ("", "*"):
        host = "0.0.0.0"
    if host == "localhost":
        host = "127.0.0.1"
    try:
        return Address(host=str(ipaddress.ip_address(host)), port=port)
    except ValueError:
        raise Refusal(
            "has a name where an address of this machine is needed",
            "write the address in numbers, such as 127.0.0.1:8080 or [::1]:8080",
        ) from None


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint's address with how it is spoken to."""

    scheme: Literal["http", "https", "h2c"]
    address: Address

    @property
    def name(self) -> str:
        """The address as one writes it, the same for all ways of writing it."""
        text = format_address(self.address)
        return text if self.scheme == "http" else f"{self.scheme}://{text}"


def parse_endpoint(text: str) -> Target:
    """Where an endpoint answers: `127.0.0.1:9001`, `[::1]:9001`, `app.internal:80`, `unix:/run/app.sock`,
    each also with `http://`, `https://` or `h2c://` in front; then the port may be that of the scheme.
    """
    for scheme, port in _SCHEME_PORTS.items():
        if text.lower().startswith(f"{scheme}://"):
            return Target(scheme, _in_url(text[len(scheme) + 3 :], scheme, port))
    if "://" in text:
        raise Refusal("has a scheme that is not known here", "write http://, https:// or h2c://, or none")
    return Target("http", _endpoint(text))


def _in_url(rest: str, scheme: str, port: int) -> Address:
    if rest.startswith("unix:"):
        return Address(unix=_unix_path(rest[5:]))
    authority = re.split(r"[/?#]", rest)[0]
    with_port = authority if re.search(r":[0-9]*$", authority) else f"{authority}:{port}"
    if rest not in (authority, f"{authority}/"):
        raise Refusal(
            "has a path; endpoints are addresses",
            f"write {scheme}://{authority}, and change paths in a route",
        )
    if "@" in authority:
        raise Refusal("has a user or a password", f"write {scheme}:// and the host alone")
    return _endpoint(with_port)


def _endpoint(text: str) -> Address:
    if text.startswith("unix:"):
        return Address(unix=_unix_path(text[5:]))
    host, port = _host_and_port(text, _ENDPOINT_HINT, lowest=1)
    try:
        return Address(host=str(ipaddress.ip_address(host)), port=port)
    except ValueError:
        if not _name.fullmatch(host) or len(host) > 253 or re.fullmatch(r"[0-9.]+", host):
            raise Refusal("has a host that is neither an address nor a name", _ENDPOINT_HINT) from None
    return Address(host=host.lower(), port=port)


def _host_and_port(text: str, hint: str, *, lowest: int) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        if text.isdecimal():
            raise Refusal("is a port without a host", f"write :{text} or 127.0.0.1:{text}")
        raise Refusal("has no port", hint)
    if not (port.isascii() and port.isdecimal()) or len(port) > 5 or not lowest <= int(port) <= 65_535:
        raise Refusal(f"has no port from {lowest} to 65535 after its last colon", hint)
    if host.startswith("[") and host.endswith("]"):
        if ":" not in host:
            raise Refusal("has something else than an IPv6 address in brackets", hint)
        return host[1:-1], int(port)
    if ":" in host:
        raise Refusal("has an IPv6 address without brackets", "write it like [::1]:8080")
    return host, int(port)


def _unix_path(path: str) -> str:
    if not path.startswith(("/", "@")) or len(path) < 2:
        raise Refusal("does not name an absolute path", "write unix:/path or unix:@name")
    if "\0" in path or len(path.encode()) > _UNIX_BYTES:
        raise Refusal(f"is longer than the {_UNIX_BYTES} bytes that the system allows for a socket's path")
    return path


def format_address(address: Address) -> str:
    """The address as one writes it."""
    if address.unix:
        return f"unix:{address.unix}"
    if address.fd >= 0:
        return f"fd:{address.fd}"
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"


def parse_range(text: str) -> str:
    """A range of addresses in CIDR notation, or one address; gives back the full notation."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise Refusal(
            "is not a range of addresses", "write it like 10.0.0.0/8, fd00::/8 or 192.0.2.1"
        ) from None
    raise Refusal("has bits set behind its prefix", f"write {network}, or a single address without /")
