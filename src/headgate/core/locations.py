"""Where a redirect leads: the address of a request with parts of it replaced by templates.

A template has names in braces, such as `/new{path}`. What clients send goes into its places, and is no
template itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

PARTS = ("scheme", "host", "port", "path", "query")

_HOST = re.compile(r"[0-9A-Za-z._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\]")
_PLACE = re.compile(r"\{(\w+)\}")


class Destination(Protocol):
    """Parts of a new address; "", None and 0 are kept from the request, but an empty query drops it."""

    @property
    def scheme(self) -> str | None: ...
    @property
    def host(self) -> str | None: ...
    @property
    def port(self) -> int | None: ...
    @property
    def path(self) -> str | None: ...
    @property
    def query(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Address:
    """What a request asked for. `port` is -1 when the client named none, `path` is in normal form."""

    scheme: str
    host: str
    port: int
    path: str
    query: str | None


def location(destination: Destination, asked: Address, captures: Mapping[str, str]) -> bytes | None:
    """A URL for Location. None when the host is none, for what a template took over from the path."""
    values = {
        "scheme": asked.scheme,
        "host": asked.host,
        "port": str(asked.port) if asked.port >= 0 else "",
        "path": asked.path,
        "query": asked.query or "",
        **captures,
    }
    scheme = destination.scheme or asked.scheme
    host = fill(destination.host or "", values).lower() or asked.host
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    if host and not _HOST.fullmatch(host):
        return None
    # A port belongs to its scheme: another scheme or host does not keep it.
    port = destination.port or (asked.port if not destination.host and scheme == asked.scheme else -1)
    default = 443 if scheme == "https" else 80
    authority = host if port in (-1, 0, default) else f"{host}:{port}"
    # One slash in front: without it the path would go on with the host, and with two of them, behind
    # no host, it would begin with one.
    rest = "/" + (fill(destination.path or "", values) or values["path"]).removeprefix("/")
    wanted = asked.query if destination.query is None else fill(destination.query, values)
    if wanted:
        rest += "?" + wanted
    return safe(f"{scheme}://{authority}{rest}" if host else "/" + rest.lstrip("/"))


def names_in(template: str) -> set[str]:
    """The names in braces."""
    return set(_PLACE.findall(template))


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with its {names} replaced, once; an unknown name stays as it stands."""
    return _PLACE.sub(lambda found: values.get(found[1], found[0]), template)


def safe(text: str) -> bytes:
    """A field value: no byte that could end the line (response splitting), only ASCII."""
    return b"".join(
        bytes([byte]) if 0x21 <= byte <= 0x7E else b"%%%02X" % byte
        for byte in text.encode("utf-8", "replace")
    )
