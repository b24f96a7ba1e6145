"""gRPC through the running product: deadlines, errors of its own, health, gRPC-Web, and what is logged.

Client and service are grpcio; a browser's gRPC-Web is played as its protocol has it.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import grpc
import pytest

from headgate.core import grpc_health
from support import Message, RecordingBackend, free_port, proxying
from support.backend import Connection
from support.grpc_cases import SECONDS, channel_to, unary
from support.http2 import Code, Http2Wire, headers
from support.peers import grpc_service, running
from support.product import Product, until

BINARY, TEXT = "application/grpc-web+proto", "application/grpc-web-text+proto"
TRAILERS = 0x80


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with grpc_service(tmp_path_factory.mktemp("grpc")) as address:
        yield address


@pytest.fixture(scope="module")
def product(service: str) -> Iterator[Product]:
    path = "/test.Service/"
    silent = socket.create_server(("127.0.0.1", free_port()))  # connects, and says nothing
    config: dict[str, Any] = {
        "process": {"workers": 1, "drain_timeout": "1s"},
        "access_log": {"format": "json", "path": "stdout"},
        "listeners": {"web": {"bind": f"127.0.0.1:{free_port()}", "grpc_health": True}},
        "routes": [
            {"match": {"path": path + "*", "headers": {"x-route": "short"}}, "service": "app"}
            | {"name": "short", "timeouts": {"request": "600ms"}},
            {"match": {"path": path + "*", "headers": {"x-route": "small"}}, "service": "app"}
            | {"name": "small", "limits": {"body_size": "1KiB"}},
            {
                "name": "gone",
                "match": {"path": path + "*", "headers": {"x-route": "gone"}},
                "service": "gone",
            },
            {"name": "all", "match": {"path": path + "*"}, "service": "app"},
            {"name": "silent", "match": {"path": "/silent.Service/*"}, "service": "silent"}
            | {"timeouts": {"request": "700ms"}},
        ],
        "services": {
            "app": {"endpoints": [f"h2c://{service}"]},
            "gone": {"endpoints": [f"h2c://127.0.0.1:{free_port()}"]},
            "silent": {"endpoints": [f"127.0.0.1:{silent.getsockname()[1]}"]},
        },
    }
    with silent, Product(config) as made:
        yield made


def port_of(product: Product) -> int:
    return int(product.config["listeners"]["web"]["bind"].rpartition(":")[2])


@pytest.fixture
def channel(product: Product) -> Iterator[grpc.Channel]:
    with channel_to(f"127.0.0.1:{port_of(product)}") as made:
        yield made


def failure(
    channel: grpc.Channel, method: str, request: bytes, route: str, timeout: float | None = SECONDS
) -> grpc.Call:
    """How a call over one of the routes fails."""
    with pytest.raises(grpc.RpcError) as caught:
        unary(channel, method)(request, timeout=timeout, metadata=(("x-route", route),))
    return cast("grpc.Call", caught.value)


def method(channel: grpc.Channel, path: str) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
    return cast("grpc.UnaryUnaryMultiCallable[bytes, bytes]", channel.unary_unary(path))


def records(product: Product, path: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in product.log.splitlines() if line.startswith('{"time"')]
    return [line for line in lines if line.get("path") == path and "ended_by" in line]


# --- Deadlines ---


def test_the_deadline_that_is_passed_on_is_the_earlier_one(channel: grpc.Channel) -> None:
    remaining = unary(channel, "Remaining")
    short = (("x-route", "short"),)
    assert 0 < float(remaining(b"", timeout=60, metadata=short)) <= 0.6
    assert 0 < float(remaining(b"", metadata=short)) <= 0.6
    assert 0.6 < float(remaining(b"", timeout=5)) < 5.5  # grpcio rounds up
    assert remaining(b"") == b"none"


@pytest.mark.parametrize("who", ["route", "client"])
def test_time_that_runs_out_here(product: Product, who: str) -> None:
    """With an endpoint that takes no notice of deadlines, and a client that takes none itself."""
    path = f"/silent.Service/{who}"
    deadline = [("grpc-timeout", "300m")] if who == "client" else []
    with Http2Wire.connected(port_of(product)) as wire:
        stream = wire.ask(
            ("content-type", "application/grpc"), *deadline, method="POST", path=path, body=frame(b"")
        )
        answer = wire.message(stream)
    assert (answer.status, answer.get("grpc-status"), answer.body) == (200, "4", b"")
    assert answer.get("grpc-message") == "The server behind this gateway did not answer in time."
    [record] = until(lambda: records(product, path), "the record")
    assert (record["status"], record["grpc_status"], record["reason"]) == (200, 4, "http_response_timeout")
    assert record["ended_by"] == "headgate"


@pytest.mark.parametrize("timeout", ["", "1", "m", "100000000S", "-1S", "1.5S", "5s"])
def test_a_malformed_deadline_is_refused(product: Product, timeout: str) -> None:
    with Http2Wire.connected(port_of(product)) as wire:
        answer = wire.fetch(
            ("content-type", "application/grpc"),
            ("grpc-timeout", timeout),
            method="POST",
            path="/test.Service/Echo",
        )
    assert (answer.status, answer.get("grpc-status")) == (200, "13")


# --- Errors of its own ---


def test_errors_of_its_own_are_statuses_of_grpc(channel: grpc.Channel, product: Product) -> None:
    unreachable = failure(channel, "Echo", b"", "gone")
    assert unreachable.code() is grpc.StatusCode.UNAVAILABLE
    assert "proxy-status" in dict(unreachable.trailing_metadata() or ())
    assert failure(channel, "Echo", bytes(5000), "small").code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(grpc.RpcError) as caught:
        method(channel, "/other.Service/Method")(b"", timeout=SECONDS)
    assert cast("grpc.Call", caught.value).code() is grpc.StatusCode.UNIMPLEMENTED
    assert product.shows("headgate_route_requests_total", 1, route="gone", code="5xx")


def test_a_response_that_breaks_off_ends_with_a_status(tmp_path: Path) -> None:
    """The service dies behind the first messages."""
    port = free_port()
    command = [sys.executable, "-m", "support.programs.grpc_service", str(port)]
    config = {
        "access_log": "off",
        "routes": [{"name": "all", "service": "app"}],
        "services": {"app": {"endpoints": [f"h2c://127.0.0.1:{port}"]}},
    }
    with (
        running(command, port, tmp_path / "log") as process,
        Product(config) as product,
        channel_to(f"127.0.0.1:{product.port}") as channel,
    ):
        count: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/test.Service/Count")
        call = count(b"1000000000 100", timeout=SECONDS)
        assert next(iter(call)).startswith(b"0 ")
        process.kill()
        with pytest.raises(grpc.RpcError):
            list(call)
        assert call.code() is grpc.StatusCode.UNAVAILABLE
        assert call.details() == "The server behind this gateway did not give a usable answer."


def test_a_response_of_known_length_that_breaks_off_is_reset() -> None:
    def answer(_request: Message, connection: Connection) -> None:
        connection.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nContent-Length: 9\r\n\r\n" + frame(b"")
        )
        connection.close()

    with (
        RecordingBackend(answer) as backend,
        Product(proxying(backend.address)) as product,
        Http2Wire.connected(product.port) as wire,
    ):
        stream = wire.ask(("content-type", "application/grpc"), method="POST", body=frame(b""))
        wire.expect_reset(stream, Code.INTERNAL_ERROR)


# --- Health ---


def health(channel: grpc.Channel, service: str) -> grpc_health.ServingStatus:
    check = method(channel, "/grpc.health.v1.Health/Check")
    return grpc_health.decode_response(check(grpc_health.encode_request(service), timeout=SECONDS))


def test_health_of_the_listener_and_of_services(channel: grpc.Channel) -> None:
    assert health(channel, "") is grpc_health.ServingStatus.SERVING
    assert health(channel, "app") is grpc_health.ServingStatus.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        health(channel, "nobody")
    assert cast("grpc.Call", caught.value).code() is grpc.StatusCode.NOT_FOUND


def test_health_that_is_not_offered(channel: grpc.Channel) -> None:
    watch: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/grpc.health.v1.Health/Watch")
    call = watch(b"", timeout=SECONDS)
    with pytest.raises(grpc.RpcError):
        list(call)
    assert call.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("question", "status"), [(b"\xff", "3"), (b"\x0a\x09short", "3"), (bytes(5000), "8")]
)
def test_a_question_that_cannot_be_read(product: Product, question: bytes, status: str) -> None:
    with Http2Wire.connected(port_of(product)) as wire:
        stream = wire.ask(
            ("content-type", "application/grpc"),
            method="POST",
            path="/grpc.health.v1.Health/Check",
            body=frame(question),
        )
        answer = wire.message(stream)
    assert (answer.status, answer.get("grpc-status")) == (200, status)


def test_a_question_that_ends_with_trailers(product: Product) -> None:
    with Http2Wire.connected(port_of(product)) as wire:
        stream = wire.ask(
            ("content-type", "application/grpc"),
            method="POST",
            path="/grpc.health.v1.Health/Check",
            body=frame(b""),
            end=False,
        )
        wire.send(headers(stream, wire.block([("x-end", "1")]), end=True))
        answer = wire.message(stream)
    assert (answer.status, answer.trailer("grpc-status")) == (200, "0")


# --- gRPC-Web ---


class Web(NamedTuple):
    """An answer of gRPC-Web."""

    fields: dict[str, str]
    messages: list[bytes]
    trailers: dict[str, str]


def frame(message: bytes, flag: int = 0) -> bytes:
    return bytes([flag]) + len(message).to_bytes(4, "big") + message


def web_call(product: Product, method: str, request: bytes, kind: str = BINARY, **fields: str) -> Web:
    """A call as a browser makes it, over HTTP/1.1."""
    body = base64.b64encode(request) if kind == TEXT else request
    connection = http.client.HTTPConnection("127.0.0.1", port_of(product), timeout=SECONDS)
    try:
        connection.request(
            "POST",
            f"/test.Service/{method}",
            body,
            {"content-type": kind, "accept": kind, "x-grpc-web": "1"}
            | {name.replace("_", "-"): value for name, value in fields.items()},
        )
        response = connection.getresponse()
        assert response.status == 200
        return web_answer({name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


def web_answer(fields: dict[str, str], body: bytes) -> Web:
    if "-text" in fields["content-type"]:
        body = unarmoured(body)
    messages, trailers = [], {}
    while body:
        flag, size = body[0], int.from_bytes(body[1:5], "big")
        content, body = body[5 : 5 + size], body[5 + size :]
        assert len(content) == size
        if flag & TRAILERS:
            assert not body
            assert content.endswith(b"\r\n")
            trailers = dict(line.split(": ", 1) for line in content.decode().splitlines())
        else:
            messages.append(content)
    return Web(fields, messages, trailers)


def unarmoured(text: bytes) -> bytes:
    """Base64 of parts that are padded each."""
    return b"".join(base64.b64decode(text[at : at + 4], validate=True) for at in range(0, len(text), 4))


@pytest.mark.parametrize("kind", [BINARY, TEXT])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000, 300_000])
def test_web_unary(product: Product, kind: str, size: int) -> None:
    message = bytes(number % 251 for number in range(size))
    answer = web_call(product, "Echo", frame(message), kind)
    assert answer.fields["content-type"] == kind.removesuffix(
        "+proto"
    )  # as the service says it, without +proto
    assert answer.messages == [message]
    assert answer.fields["x-initial"] == "before"
    assert (answer.trailers["grpc-status"], answer.trailers["x-trailing"]) == ("0", "after")


@pytest.mark.parametrize("kind", [BINARY, TEXT])
def test_web_server_streaming(product: Product, kind: str) -> None:
    answer = web_call(product, "Count", frame(b"500 100"), kind)
    assert [len(message) for message in answer.messages] == [100] * 500
    assert answer.trailers["grpc-status"] == "0"


@pytest.mark.parametrize("kind", [BINARY, TEXT])
def test_web_errors(product: Product, kind: str) -> None:
    """Those of the service, before and behind messages, and those of the proxy."""
    late = web_call(product, "FailLate", frame(b"9 later"), kind)
    assert late.messages == [b"one", b"two"]
    assert (late.trailers["grpc-status"], late.trailers["grpc-message"]) == ("9", "later")
    early = web_call(product, "Fail", frame(b"5 nothing"), kind)
    assert (early.trailers | early.fields)["grpc-status"] == "5"
    gone = web_call(product, "Echo", frame(b""), kind, x_route="gone")
    assert (gone.fields["grpc-status"], gone.messages) == ("14", [])
    assert gone.fields["content-type"] == kind


def test_web_text_that_is_none(product: Product) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(product), timeout=SECONDS)
    connection.request("POST", "/test.Service/Echo", b"AAAA*AAA", {"content-type": TEXT})
    response = connection.getresponse()
    assert (response.status, response.headers["grpc-status"]) == (200, "13")
    response.read()
    connection.close()
    detail = "a body of application/grpc-web-text that is not base64"
    until(lambda: any(each.get("detail") == detail for each in records(product, "/test.Service/Echo")), "it")


def test_web_over_http2(product: Product) -> None:
    with Http2Wire.connected(port_of(product)) as wire:
        stream = wire.ask(
            ("content-type", TEXT), ("accept", TEXT), method="POST", path="/test.Service/Echo", end=False
        )
        wire.body(stream, base64.b64encode(frame(b"hello")), size=7)
        message = wire.message(stream)
    answer = web_answer(dict(message.fields), message.body)
    assert answer.messages == [b"hello"]
    assert answer.trailers["grpc-status"] == "0"


def test_web_to_an_endpoint_of_http_1_goes_as_it_is() -> None:
    """It is no gRPC server, and may speak gRPC-Web itself."""
    reply = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0"
    )
    config = {
        "access_log": "off",
        "routes": [{"name": "all", "service": "app"}],
    }
    with (
        RecordingBackend(reply) as backend,
        Product({**config, "services": {"app": {"endpoints": [backend.address]}}}) as product,
    ):
        connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=SECONDS)
        connection.request("POST", "/a", frame(b"x"), {"content-type": BINARY})
        response = connection.getresponse()
        assert (response.headers["content-type"], response.read()) == (BINARY, bytes(5))
        connection.close()
        [seen] = backend.seen()
    assert b"application/grpc-web+proto" in seen
    assert seen.endswith(frame(b"x"))
