"""Answers of our own: errors, redirects, fixed responses, TRACE."""

from __future__ import annotations

import html
import json
from http import HTTPStatus
from typing import TYPE_CHECKING

from headgate.core import paths
from headgate.core.accepting import wants_json
from headgate.core.locations import Address, location

if TYPE_CHECKING:
    from headgate import spec
    from headgate.core.head import Head

Reply = tuple[int, list[tuple[bytes, bytes]], bytes]

ALLOW = b"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, TRACE"

# What a person reads; the cause itself is in Proxy-Status, in the words of RFC 9209.
_SENTENCES = {
    400: "The request could not be understood, so it was not passed on.",
    404: "There is nothing here under this address.",
    405: "This method is not served here.",
    408: "The request did not arrive in time.",
    413: "The request body is larger than is allowed here.",
    414: "The address is longer than is allowed here.",
    417: "The expectation of the request cannot be met.",
    421: "This connection does not serve that host.",
    429: "There are too many requests or connections from this client.",
    431: "The request header is larger than is allowed here.",
    501: "The request uses a feature that is not supported here.",
    502: "The server behind this gateway did not give a usable answer.",
    503: "The service is not available right now.",
    504: "The server behind this gateway did not answer in time.",
    505: "This version of HTTP is not supported here.",
}
# Where a status says too little, by what the log says of it.
_EXPLAINED = {
    b"plain HTTP on a listener that speaks TLS": "Plain HTTP came to a port that speaks TLS: ask with https.",
}
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
_SECRET_FIELDS = (b"authorization", b"cookie", b"proxy-authorization")


def phrase(status: int) -> bytes:
    """The reason phrase of a status; b"" for one without a name. The bytes live as long as the module."""
    return _PHRASES.get(status, b"")


def proxy_status(reason: bytes) -> tuple[bytes, bytes]:
    """The field that says why (RFC 9209); `reason` is an error type of its section 2.3."""
    return b"Proxy-Status", b"headgate; error=" + reason


def sentence(status: int, detail: bytes | None) -> str:
    """What an error says to a person."""
    known = _EXPLAINED.get(detail or b"") or _SENTENCES.get(status)
    return known or _PHRASES.get(status, b"Error").decode()


def error(
    status: int, reason: bytes, accept: bytes, request_id: bytes | None, detail: bytes | None = None
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Fields and body of an error: JSON when the client asks for it before HTML, else a small page.

    `reason` is an error type of RFC 9209 section 2.3 and goes into Proxy-Status.
    """
    title = _PHRASES.get(status, b"Error").decode()
    said = sentence(status, detail)
    fields = [proxy_status(reason), (b"Cache-Control", b"no-store")]
    if status == 405:
        fields.append((b"Allow", ALLOW))
    identity = request_id.decode("latin-1") if request_id else ""
    if wants_json(accept):
        content = {"status": status, "title": title, "detail": said}
        if identity:
            content["request_id"] = identity
        fields.append((b"Content-Type", b"application/json"))
        return fields, json.dumps(content).encode() + b"\n"
    fields.append((b"Content-Type", b"text/html; charset=utf-8"))
    note = f"<p><small>{html.escape(identity)}</small></p>" if identity else ""
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{status} {title}</title>'
        f"<h1>{status} {title}</h1><p>{said}</p>{note}</html>\n"
    )
    return fields, page.encode()


def redirect(
    action: spec.Redirect,
    scheme: str | bytes,
    host: str,
    port: int,
    path: bytes,
    query: str | None,
    captures: dict[str, str],
) -> Reply:
    """The answer of a redirecting route. Parts that it does not name are kept from the request.

    A host that is none, for what a template took over from the path, is answered with 404.
    """
    asked = Address(
        scheme.decode() if isinstance(scheme, bytes) else scheme, host, port, path.decode("latin-1"), query
    )
    target = location(action, asked, captures)
    if target is None:
        fields, body = error(404, b"destination_not_found", b"", None)
        return 404, fields, body
    return action.status, [(b"Location", target)], b""


def respond(action: spec.Respond) -> Reply:
    """The fixed answer of a route."""
    fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in action.headers]
    body = action.body.encode()
    if body and not any(name.lower() == b"content-type" for name, _ in fields):
        fields.append((b"Content-Type", b"text/plain; charset=utf-8"))
    return action.status, fields, body


def trace(head: Head) -> bytes:
    """The request as it came, without what could be secret (RFC 9110 section 9.3.8)."""
    lines = [f"{head.method_name} {head.target_text} HTTP/1.1".encode("latin-1")]
    lines += [name + b": " + value for name, value in head.items() if name.lower() not in _SECRET_FIELDS]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def normalised(path: bytes, policy: int) -> bytes | None:
    """A rewritten path in normal form; None when it is refused."""
    try:
        return paths.normalise_path(path, policy)
    except ValueError:
        return None
