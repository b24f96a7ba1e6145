"""Limits and timeouts, lowered so that they can be waited for, with the statuses that they answer."""

from __future__ import annotations

import json
import select
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from conformance.plays import GET, OK, request, response, run
from support import Product, RawClient, RecordingBackend, free_port, proxying, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from support import Backend, Message

SLACK = 3.0  # seconds that a coarse timer on a busy machine may be late


@pytest.fixture(scope="module")
def settings(played: Backend) -> dict[str, Any]:
    def route(name: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "match": {"path": f"/{name}/*"}, "service": "backend", **more}

    return {
        "timeouts": {"head": "1s", "keep_alive": "2s"},
        "limits": {"head_size": "8KiB", "head_fields": 20},
        "routes": [
            route("plain"),
            route("small", limits={"body_size": 1000}),
            route("body", timeouts={"body_idle": "1s"}),
            route("answer", timeouts={"first_byte": "1s", "response_idle": "1s"}),
            route("whole", timeouts={"request": "1s"}),
            route("tunnel", timeouts={"tunnel_idle": "1s"}),
            route("rate", limits={"minimum_rate": "1000B/s", "minimum_rate_grace": "1s"}),
            # Above what socket buffers swallow at once, so that a reader who takes nothing falls below it
            route("reading", limits={"minimum_rate": "50MiB/s", "minimum_rate_grace": "1s"}),
            route("one", service="one"),
            route("refused", service="refused"),
            route("nowhere", service="nowhere"),
            {"name": "host", "match": {"host": "known.example"}, "service": "backend"},
        ],
        "services": {
            "one": {
                "endpoints": [played.address],
                "pool": {"connections": 1, "waiting": 1, "wait_timeout": "1s"},
            },
            "refused": {"endpoints": [f"127.0.0.1:{free_port()}"]},
            # TEST-NET-1: packets there get no answer, or none that is a connection
            "nowhere": {"endpoints": ["192.0.2.1:9"], "timeouts": {"connect": "1s"}},
        },
    }


def within(seconds: float, started: float) -> bool:
    return seconds - 0.3 <= time.monotonic() - started <= seconds + SLACK


def closed_with(client: RawClient, status: int) -> Message:
    """The final answer, which ends the connection."""
    answer = client.final()
    assert answer.status == status
    assert answer.get("Connection") == "close"
    client.expect_end()
    return answer


# Heads


def test_slow_head(backend: Backend, client: RawClient) -> None:
    started = time.monotonic()
    client.send(b"GET / HTTP/1.1\r\nHos")
    closed_with(client, 408)
    assert within(1, started)
    assert backend.untouched()


def test_slow_head_that_moves(backend: Backend, client: RawClient) -> None:
    """Slowloris: a byte now and then does not put the deadline off."""
    started = time.monotonic()
    client.send(b"GET / HTTP/1.1\r\nX-A: ")
    while client.silent(0.1) and time.monotonic() < started + 10:
        client.send(b"a")
    closed_with(client, 408)
    assert within(1, started)
    assert backend.untouched()


def test_slow_second_head(backend: Backend, client: RawClient) -> None:
    run(client, backend, request(start="GET /plain/ HTTP/1.1"))
    client.send(b"G")
    closed_with(client, 408)


def test_connection_without_a_request(backend: Backend, client: RawClient) -> None:
    """Nobody asked, so nothing is answered."""
    started = time.monotonic()
    client.expect_end()
    assert time.monotonic() - started < 2 + SLACK
    assert backend.untouched()


def test_keep_alive_ends(backend: Backend, client: RawClient) -> None:
    run(client, backend, request(start="GET /plain/ HTTP/1.1"))
    started = time.monotonic()
    client.expect_end()
    assert within(2, started)


@pytest.mark.parametrize(
    ("start", "lines", "status"),
    [
        ("GET / HTTP/1.1", ["X-A: " + "a" * 9000], 431),
        ("GET / HTTP/1.1", [f"X-{number}: a" for number in range(30)], 431),
        (f"GET /{'a' * 9000} HTTP/1.1", [], 414),
    ],
    ids=["size", "fields", "target"],
)
def test_large_heads(backend: Backend, client: RawClient, start: str, lines: list[str], status: int) -> None:
    client.send(request(*lines, start=start))
    closed_with(client, status)
    assert backend.untouched()


def test_largest_head_that_fits(backend: Backend, client: RawClient) -> None:
    asked = request("X-A: " + "a" * 8000, start="GET /plain/ HTTP/1.1")
    assert run(client, backend, asked).response.status == 200


# Bodies


def test_body_of_the_largest_size(backend: Backend, client: RawClient) -> None:
    asked = request("Content-Length: 1000", start="POST /small/ HTTP/1.1", body=b"a" * 1000)
    assert run(client, backend, asked).response.status == 200


def test_body_that_says_it_is_too_large(backend: Backend, client: RawClient) -> None:
    client.send(request("Content-Length: 1001", start="POST /small/ HTTP/1.1"))
    closed_with(client, 413)
    assert backend.untouched()


def test_body_that_turns_out_too_large(backend: Backend, client: RawClient) -> None:
    """The backend never sees it complete."""
    client.send(request("Transfer-Encoding: chunked", start="POST /small/ HTTP/1.1"))
    client.send(b"300\r\n" + b"a" * 0x300 + b"\r\n", b"300\r\n" + b"a" * 0x300 + b"\r\n0\r\n\r\n")
    assert client.final().status == 413
    if not backend.untouched():
        assert not backend.wires[-1].read_to_end().endswith(b"0\r\n\r\n")


def test_body_that_stops(backend: Backend, client: RawClient) -> None:
    started = time.monotonic()
    client.send(request("Content-Length: 10", start="POST /body/ HTTP/1.1", body=b"hello"))
    upstream = backend.accept()
    closed_with(client, 408)
    assert within(1, started)
    upstream.read_to_end()


def test_body_that_moves_is_not_idle(backend: Backend, client: RawClient) -> None:
    client.send(request("Content-Length: 5", start="POST /body/ HTTP/1.1"))
    upstream = backend.accept()
    upstream.request_head()
    for byte in b"hello":
        assert client.silent(0.6)
        client.send(bytes([byte]))
    upstream.expect(b"hello")
    upstream.send(OK)
    assert client.final().body == b"ok"


def test_body_below_the_minimum_rate(backend: Backend, client: RawClient) -> None:
    started = time.monotonic()
    client.send(request("Content-Length: 100000", start="POST /rate/ HTTP/1.1"))
    upstream = backend.accept()
    while client.silent(0.1) and time.monotonic() < started + 10:
        client.send(b"a")
    closed_with(client, 408)
    assert time.monotonic() - started < 2 + SLACK
    upstream.read_to_end()


# Responses


def test_no_answer(backend: Backend, client: RawClient) -> None:
    started = time.monotonic()
    client.send(request(start="GET /answer/ HTTP/1.1"))
    upstream = backend.accept()
    answer = client.final()
    assert answer.status == 504
    assert "error=http_response_timeout" in (answer.get("Proxy-Status") or "")
    assert within(1, started)
    upstream.request()
    upstream.expect_end()


def test_half_an_answer_head(backend: Backend, client: RawClient) -> None:
    client.send(request(start="GET /answer/ HTTP/1.1"))
    upstream = backend.accept()
    upstream.request()
    upstream.send(b"HTTP/1.1 200 OK\r\nX-")
    assert client.final().status == 504
    upstream.expect_end()


def test_answer_that_stops(backend: Backend, client: RawClient) -> None:
    client.send(request(start="GET /answer/ HTTP/1.1"))
    upstream = backend.accept()
    upstream.request()
    upstream.send(response("Content-Length: 10") + b"hello")
    assert client.read_to_end().endswith(b"hello")
    upstream.expect_end()


def test_whole_exchange(backend: Backend, client: RawClient) -> None:
    started = time.monotonic()
    client.send(request(start="GET /whole/ HTTP/1.1"))
    upstream = backend.accept()
    upstream.request()
    assert client.final().status == 504
    assert within(1, started)
    upstream.expect_end()


def test_whole_exchange_in_the_middle_of_an_answer(backend: Backend, client: RawClient) -> None:
    """It moves all the time and takes too long all the same; what came is visibly incomplete."""
    started = time.monotonic()
    client.send(request(start="GET /whole/ HTTP/1.1"))
    upstream = backend.accept()
    upstream.request()
    upstream.send(response("Content-Length: 1000"))
    while not client.ended and time.monotonic() < started + 10:
        upstream.send(b"a")
        client.silent(0.1)
        client.take(len(client.rest))
    assert client.ended
    assert within(1, started)


def test_answer_that_is_read_too_slowly(backend: Backend, client: RawClient) -> None:
    """The client reads, but below the minimum rate: the attempt upstream is not held for ever."""
    client.send(request(start="GET /reading/ HTTP/1.1"))
    upstream = backend.accept()
    upstream.request()
    upstream.send(response("Content-Length: 1000000000"))
    upstream.socket.setblocking(False)
    started = time.monotonic()
    gone = select.poll()
    gone.register(upstream.socket, select.POLLRDHUP)
    while not gone.poll(20) and time.monotonic() < started + 10:
        with suppress(BlockingIOError, ConnectionError):
            upstream.socket.send(b"a" * 1000000)
        client.socket.recv(1)
    assert time.monotonic() - started < 1 + SLACK


def test_quiet_tunnel(backend: Backend, client: RawClient) -> None:
    client.send(request("Connection: Upgrade", "Upgrade: websocket", start="GET /tunnel/ HTTP/1.1"))
    upstream = backend.accept()
    upstream.request()
    upstream.send(
        response("Connection: Upgrade", "Upgrade: websocket", start="HTTP/1.1 101 Switching Protocols")
    )
    assert client.response().status == 101
    for _ in range(4):
        assert client.silent(0.5)
        client.send(b"x")
        upstream.expect(b"x")
    client.expect_end()
    upstream.expect_end()


# Pools and connections


def test_waiting_for_a_connection(backend: Backend, connect: Callable[[], RawClient]) -> None:
    """One connection, one place in the queue: the third is refused at once, the second in time."""
    first, second, third = connect(), connect(), connect()
    asked = request(start="GET /one/ HTTP/1.1")
    first.send(asked)
    upstream = backend.accept()
    upstream.request()
    second.send(asked)
    assert second.silent(0.1)
    assert third.exchange(asked).status == 503
    assert second.final().status == 503
    upstream.send(OK)
    assert first.final().body == b"ok"


def test_waiting_ends_when_a_connection_is_free(backend: Backend, connect: Callable[[], RawClient]) -> None:
    first, second = connect(), connect()
    asked = request(start="GET /one/ HTTP/1.1")
    first.send(asked)
    upstream = backend.accept()
    upstream.request()
    second.send(asked)
    assert second.silent(0.1)
    upstream.send(OK)
    assert first.final().body == b"ok"
    upstream.request()
    upstream.send(OK)
    assert second.final().body == b"ok"


@pytest.mark.parametrize(
    ("path", "statuses", "error"),
    [
        ("/refused/", {502}, "connection_refused"),
        (
            "/nowhere/",
            {502, 504},
            "connection_timeout|destination_ip_unroutable|connection_refused|destination_unavailable",
        ),
    ],
)
def test_endpoint_that_cannot_be_reached(
    product: Product, client: RawClient, path: str, statuses: set[int], error: str
) -> None:
    """RFC 9209 names the cause; nothing else is told about what is inside."""
    del product
    answer = client.exchange(request(start=f"GET {path} HTTP/1.1"))
    assert answer.status in statuses
    status = answer.get("Proxy-Status") or ""
    assert any(f"error={word}" in status for word in error.split("|")), status
    told = answer.body.decode() + status
    assert "127.0.0.1" not in told
    assert "192.0.2.1" not in told
    assert "Traceback" not in told


# The answers themselves


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ([], None),
        (["Accept: text/html,application/xhtml+xml,*/*;q=0.8"], "text/html"),
        (["Accept: application/json"], "application/json"),
        (["Accept: application/json, text/plain, */*"], "application/json"),
        (["Accept: application/problem+json"], "json"),
        (["Accept: */*"], None),
        (["Accept: text/html;q=0.1, application/json;q=0.9"], "application/json"),
        (["Accept: garbage;;;q=x,,"], None),
    ],
)
def test_error_answers_by_accept(
    product: Product, client: RawClient, accept: list[str], kind: str | None
) -> None:
    del product
    answer = client.exchange(request(*accept, start="GET /refused/ HTTP/1.1"))
    assert answer.status == 502
    media = answer.get("Content-Type") or ""
    assert (kind or "") in media
    assert answer.framing == "length"
    assert answer.body
    if "json" in media:
        assert json.loads(answer.body)["status"] == 502
    else:
        assert media.startswith("text/html")
        assert b"502" in answer.body
    assert answer.get("Date")


def test_error_answer_to_head(backend: Backend, client: RawClient) -> None:
    del backend
    answer = client.exchange(request(start="HEAD /refused/ HTTP/1.1"), to="HEAD")
    assert answer.status == 502
    assert client.exchange(request(start="GET /refused/ HTTP/1.1")).status == 502


def test_error_answer_keeps_the_connection(backend: Backend, client: RawClient) -> None:
    """A broken endpoint is no fault of the client: the connection goes on."""
    assert client.exchange(request(start="GET /refused/ HTTP/1.1")).status == 502
    asked = request(start="GET /plain/ HTTP/1.1")
    assert run(client, backend, asked).response.body == b"ok"


def test_no_route(backend: Backend, client: RawClient) -> None:
    answer = client.exchange(request(start="GET /other HTTP/1.1"))
    assert answer.status == 404
    assert b"known" not in answer.body
    assert client.exchange(GET).status == 404
    assert backend.untouched()


def test_unread_body_of_an_own_answer(backend: Backend, client: RawClient) -> None:
    """The answer does not wait for the body, and the body never becomes a request."""
    body = request(start="GET /plain/inner HTTP/1.1")
    client.send(request(f"Content-Length: {len(body)}", start="POST /other HTTP/1.1", body=body))
    assert client.final().status == 404
    client.send(request(start="GET /other HTTP/1.1"))
    client.half_close()
    rest = client.read_to_end()
    assert rest.count(b"HTTP/1.1 404 ") == rest.count(b"HTTP/1.") <= 1
    assert backend.untouched()


def test_connections_per_client() -> None:
    limited = {"web": {"limits": {"connections_per_client": 2}}}
    with RecordingBackend() as recording, Product(proxying(recording.address, listeners=limited)) as product:
        with RawClient(product.port) as first, RawClient(product.port) as second:
            assert [each.exchange(GET).status for each in (first, second)] == [200, 200]
            with RawClient(product.port) as third:
                third.send(GET)
                assert third.read_to_end()[:13] in {b"", b"HTTP/1.1 429 "}
            assert first.exchange(GET).status == 200
        until(lambda: accepted(product), "room for another connection")


def accepted(product: Product) -> bool:
    with RawClient(product.port) as client:
        client.send(request("Connection: close"))
        return b" 200 " in client.read_to_end()[:16]
