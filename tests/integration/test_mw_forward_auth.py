"""forward_auth through the running product."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from support import Product
from support.asking import Answer, Client
from support.http2 import Http2Wire
from support.ports import free_port
from support.product import until
from support.serving import Handler, Server, send


class Auth(Server):
    """Says yes to `Authorization: good`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.stopped = threading.Event()
        super().__init__(self._answer)

    def _answer(self, request: Handler, body: bytes) -> None:
        fields = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.command, request.path, fields, body))
        match fields.get("authorization") or fields.get("cookie", "").partition("=")[2]:
            case "good":
                send(request, 200, b"yes", {"X-User": "ada", "X-Groups": "a", "X-Other": "unasked"})
            case "fresh":
                send(request, 204, fields={"Cache-Control": "no-store"})
            case "hang":
                self.stopped.wait(20)
                request.close_connection = True
            case "broken":
                send(request, 500, b"a secret trace")
            case "reset":
                request.connection.shutdown(socket.SHUT_RDWR)
                request.close_connection = True
            case "":
                send(request, 302, b"log in", {"Location": "https://login.example/", "Set-Cookie": "a=b"})
            case _:
                send(request, 401, b"who are you?", {"WWW-Authenticate": "Bearer", "Content-Type": "text/x"})

    def close(self) -> None:
        self.stopped.set()
        super().close()


def echo(request: Handler, body: bytes) -> None:
    fields = {name.lower(): value for name, value in request.headers.items()}
    send(request, 200, json.dumps({"fields": fields, "body": body.decode()}).encode())


@pytest.fixture(scope="module")
def auth() -> Iterator[Auth]:
    with Auth() as server:
        yield server


@pytest.fixture(scope="module")
def product(auth: Auth) -> Iterator[Product]:
    def forward(**more: Any) -> dict[str, Any]:
        wanted = {"response_headers": ["X-User", "X-Groups"], "timeout": "300ms"}
        return {"type": "forward_auth", "url": "service://auth/verify?a=b"} | wanted | more

    middlewares = {
        "plain": forward(user_header="X-User"),
        "origin": forward(url=f"http://{auth.address}/origin", request_headers=["Authorization"]),
        "body": forward(method="POST", body="10B"),
        "cached": forward(
            cache={"key": ["header:authorization", "cookie:session"], "ttl": "1h", "entries": 2}
        ),
        "anywhere": forward(cache={"key": ["cookie:session"], "paths": False}),
        "brief": forward(cache={"key": ["header:authorization"], "ttl": "1ms"}),
        "open": forward(on_error="allow"),
        "gone": forward(url="service://gone"),
    }
    with Server(echo) as backend:
        config = {
            "process": {"workers": 1, "drain_timeout": "1s"},
            "access_log": {"format": "json", "path": "stdout"},
            "routes": [
                {"name": name, "match": {"path": f"/{name}/*"}, "middlewares": [name], "service": "echo"}
                for name in middlewares
            ],
            "middlewares": middlewares,
            "services": {
                "echo": {"endpoints": [backend.address]},
                "auth": {"endpoints": [auth.address]},
                "gone": {"endpoints": [f"127.0.0.1:{free_port()}"]},
            },
        }
        with Product(config) as made:
            yield made


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def client(product: Product, auth: Auth, request: pytest.FixtureRequest) -> Iterator[Client]:
    auth.asked.clear()
    with Client(product.port, http2=request.param) as made:
        yield made


def passed(answer: Answer) -> dict[str, str]:
    """The fields that the backend got."""
    assert answer.status == 200, answer
    fields: dict[str, str] = json.loads(answer.body)["fields"]
    return fields


def test_a_yes_lets_pass_with_its_fields(client: Client, auth: Auth) -> None:
    sent = {"authorization": "good", "x-user": "root", "x-groups": "admin", "x-mine": "1"}
    fields = passed(client.ask("/plain/a%20b?x=y", sent))
    assert (fields["x-user"], fields["x-groups"], fields["x-mine"]) == ("ada", "a", "1")
    assert "x-other" not in fields
    [(method, path, asked, body)] = auth.asked
    assert (method, path, body) == ("GET", "/verify?a=b", b"")
    assert asked["x-forwarded-method"] == "GET"
    assert asked["x-forwarded-proto"] == "http"
    assert asked["x-forwarded-uri"] == "/plain/a%20b?x=y"
    assert asked["x-forwarded-for"] == "127.0.0.1"
    assert asked["x-forwarded-host"].endswith(fields["host"])
    assert asked["x-mine"] == "1"


def test_the_user_is_in_the_record(client: Client, product: Product) -> None:
    assert client.ask("/plain/recorded", {"authorization": "good"}).status == 200

    def record() -> str | None:
        return next((line for line in product.log.splitlines() if "/plain/recorded" in line), None)

    assert json.loads(until(record, "a record") or "")["user"] == "ada"


def test_what_is_claimed_about_forwarding_is_not_asked(client: Client, auth: Auth) -> None:
    claims = {"x-forwarded-uri": "/open", "x-forwarded-method": "HEAD", "x-forwarded-for": "10.0.0.1"}
    sent = {"authorization": "good", "range": "bytes=0-1", "if-none-match": '"a"', **claims}
    assert client.ask("/plain/x", sent).status == 200
    [(_, _, asked, _)] = auth.asked
    assert asked["x-forwarded-uri"] == "/plain/x"
    assert asked["x-forwarded-method"] == "GET"
    assert asked["x-forwarded-for"] == "127.0.0.1"
    assert not asked.keys() & {"range", "if-none-match", "accept-encoding"}


def test_a_no_goes_to_the_client(client: Client) -> None:
    answer = client.ask("/plain/x", {"authorization": "bad"})
    assert (answer.status, answer.body) == (401, b"who are you?")
    assert (answer.all("www-authenticate"), answer.all("content-type")) == (["Bearer"], ["text/x"])
    answer = client.ask("/plain/x")
    assert (answer.status, answer.all("location")) == (302, ["https://login.example/"])
    assert answer.all("set-cookie") == ["a=b"]
    assert len(answer.all("content-length")) <= 1


def test_only_the_fields_that_are_named_are_asked(client: Client, auth: Auth) -> None:
    assert client.ask("/origin/x", {"authorization": "good", "x-mine": "1"}).status == 200
    [(_, path, asked, _)] = auth.asked
    assert path == "/origin"
    assert "x-mine" not in asked


def test_a_body_is_asked_along_within_its_bound(client: Client, auth: Auth) -> None:
    answer = client.ask("/body/x", {"authorization": "good"}, method="POST", body=b"0123456789")
    assert json.loads(answer.body)["body"] == "0123456789"
    assert auth.asked[0][0] == "POST"
    assert auth.asked[0][3] == b"0123456789"
    assert client.ask("/body/x", {"authorization": "good"}, method="POST", body=b"0" * 11).status == 413


def test_a_yes_is_remembered_for_who_got_it(client: Client, auth: Auth) -> None:
    for _ in range(2):
        fields = passed(client.ask("/cached/x", {"authorization": "good", "x-user": "root"}))
        assert fields["x-user"] == "ada"
    assert len(auth.asked) <= 1  # the other version of HTTP may have asked before
    auth.asked.clear()
    assert client.ask("/cached/x").status == 302
    assert client.ask("/cached/x", {"authorization": "bad"}).status == 401
    assert client.ask("/cached/x", {"authorization": "bad"}).status == 401
    assert client.ask("/cached/x", {"authorization": "fresh"}).status == 200
    assert client.ask("/cached/x", {"authorization": "fresh"}).status == 200
    assert len(auth.asked) == 5  # nothing but a yes is remembered, and not one that says no-store
    auth.asked.clear()
    assert client.ask("/cached/y", {"authorization": "good"}).status == 200
    assert client.ask("/cached/y?z", {"authorization": "good"}).status == 200
    assert client.ask("/cached/x", {"authorization": "good"}).status == 200
    assert len(auth.asked) == 3  # each path is another question, and two have room


def test_a_key_without_paths(client: Client, auth: Auth) -> None:
    assert client.ask("/anywhere/x", {"cookie": "session=good"}).status == 200
    auth.asked.clear()
    assert client.ask("/anywhere/y?z", {"cookie": "session=good"}, method="POST", body=b"").status == 200
    assert auth.asked == []
    # Another credential than the key has: what it decides belongs to nobody else.
    assert client.ask("/anywhere/y", {"cookie": "session=good", "authorization": "bad"}).status == 401


def test_what_is_remembered_ends(client: Client, auth: Auth) -> None:
    for _ in range(3):
        assert client.ask("/brief/x", {"authorization": "good"}).status == 200
    assert len(auth.asked) > 1


@pytest.mark.parametrize(("state", "status"), [("hang", 504), ("broken", 502), ("reset", 502)])
def test_it_fails_closed(client: Client, state: str, status: int) -> None:
    answer = client.ask("/plain/x", {"authorization": state})
    assert answer.status == status
    assert answer.body.startswith(b"Whether you may have this")
    answer = client.ask("/open/x", {"authorization": state, "x-user": "root"})
    assert "x-user" not in passed(answer)


def test_a_service_that_is_not_there(client: Client, product: Product) -> None:
    assert client.ask("/gone/x", {"authorization": "good"}).status == 503
    assert "middleware gone: no decision could be had: service://gone/" in product.log


def test_grpc_clients_get_a_status(product: Product) -> None:
    with Http2Wire.connected(product.port) as wire:
        grpc = [("content-type", "application/grpc"), ("te", "trailers")]
        assert wire.fetch(*grpc, path="/plain/x", method="POST", body=b"").get("grpc-status") == "16"
        bad = wire.fetch(*grpc, ("authorization", "bad"), path="/plain/x", method="POST", body=b"")
        assert bad.get("grpc-status") == "16"
