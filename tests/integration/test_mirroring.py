"""Mirrors with real processes: what the other service gets, and that clients notice nothing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from support.asking import Client
from support.orders import TOKEN, call
from support.ports import free_port
from support.product import Product, until

BODY = 4096  # bytes that mirrors keep


class Application:
    """A server that keeps what it was asked: `asked` has method, path, body and fields of each request."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.asked: list[tuple[str, str, bytes, dict[str, str]]] = []
        self.held = threading.Event()
        self.held.set()
        application = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                application.answer(self)

            do_GET = do_POST = handle_one  # noqa: N815  the names that http.server looks for

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = self._read(request)
        self.asked.append((request.command, request.path, body, dict(request.headers.items())))
        self.held.wait(10)
        told = {"path": request.path, "version": self.version if "differs" in request.path else 0}
        content = json.dumps({**told, "time": time.time()}).encode()
        request.send_response(404 if "status" in request.path and self.version == 2 else 200)
        request.send_header("Content-Length", str(len(content)))
        request.send_header("X-Kind", str(self.version if "field" in request.path else 0))
        request.end_headers()
        request.wfile.write(content)

    def _read(self, request: BaseHTTPRequestHandler) -> bytes:
        if request.headers.get("transfer-encoding") != "chunked":
            return request.rfile.read(int(request.headers.get("content-length", 0)))
        body = b""
        while size := int(request.rfile.readline(), 16):
            body += request.rfile.read(size)
            request.rfile.readline()
        request.rfile.readline()
        return body

    def close(self) -> None:
        self.held.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def main() -> Iterator[Application]:
    application = Application(1)
    yield application
    application.close()


@pytest.fixture(scope="module")
def other() -> Iterator[Application]:
    application = Application(2)
    yield application
    application.close()


@pytest.fixture(scope="module")
def product(main: Application, other: Application) -> Iterator[Product]:
    def route(name: str, **mirror: Any) -> dict[str, Any]:
        return {
            "name": name,
            "match": {"path": f"/{name}/*"},
            "service": "main",
            "mirror": {"service": "other", "body": BODY, **mirror},
        }

    config = {
        "process": {"workers": 1, "drain_timeout": "1s"},
        "admin": {"token": TOKEN},
        "access_log": {"format": "json", "path": "stdout"},
        "routes": [
            route("all", concurrency=4, timeout="5s"),
            route("some", percent="25%", match={"headers": {"x-copy": "yes"}}),
            route("compare", compare={"headers": ["X-Kind"], "ignore": ["time"]}),
            {"name": "dead", "match": {"path": "/dead/*"}, "service": "main"}
            | {"mirror": {"service": "gone"}},
        ],
        "services": {
            "main": {"endpoints": [main.address]},
            "other": {"endpoints": [other.address]},
            "gone": {"endpoints": [f"127.0.0.1:{free_port()}"]},
        },
    }
    with Product(config) as made:
        yield made


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def client(
    product: Product, main: Application, other: Application, request: pytest.FixtureRequest
) -> Iterator[Client]:
    main.asked.clear()
    other.asked.clear()
    with Client(product.port, http2=request.param) as made:
        yield made


def copies(other: Application, count: int) -> list[tuple[str, str, bytes, dict[str, str]]]:
    until(lambda: len(other.asked) >= count, f"{count} copies")
    return other.asked


def test_copies_are_whole(client: Client, main: Application, other: Application) -> None:
    body = bytes(range(256)) * (BODY // 256)
    assert client.ask("/all/a%20b?x=1", {"x-one": "1"}, method="POST", body=body).status == 200
    [(method, path, got, fields)] = copies(other, 1)
    assert (method, path, got) == ("POST", "/all/a%20b?x=1", body)
    [(_, _, same, expected)] = main.asked
    assert same == body
    assert fields == expected
    assert fields["X-Request-Id"]


def test_a_part_of_those_that_match(client: Client, other: Application) -> None:
    for _ in range(8):
        client.ask("/some/")
        client.ask("/some/copy", {"x-copy": "yes"})
    assert [path for _, path, _, _ in copies(other, 2)] == ["/some/copy"] * 2


def test_a_body_beyond_the_bound_is_not_copied(
    product: Product, client: Client, main: Application, other: Application
) -> None:
    before = skipped(product, "too_large")
    assert client.ask("/all/long", method="POST", body=bytes(BODY + 1)).status == 200
    assert client.ask("/all/short", method="POST", body=b"x").status == 200
    assert [path for _, path, _, _ in copies(other, 1)] == ["/all/short"]
    assert [len(body) for _, _, body, _ in main.asked] == [BODY + 1, 1]
    assert product.shows("headgate_mirror_skipped_total", before + 1, reason="too_large")


def skipped(product: Product, reason: str) -> float:
    return product.metric("headgate_mirror_skipped_total", reason=reason)


def test_a_mirror_that_hangs_delays_nobody(product: Product, client: Client, other: Application) -> None:
    """Its copies are bounded, and what is beyond is counted."""
    other.held.clear()
    try:
        before = skipped(product, "busy")
        for _ in range(6):
            assert client.ask("/all/").status == 200
        assert len(copies(other, 4)) == 4
        assert product.shows("headgate_mirror_skipped_total", before + 2, reason="busy")
        assert product.shows("headgate_mirror_in_flight", 4, route="all")
    finally:
        other.held.set()
    until(lambda: product.metric("headgate_mirror_in_flight", route="all") == 0, "the end of the copies")


def test_a_mirror_that_is_not_there(product: Product, client: Client) -> None:
    before = product.metric("headgate_mirror_requests_total", route="dead", code="5xx")
    routes = product.metric("headgate_route_requests_total", route="dead")
    assert client.ask("/dead/").status == 200
    until(
        lambda: product.metric("headgate_mirror_requests_total", route="dead", code="5xx") == before + 1,
        "the failed copy",
    )
    assert product.shows("headgate_route_requests_total", routes + 1, route="dead")
    assert product.metric("headgate_route_requests_total", route="dead", code="5xx") == 0


def test_answers_are_compared(product: Product, client: Client) -> None:
    def compared() -> dict[str, float]:
        words = ("none", "status", "fields", "body", "impossible")
        name = "headgate_mirror_compared_total"
        return {word: product.metric(name, route="compare", difference=word) for word in words}

    before = compared()
    for path in ("/compare/same", "/compare/same2", "/compare/status", "/compare/field", "/compare/differs"):
        assert client.ask(path).status == 200
    until(lambda: sum(compared().values()) == sum(before.values()) + 5, "five comparisons")
    found = {word: count - before[word] for word, count in compared().items()}
    assert found == {"none": 2, "status": 1, "fields": 1, "body": 1, "impossible": 0}
    assert "/compare/differs: body differs: version: 1 and 2" in product.log


def test_samples_of_what_differs(product: Product, client: Client) -> None:
    """With nothing of the fields that are not compared, and in a bounded number of bytes."""
    secret = {"authorization": "Bearer hidden-in-fields", "cookie": "session=hidden-in-fields"}
    for number in range(20):
        long = "x" * 3000 if number == 10 else ""
        assert client.ask(f"/compare/differs{number}{long}?key=hidden-in-query", secret).status == 200

    def samples() -> list[dict[str, Any]]:
        status, answer = call(product, "GET", "mirrors/compare/samples")
        assert status == 200
        return list(answer["samples"])

    found = until(
        lambda: [one for one in samples() if "differs19" in one["request"]] and samples(), "the last"
    )
    assert len(found) == 16
    assert found[-1]["at"] == pytest.approx(time.time(), abs=60)
    assert {one["part"] for one in found} == {"body"}
    assert all(len(one["request"]) <= 500 and len(one["difference"]) <= 500 for one in found)
    assert "hidden" not in json.dumps(found)
    assert call(product, "GET", "mirrors/compare/samples", token="")[0] == 401
    assert call(product, "GET", "mirrors/dead/samples")[0] == 404


def test_copies_are_not_in_the_access_log(product: Product, client: Client, other: Application) -> None:
    client.ask("/all/once")
    copies(other, 1)
    client.ask("/all/then")
    until(lambda: '"/all/then"' in product.log, "the record")
    assert product.log.count('"target":"/all/once"') in (1, 2)  # for each version of the test
    assert '"service":"other"' not in product.log
