"""The field that tells caches what an answer depends on."""

from __future__ import annotations

from headgate.middleware.message import Headers


def vary(headers: Headers, name: str) -> None:
    """Say that a response depends on a field of the request (RFC 9110 section 12.5.5)."""
    known = headers.get("vary")
    if known is None:
        headers["Vary"] = name
    elif name.lower() not in [part.strip().lower() for part in known.split(",")] and known.strip() != "*":
        headers["Vary"] = f"{known}, {name}"
