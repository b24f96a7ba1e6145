"""Scenes that many tests begin with."""

from __future__ import annotations

from typing import NamedTuple

from support import Backend, Message, RawClient, Wire

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Exchange(NamedTuple):
    """One exchange that went through: what each end received, and the upstream connection."""

    request: Message
    response: Message
    upstream: Wire


def request(*lines: str, start: str = "GET / HTTP/1.1", host: str | None = "a", body: bytes = b"") -> bytes:
    """The bytes of a request."""
    hosts = [] if host is None else [f"Host: {host}"]
    return "\r\n".join([start, *hosts, *lines, "", ""]).encode("latin-1") + body


def response(*lines: str, start: str = "HTTP/1.1 200 OK", body: bytes | None = None) -> bytes:
    """The bytes of a response; with a body also its Content-Length."""
    length = [] if body is None else [f"Content-Length: {len(body)}"]
    return "\r\n".join([start, *lines, *length, "", ""]).encode("latin-1") + (body or b"")


def chunked(*lines: str, start: str = "HTTP/1.1 200 OK", body: bytes) -> bytes:
    """The bytes of a response whose body, with its chunk framing, is given."""
    return response("Transfer-Encoding: chunked", *lines, start=start) + body


def run(client: RawClient, backend: Backend, asked: bytes = GET, answer: bytes = OK) -> Exchange:
    """A whole exchange over a fresh upstream connection."""
    client.send(asked)
    upstream = backend.accept()
    seen = upstream.request()
    upstream.send(answer)
    method = asked.split(b" ", 1)[0].decode("latin-1")
    return Exchange(seen, client.final(method), upstream)


def again(client: RawClient, upstream: Wire, asked: bytes = GET, answer: bytes = OK) -> Exchange:
    """A whole exchange over an upstream connection that is open already."""
    client.send(asked)
    seen = upstream.request()
    upstream.send(answer)
    method = asked.split(b" ", 1)[0].decode("latin-1")
    return Exchange(seen, client.final(method), upstream)


def answer_or_forward(client: RawClient, backend: Backend, asked: bytes) -> tuple[Message, Message | None]:
    """What a gateway may answer itself or pass on: the answer, and the request when the backend saw one."""
    client.send(asked)
    if backend.untouched(0.2):
        return client.final(), None
    upstream = backend.wires[-1]
    seen = upstream.request()
    upstream.send(OK)
    return client.final(), seen
