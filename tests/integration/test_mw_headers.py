"""Middlewares for fields, on one product: both versions, TLS, gRPC, and a real browser for CORS."""

from __future__ import annotations

import http.client
import re
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import grpc
import pytest

from support import free_port, proxying
from support.asking import Answer, Client
from support.browsing import chromium
from support.grpc_cases import SECONDS, channel_to, unary
from support.http2 import Http2Wire
from support.parrot import echoing, heard
from support.peers import grpc_service
from support.product import Product
from support.sealed import AUTHORITY, NAME, client_context

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
APP, BELOW, OTHER = "https://app.example", "https://a.b.sub.example", "https://evil.example"
PREFLIGHT = {"access_control_request_method": "PUT", "access_control_request_headers": "x-token"}
MIDDLEWARES: dict[str, dict[str, Any]] = {
    "rules": {
        "type": "headers",
        "request": {
            "rename": {"X-Old": "X-New"},
            "remove": ["X-Debug"],
            "set": {
                "X-Client": "{client}",
                "X-Sni": "{tls.sni}",
                "X-Where": "{listener} {route} {method} {host}{path}?{query} {scheme}",
                "X-From": "{header.x-name} ate {cookie.kind} {query.n}",
                "X-User": "{user}",
                "X-Brace": "{{}}",
            },
            "default": {"X-Name": "nobody", "X-Kind": "cat"},
            "add": {"X-Tag": "b"},
        },
        "response": {
            "set": {"X-Said": "{status} {title}: {response.x-more}", "X-Id": "{request_id}"},
            "remove": "Server",
        },
    },
    "cors": {
        "type": "cors",
        "origins": [APP, "https://*.sub.example", "~ https://pr-[0-9]+[.]example"],
        "methods": ["GET", "PUT"],
        "headers": ["X-Token"],
        "expose": ["X-Sum", "ETag"],
        "credentials": True,
        "max_age": "1h",
        "private_network": True,
    },
    "anybody": {"type": "cors", "origins": "*", "headers": "*"},
    "standard": {"type": "security_headers"},
    "strict": {
        "type": "security_headers",
        "preset": "strict",
        "csp": "default-src 'none'",
        "coep": "",
        "replace": True,
        "remove_server": True,
    },
    "ids": {"type": "request_id"},
    "ulids": {"type": "request_id", "header": "X-Correlation-Id", "format": "ulid", "response": False},
    "strange": {"type": "request_id", "accept": False, "format": "hex"},
    "trace": {"type": "traceparent"},
    "untraced": {"type": "traceparent", "accept": "trusted", "sample": "0%"},
}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("headers")
    certificate, key = AUTHORITY.issue(NAME).write(folder, "site")
    ports = {name: free_port() for name in ("web", "stranger", "secure")}
    local = f"http://127.0.0.1:{ports['web']}"
    routes: list[dict[str, Any]] = [
        {"name": name, "match": {"path": f"/{name}/*"}, "middlewares": [name], "service": "backend"}
        for name in MIDDLEWARES
    ]
    routes += [
        {
            "name": "own",
            "match": {"path": "/own/*"},
            "middlewares": ["cors", "rules"],
            "respond": {"body": "own"},
        },
        {"name": "page", "match": {"path": "/page"}, "respond": {"headers": {"Content-Type": "text/html"}}},
        {"name": "local", "match": {"path": "/local/*"}, "middlewares": ["local"], "service": "backend"},
        {
            "name": "calls",
            "match": {"path": "/test.Service/*"},
            "middlewares": ["rules", "strict"],
            "service": "calls",
        },
    ]
    middlewares = MIDDLEWARES | {
        "local": {"type": "cors", "origins": local, "headers": "X-Token", "methods": "PUT", "expose": "X-Sum"}
    }
    with echoing() as backend, grpc_service(folder) as calls:
        config = proxying(
            backend.address,
            trusted_proxies=["127.0.0.1"],
            middlewares=middlewares,
            listeners={
                "web": {"bind": f"127.0.0.1:{ports['web']}"},
                "secure": {
                    "bind": f"127.0.0.1:{ports['secure']}",
                    "tls": {"certificates": [{"cert": str(certificate), "key": str(key)}]},
                },
            },
            services={"calls": {"endpoints": [f"h2c://{calls}"]}},
        )
        with Product(config | {"routes": routes}) as made:
            yield made


def port_of(product: Product, listener: str = "web") -> int:
    return int(product.config["listeners"][listener]["bind"].rpartition(":")[2])


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def client(product: Product, request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(port_of(product), http2=request.param) as made:
        yield made


# --- headers ---


def test_rules(client: Client, product: Product) -> None:
    fields = {"x_old": "1", "x_new": "forged", "x_debug": "yes", "x_tag": "a", "x_user": "forged"}
    fields |= {
        "x_client": "1.2.3.4",
        "x_name": "Ann",
        "cookie": "a=b; kind=ginger",
        "x_answer": "Server: X|X-More: m",
    }
    answer = client.ask("/rules/x?n=a%0D%0AX-Evil:%20yes", fields)
    asked = heard(answer)
    assert asked.all("x-new") == ["1"]
    assert asked.all("x-old") == asked.all("x-debug") == asked.all("x-evil") == []
    assert asked.all("x-user") == [], "an empty value is not sent, and takes away what was forged"
    assert asked.all("x-sni") == []
    assert asked.all("x-client") == ["127.0.0.1"]
    assert asked.all("x-tag") == ["a", "b"]
    assert asked.all("x-brace") == ["{}"]
    assert (asked.all("x-name"), asked.all("x-kind")) == (["Ann"], ["cat"])
    assert asked.all("x-from") == ["Ann ate ginger a X-Evil: yes"]
    [where] = asked.all("x-where")
    query = "?n=a%0D%0AX-Evil:%20yes"
    assert re.fullmatch(rf"web rules GET (test|127\.0\.0\.1)/rules/x{re.escape(query)} http", where)
    assert answer.all("x-said") == ["200 OK: m"]
    assert answer.all("x-id") == asked.all("x-request-id")
    assert answer.all("server") == []


def test_rules_for_an_answer_of_headgate_itself(client: Client) -> None:
    answer = client.ask("/own/x", {"origin": APP})
    assert answer.body == b"own"
    assert answer.all("x-said") == ["200 OK:"]
    assert answer.all("access-control-allow-origin") == [APP]


def test_fields_of_calls(product: Product) -> None:
    with channel_to(f"127.0.0.1:{port_of(product)}") as channel:
        said, call = unary(channel, "Metadata").with_call(b"", timeout=SECONDS, metadata=(("x-old", "1"),))
        names = {name for name, _ in call.initial_metadata()}
    assert b"x-new: '1'" in said
    assert b"POST 127.0.0.1/test.Service/Metadata" in said
    assert "x-said" in names
    assert "x-frame-options" not in names
    with channel_to(f"127.0.0.1:{port_of(product)}") as channel, pytest.raises(grpc.RpcError):
        unary(channel, "Fail")(b"5 gone", timeout=SECONDS)


# --- cors ---


def allowed(answer: Answer) -> dict[str, str]:
    return {
        name.removeprefix("access-control-"): value
        for name, value in answer.fields
        if name.startswith("access-control-")
    }


def test_preflights(client: Client) -> None:
    private = {"access_control_request_private_network": "true"}
    for origin in (APP, BELOW, "https://pr-12.example"):
        answer = client.ask("/cors/x", PREFLIGHT | private | {"origin": origin}, method="OPTIONS")
        assert (answer.status, answer.body) == (204, b"")
        assert allowed(answer) == {
            "allow-origin": origin,
            "allow-credentials": "true",
            "allow-methods": "GET, PUT",
            "allow-headers": "X-Token",
            "allow-private-network": "true",
            "max-age": "3600",
        }
        assert answer.all("vary") == ["Origin, Access-Control-Request-Method, Access-Control-Request-Headers"]


@pytest.mark.parametrize(
    "origin",
    [
        OTHER,
        "null",
        "https://sub.example",
        "https://evilsub.example",
        "https://a.sub.example.evil.example",
        "http://app.example",
        "https://app.example:8443",
        "https://pr-1.example.evil",
        f"{APP}, {APP}",
    ],
)
def test_preflights_of_others(client: Client, origin: str) -> None:
    answer = client.ask("/cors/x", PREFLIGHT | {"origin": origin}, method="OPTIONS")
    assert (answer.status, allowed(answer)) == (403, {})
    assert b"may not use" in answer.body
    asked = client.ask("/cors/x", {"origin": origin})
    assert (asked.status, allowed(asked), asked.all("vary")) == (200, {}, ["Origin"])


def test_answers(client: Client) -> None:
    """What the endpoint says about CORS is gone; what it says about Vary stays."""
    own = "Access-Control-Allow-Origin: *|Vary: Accept-Encoding|Access-Control-Max-Age: 5"
    answer = client.ask("/cors/x", {"origin": BELOW, "x_answer": own})
    wanted = {"allow-origin": BELOW, "allow-credentials": "true", "expose-headers": "X-Sum, ETag"}
    assert allowed(answer) == wanted
    assert answer.all("vary") == ["Accept-Encoding, Origin"]
    assert client.ask("/cors/x", {"x_answer": "Vary: origin"}).all("vary") == ["origin"]
    assert allowed(client.ask("/cors/x", {"x_answer": own})) == {}


def test_options_that_are_no_preflight_go_on(client: Client) -> None:
    assert heard(client.ask("/cors/x", {"origin": APP}, method="OPTIONS")).method == "OPTIONS"


def test_everybody(client: Client) -> None:
    answer = client.ask("/anybody/x", PREFLIGHT | {"origin": OTHER}, method="OPTIONS")
    assert allowed(answer) == {
        "allow-origin": "*",
        "allow-methods": "GET, HEAD, POST",
        "allow-headers": "x-token",
        "max-age": "600",
    }
    answer = client.ask("/anybody/x", {"origin": OTHER})
    assert (allowed(answer), answer.all("vary")) == ({"allow-origin": "*"}, [])


ASK = """async ({url, method, headers}) => {
    try {
        const answer = await fetch(url, {method, headers});
        return [answer.status, answer.headers.get("x-sum"), answer.headers.get("x-hidden")];
    } catch (error) {
        return error.name;
    }
}"""


def test_a_browser_of_another_origin(product: Product) -> None:
    """`localhost` is another origin than 127.0.0.1, whose page it is."""
    port = port_of(product)
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/page")

        def ask(path: str, method: str = "PUT", **headers: str) -> Any:
            fields = {"X-Answer": "X-Sum: 7|X-Hidden: 1"} if method == "GET" else {}
            url = f"http://localhost:{port}{path}"
            return page.evaluate(ASK, {"url": url, "method": method, "headers": fields | headers})

        assert ask("/local/x", **{"X-Token": "t"}) == [200, None, None]
        assert ask("/local/x", "DELETE") == "TypeError"
        assert ask("/local/x", **{"X-Other": "t"}) == "TypeError"
        assert ask("/cors/x") == "TypeError", "this page is of none of its origins"
        assert ask("/anybody/x", "GET", **{"X-Token": "t"})[0] == 200


# --- security_headers ---


def test_security_headers(client: Client) -> None:
    answer = client.ask("/standard/x", {"x_answer": "X-Frame-Options: ALLOWALL|Server: X"})
    assert answer.all("x-frame-options") == ["ALLOWALL"]
    assert answer.all("x-content-type-options") == ["nosniff"]
    assert answer.all("referrer-policy") == ["strict-origin-when-cross-origin"]
    assert answer.all("strict-transport-security") == answer.all("content-security-policy") == []
    assert answer.all("server") == ["X"]
    answer = client.ask("/strict/x", {"x_answer": "X-Frame-Options: ALLOWALL|Server: X|X-Powered-By: Y"})
    assert answer.all("x-frame-options") == ["DENY"]
    assert answer.all("content-security-policy") == ["default-src 'none'"]
    assert answer.all("cross-origin-opener-policy") == ["same-origin"]
    assert answer.all("cross-origin-resource-policy") == ["same-origin"]
    assert answer.all("permissions-policy")
    for name in ("server", "x-powered-by", "cross-origin-embedder-policy", "strict-transport-security"):
        assert answer.all(name) == []


def test_fields_over_tls(product: Product) -> None:
    tls = client_context(protocols=("h2",))
    with Http2Wire.connected(port_of(product, "secure"), tls=tls, name=NAME) as wire:
        answer = wire.message(wire.ask(path="/standard/x", authority=NAME, scheme="https"))
        assert answer.get("strict-transport-security") == "max-age=31536000"
        answer = wire.message(wire.ask(path="/rules/x", authority=NAME, scheme="https"))
    assert NAME in heard(Answer(200, [], answer.body)).all("x-sni")


# --- request_id and traceparent ---


def test_request_ids(client: Client) -> None:
    answer = client.ask("/ids/x")
    [new] = answer.all("x-request-id")
    assert uuid.UUID(new).version == 4
    assert heard(answer).all("x-request-id") == [new]
    known = client.ask("/ids/x", {"x_request_id": "of-a-proxy"})
    assert known.all("x-request-id") == heard(known).all("x-request-id") == ["of-a-proxy"]
    [made] = client.ask("/ids/x", {"x_request_id": "not fit for logs"}).all("x-request-id")
    assert uuid.UUID(made).version == 4
    answer = client.ask("/ulids/x")
    [made] = heard(answer).all("x-correlation-id")
    assert re.fullmatch("[0-7][0-9A-HJKMNP-TV-Z]{25}", made)
    assert heard(answer).all("x-request-id") == [made]
    assert answer.all("x-correlation-id") == []
    [made] = client.ask("/strange/x", {"x_request_id": "of-a-proxy"}).all("x-request-id")
    assert re.fullmatch("[0-9a-f]{32}", made)


def test_strangers_name_nothing(product: Product) -> None:
    """Only 127.0.0.1 is a trusted proxy."""
    stranger = http.client.HTTPConnection("127.0.0.1", port_of(product), 10, source_address=("127.0.0.2", 0))
    with closing(stranger):
        for path, name, value in (
            ("/ids/x", "X-Request-Id", "mine"),
            ("/ulids/x", "X-Correlation-Id", "mine"),
            ("/untraced/x", "traceparent", TRACE),
        ):
            stranger.request("GET", path, headers={name: value})
            asked = heard(Answer(200, [], stranger.getresponse().read()))
            [found] = asked.all(name.lower())
            assert found != value
    with Client(port_of(product)) as client:
        assert heard(client.ask("/ulids/x", {"x_correlation_id": "mine"})).all("x-correlation-id") == ["mine"]
        assert heard(client.ask("/untraced/x", {"traceparent": TRACE})).all("traceparent") == [TRACE]


def test_traces(client: Client) -> None:
    asked = heard(client.ask("/trace/x", {"traceparent": TRACE, "tracestate": "a=1,b@c=2"}))
    assert (asked.all("traceparent"), asked.all("tracestate")) == ([TRACE], ["a=1,b@c=2"])
    asked = heard(client.ask("/trace/x", {"traceparent": TRACE, "tracestate": "a=1,a=2"}))
    assert (asked.all("traceparent"), asked.all("tracestate")) == ([TRACE], [])
    for fields in ({}, {"traceparent": TRACE.upper()}, {"traceparent": TRACE + "-00"}):
        asked = heard(client.ask("/trace/x", {"tracestate": "a=1"} | fields))
        [new] = asked.all("traceparent")
        assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-03", new)
        assert asked.all("tracestate") == []
    asked = heard(client.ask("/untraced/x"))
    assert asked.all("traceparent")[0].endswith("-02")
