"""Who may pass: the middlewares of access in the running product, over HTTP/1.1, HTTP/2, TLS and gRPC."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import bcrypt
import grpc
import pytest

from support.asking import Answer, Client
from support.certificates import Authority
from support.echo import EchoBackend
from support.grpc_cases import SECONDS, channel_to, unary
from support.http2 import Http2Wire
from support.peers import grpc_service
from support.ports import free_port
from support.product import Product, until
from support.signing import content_digest, signed
from support.tokens import jwk, jwks, private_key, public_pem, token

STAFF = Authority("Staff CA")
SITE = STAFF.issue("localhost")
ANN = STAFF.issue("ann.example", subject="Ann", client=True)
EVE = STAFF.issue("eve.example", subject="Eve", client=True)
HMAC_KEY = "a key that both of us know"
PASSWORD = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
KEY_HASH = "sha256:" + hashlib.sha256(b"right").hexdigest()
ROUTES = {
    "allow": ["allow"],
    "deny": ["deny"],
    "basic": ["login"],
    "key": ["key"],
    "late-key": ["deny", "key"],
    "jwt": ["token"],
    "cert": ["certificate"],
    "hmac": ["signature"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("access")
    (folder / "ranges").write_text("10.0.0.0/8 # nobody of this machine\n")
    (folder / "users").write_text(f"ann:{PASSWORD}\n")
    (folder / "issuer.json").write_bytes(jwks(jwk("RS256", kid="one"), jwk("ES256", kid="two")))
    (folder / "issuer.pem").write_bytes(public_pem(private_key("RS256")))
    (folder / "staff.crt").write_text(STAFF.pem)
    SITE.write(folder, "site")
    for name, pair in (("ann", ANN), ("eve", EVE)):
        pair.write(folder, name)
    return folder


@pytest.fixture(scope="module")
def product(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    ports = {name: free_port() for name in ("web", "secure")}
    site = {"cert": str(folder / "site.crt"), "key": str(folder / "site.key")}
    client = {"mode": "request", "ca": str(folder / "staff.crt")}
    with grpc_service(tmp_path_factory.mktemp("grpc")) as app, EchoBackend() as echo:
        config: dict[str, Any] = {
            "process": {"workers": 1, "drain_timeout": "1s"},
            "access_log": {"format": "json", "path": "stdout", "query": True},
            "listeners": {
                "web": {"bind": f"127.0.0.1:{ports['web']}"},
                "secure": {
                    "bind": f"127.0.0.1:{ports['secure']}",
                    "tls": {"certificates": [site], "client_certificates": client},
                },
            },
            "trusted_proxies": ["127.0.0.1"],
            "middlewares": {
                "allow": {"type": "ip_allow", "ranges": ["192.0.2.0/24"], "files": [str(folder / "ranges")]},
                "deny": {"type": "ip_deny", "ranges": ["2001:db8::/32", "192.0.2.0/24"]},
                "login": {
                    "type": "basic_auth",
                    "users": {"bob": PASSWORD},
                    "files": [str(folder / "users")],
                    "user_header": "X-User",
                    "remove_authorization": True,
                },
                "key": {
                    "type": "api_key",
                    "keys": {"build": {"hash": KEY_HASH, "expires": "2999-01-01"}},
                    "query": "api_key",
                    "user_header": "X-User",
                },
                "token": {
                    "type": "jwt",
                    "files": [str(folder / "issuer.json")],
                    "issuer": "joe",
                    "claims": {"scope": ["read"]},
                    "claim_headers": {"sub": "X-User", "email": "X-Email"},
                },
                "certificate": {
                    "type": "client_certificate",
                    "allow": [{"issuer": "CN=Staff CA", "san": r"ann\.example"}],
                    "user_header": "X-User",
                },
                "signature": {
                    "type": "hmac_signature",
                    "keys": {"partner": HMAC_KEY},
                    "user_header": "X-User",
                },
            },
            "routes": [
                *(
                    {"name": name, "match": {"path": f"/{name}"}, "middlewares": names, "service": "echo"}
                    for name, names in ROUTES.items()
                ),
                {
                    "name": "grpc",
                    "match": {"path": "/test.Service/*"},
                    "middlewares": ["token"],
                    "service": "app",
                },
            ],
            "services": {
                "echo": {"endpoints": [echo.address]},
                "app": {"endpoints": [f"h2c://{app}"]},
            },
        }
        with Product(config) as made:
            yield made


def port_of(product: Product, listener: str = "web") -> int:
    return int(product.config["listeners"][listener]["bind"].rpartition(":")[2])


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def client(product: Product, request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(port_of(product), http2=request.param) as made:
        yield made


def came(answer: Answer) -> dict[str, str]:
    """The fields that the service got, and beside them the request's `line`."""
    assert answer.status == 200, answer
    [got] = answer.all("x-got")
    found: dict[str, str] = json.loads(got)
    return found


def basic(name: str, password: str) -> str:
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


def record(product: Product, agent: str) -> dict[str, Any]:
    """The record of the last exchange of a client that calls itself so."""
    lines = until(lambda: [line for line in product.log.splitlines() if f'"{agent}"' in line], "the record")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


# --- Addresses ---


def test_addresses_behind_trusted_proxies(client: Client, folder: Path) -> None:
    for address, allowed in (("192.0.2.9", True), ("198.51.100.1", False), ("10.1.1.1", True)):
        assert client.ask("/allow", {"x_forwarded_for": address}).status == (200 if allowed else 403)
    for address, allowed in (("192.0.2.9", False), ("2001:db8::1", False), ("198.51.100.1", True)):
        assert client.ask("/deny", {"x_forwarded_for": address}).status == (200 if allowed else 403)
    answer = client.ask("/allow", {"accept": "application/json"})
    assert json.loads(answer.body)["detail"] == "Requests from your address are not allowed here."


def test_a_changed_list_counts_soon(folder: Path, product: Product) -> None:
    def status(address: str) -> int:
        with Client(port_of(product)) as client:
            return client.ask("/allow", {"x_forwarded_for": address}).status

    old = (folder / "ranges").read_text()
    try:
        (folder / "ranges").write_text("203.0.113.0/24\n")
        until(lambda: status("203.0.113.7") == 200, "the new list")
        assert status("10.1.1.1") == 403
        (folder / "ranges").write_text("nonsense\n")
        until(
            lambda: status("203.0.113.7") == 200 and "is no address or range" in product.log,
            "the word about the broken list, while the one before stays",
        )
    finally:
        (folder / "new").write_text(old)
        os.replace(folder / "new", folder / "ranges")  # noqa: PTH105 - as programs do it
    until(lambda: status("10.1.1.1") == 200, "the old list")


# --- Names and passwords ---


def test_basic_auth(client: Client, product: Product) -> None:
    for name in ("ann", "bob"):
        fields = {"authorization": basic(name, "secret"), "x_user": "root", "user_agent": f"basic-{name}"}
        for _ in range(2):
            got = came(client.ask("/basic", fields))
            assert (got["x-user"], got.get("authorization")) == (name, None)
        assert record(product, f"basic-{name}")["user"] == name
    for fields in ({}, {"authorization": basic("ann", "wrong")}, {"authorization": basic("eve", "secret")}):
        answer = client.ask("/basic", fields)
        assert answer.status == 401
        assert answer.all("www-authenticate") == ['Basic realm="Restricted", charset="UTF-8"']


# --- Keys ---


def test_api_keys_in_fields_and_queries(client: Client, product: Product) -> None:
    got = came(client.ask("/key", {"x_api_key": "right", "user_agent": "key-field"}))
    assert (got["x-user"], got.get("x-api-key")) == ("build", None)
    got = came(client.ask("/key?a=1&api%5Fkey=right&b=%20", {"user_agent": "key-query"}))
    assert got["line"] == "GET /key?a=1&b=%20"
    assert record(product, "key-query")["target"] == "/key?a=1&b=%20"
    assert record(product, "key-query")["user"] == "build"
    assert came(client.ask("/key?api_key=right"))["line"] == "GET /key"
    for path in ("/key", "/key?api_key=wrong", "/key?api_key=right&api_key=right"):
        assert client.ask(path).status == 401


def test_no_key_is_logged_when_another_one_refuses(client: Client, product: Product) -> None:
    fields = {"x_forwarded_for": "192.0.2.9", "user_agent": "key-late"}
    assert client.ask("/late-key?api_key=right&b=2", fields).status == 403
    assert record(product, "key-late")["target"] == "/late-key?b=2"
    assert "api_key=right" not in product.log


# --- Tokens ---


def bearer(shown: str) -> dict[str, str]:
    return {"authorization": f"Bearer {shown}"}


@pytest.mark.parametrize(("kind", "kid"), [("RS256", "one"), ("ES256", "two")])
def test_tokens(client: Client, kind: str, kid: str) -> None:
    shown = token(kind, kid=kid, iss="joe", scope="write read")
    for _ in range(2):
        got = came(client.ask("/jwt", {**bearer(shown), "x_user": "root", "x_email": "root@example.com"}))
        assert (got["x-user"], got.get("x-email")) == ("ann", None)


def test_tokens_that_are_not_valid(client: Client) -> None:
    assert client.ask("/jwt").all("www-authenticate") == ["Bearer"]
    for shown, status, error in (
        (token(kid="one", iss="mallory"), 401, "invalid_token"),
        (token(kid="one", iss="joe", exp=int(time.time()) - 60), 401, "invalid_token"),
        (token("RS256", 1, kid="one", iss="joe"), 401, "invalid_token"),
        (token("HS256", kid="one", iss="joe"), 401, "invalid_token"),
        ("a.b.c", 401, "invalid_token"),
        (token(kid="one", iss="joe", scope="none"), 403, "insufficient_scope"),
    ):
        answer = client.ask("/jwt", bearer(shown))
        [challenge] = answer.all("www-authenticate")
        assert answer.status == status
        assert challenge.startswith(f'Bearer error="{error}", error_description="')


def test_calls_with_tokens(product: Product) -> None:
    shown = token("ES256", kid="two", iss="joe", scope="read")
    with channel_to(f"127.0.0.1:{port_of(product)}") as channel:
        call = unary(channel, "Echo")
        assert call(b"hello", timeout=SECONDS, metadata=(("authorization", f"Bearer {shown}"),)) == b"hello"
        for wrong, code in (
            ("nonsense", grpc.StatusCode.UNAUTHENTICATED),
            (token("ES256", kid="two", iss="joe"), grpc.StatusCode.PERMISSION_DENIED),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call(b"", timeout=SECONDS, metadata=(("authorization", f"Bearer {wrong}"),))
            assert cast("grpc.Call", caught.value).code() is code


# --- Certificates ---


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
@pytest.mark.parametrize(("name", "status"), [("ann", 200), ("eve", 403), (None, 403)])
def test_certificates(product: Product, folder: Path, protocol: str, name: str | None, status: int) -> None:
    context = ssl.create_default_context(cadata=STAFF.pem)
    context.set_alpn_protocols([protocol])
    if name is not None:
        context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    port = port_of(product, "secure")
    if protocol == "h2":
        with Http2Wire.connected(port, tls=context, name="localhost") as wire:
            message = wire.message(wire.ask(path="/cert", authority="localhost", scheme="https"))
        answer = Answer(message.status, message.fields, message.body)
    else:
        connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
        connection.request("GET", "/cert")
        response = connection.getresponse()
        headers = [(name.lower(), value) for name, value in response.getheaders()]
        answer = Answer(response.status, headers, response.read())
        connection.close()
    assert answer.status == status
    if status == 200:
        assert came(answer)["x-user"] == "Ann"


# --- Signatures ---


def parts(authority: str, method: str = "GET", query: str = "?") -> dict[str, str]:
    return {"@method": method, "@authority": authority, "@path": "/hmac", "@query": query}


def test_signed_requests(client: Client, product: Product, request: pytest.FixtureRequest) -> None:
    version = request.node.name
    authority = "test" if "HTTP/2" in version else f"127.0.0.1:{port_of(product)}"
    host = {"x_unique": version}
    known = {**parts(authority, query="?a=%20"), "x-unique": version}
    fields = {**host, **signed(known, HMAC_KEY, "partner")}
    assert came(client.ask("/hmac?a=%20", fields))["x-user"] == "partner"
    for path in ("/hmac?a=%20", "/hmac?a=%21"):
        answer = client.ask(path, fields)
        assert answer.status == 401
        assert answer.all("accept-signature")
    body = b"hello " * 100
    digest = content_digest(body)
    known = {**parts(authority, "POST"), "x-unique": version, "content-digest": digest}
    for sent, status in ((body, 200), (body.upper(), 401)):
        known["x-unique"] = host["x_unique"] = f"{version}-{status}"
        fields = {
            **host,
            **signed(known, HMAC_KEY, "partner"),
            "content-digest": digest,
            "content-length": "600",
        }
        answer = client.ask("/hmac", fields, method="POST", body=sent)
        assert answer.status == status
        if status == 200:
            assert answer.body == body
    assert client.ask("/hmac", method="POST", body=b"x").status == 401


def test_it_is_counted(client: Client, product: Product) -> None:
    before = product.metric("headgate_middleware_refused_total", middleware="deny")
    client.ask("/deny", {"x_forwarded_for": "192.0.2.9"})
    assert product.shows("headgate_middleware_refused_total", before + 1, middleware="deny")
