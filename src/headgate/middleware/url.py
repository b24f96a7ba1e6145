"""Addresses that `worker.fetch` takes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PORTS = {"http": "80", "https": "443"}
_url = re.compile(
    r"(?:service://(?P<service>[A-Za-z0-9][A-Za-z0-9_.-]*)"
    r"|(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::(?P<port>[0-9]{1,5}))?)"
    r"(?P<path>/[!-\"$->@-~]*)?(?:\?(?P<query>[!-\"$-~]*))?",
)


@dataclass(frozen=True, slots=True)
class Url:
    """An address in parts. `service`: the one that is asked; of an origin, one that was made for it."""

    service: str
    origin: str  # as an endpoint is written; "" of a service of the file
    host: str  # for the field Host; "" is the service's own
    path: str
    query: str | None

    def __str__(self) -> str:
        """Without the query, which may hold secrets."""
        return f"{self.origin or 'service://' + self.service}{self.path}"


def parse_url(text: str) -> Url:
    """The parts of `http(s)://host[:port]/path` or `service://NAME/path`. Raises ValueError."""
    found = _url.fullmatch(text)
    if found is None:
        raise ValueError("is no URL: write for example https://keys.example.com/path, or service://NAME/path")
    path, query = found["path"] or "/", found["query"]
    if found["service"]:
        return Url(found["service"], "", "", path, query)
    scheme, host = found["scheme"], found["host"].lower()
    port = found["port"] or _PORTS[scheme]
    return Url(
        service=f"fetch:{scheme}:{host}:{port}",
        origin=f"{scheme}://{host}:{port}",
        host=host if port == _PORTS[scheme] else f"{host}:{port}",
        path=path,
        query=query,
    )
