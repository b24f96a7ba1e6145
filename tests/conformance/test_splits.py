"""The same messages whatever the split of the bytes: each cut in two at every place, and byte by byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.plays import GET, chunked, request, response, run

if TYPE_CHECKING:
    from support import Backend, Message, RawClient, Wire

CHUNKS = b"5;a=b\r\nhello\r\nA\r\n 0123456\r\n\r\n0\r\nX-Sum: 1\r\nX-b:\r\n\r\n"
BODY = b"hello 0123456\r\n"

REQUESTS = {
    "no body": request("X-A: b", "TE: trailers", "Connection: TE", start="GET /a?b HTTP/1.1"),
    "length": request("Content-Length: 15", start="POST / HTTP/1.1", body=BODY),
    "chunks": request("Transfer-Encoding: chunked", start="POST / HTTP/1.1", body=CHUNKS),
    "absolute": request(
        "Expect: 100-continue", "Content-Length: 2", start="PUT http://a/b HTTP/1.1", body=b"ok"
    ),
}
RESPONSES = {
    "length": response("X-A: b", body=BODY),
    "chunks": chunked("Trailer: X-Sum", body=CHUNKS),
    "interim": response("Link: </a>", start="HTTP/1.1 103 Early Hints") + response(body=BODY),
    "no body": response("Content-Length: 5", start="HTTP/1.1 304 Not Modified"),
}


def halves(data: bytes) -> list[tuple[bytes, ...]]:
    """Every way to cut in two, and one byte at a time."""
    cuts: list[tuple[bytes, ...]] = [(data[:at], data[at:]) for at in range(1, len(data))]
    return [*cuts, tuple(data[at : at + 1] for at in range(len(data)))]


def essence(message: Message) -> tuple[object, ...]:
    changing = {"date", "x-request-id"}
    fields = [field for field in message.fields if field[0].lower() not in changing]
    return (message.method, message.target, message.status, fields, message.body, message.trailers)


@pytest.mark.parametrize("name", REQUESTS)
def test_requests(backend: Backend, client: RawClient, name: str) -> None:
    whole = run(client, backend, REQUESTS[name])
    for parts in halves(REQUESTS[name]):
        client.send(*parts, pace=0.0005)
        assert essence(whole.upstream.request()) == essence(whole.request), parts
        whole.upstream.send(response(body=b"ok"))
        assert essence(client.final()) == essence(whole.response), parts


@pytest.mark.parametrize("name", RESPONSES)
def test_responses(backend: Backend, client: RawClient, name: str) -> None:
    asked = request("TE: trailers", "Connection: TE")
    whole = run(client, backend, asked, RESPONSES[name])
    for parts in halves(RESPONSES[name]):
        client.send(asked)
        whole.upstream.request()
        whole.upstream.send(*parts, pace=0.0005)
        assert essence(client.final()) == essence(whole.response), parts


def test_pipelined_requests(backend: Backend, client: RawClient) -> None:
    data = REQUESTS["chunks"] + REQUESTS["no body"]
    upstream: Wire = run(client, backend, GET).upstream
    for parts in halves(data):
        client.send(*parts, pace=0.0005)
        bodies = []
        for _ in range(2):
            bodies.append(upstream.request().body)
            upstream.send(response(body=b"ok"))
            client.final()
        assert bodies == [BODY, b""], parts
