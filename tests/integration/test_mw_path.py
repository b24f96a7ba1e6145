"""Middlewares for paths and places, on one product, over both versions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support import proxying
from support.asking import Client
from support.parrot import echoing, heard
from support.product import Product

MIDDLEWARES: dict[str, dict[str, Any]] = {
    "add": {"type": "add_prefix", "prefix": "/v1"},
    "strip": {"type": "strip_prefix", "prefix": "/strip"},
    "other": {"type": "replace_prefix", "prefix": "/other", "by": "/api/v2"},
    "one": {"type": "replace_path", "path": "/index/a b/"},
    "user": {
        "type": "rewrite",
        "regex": "^/user/(?P<id>[^/]+)/([a-z]*)$",
        "path": "/u/{2}",
        "query": "id={id}&{query}",
    },
    "search": {
        "type": "rewrite",
        "regex": r"^/search\?q=(.*)$",
        "subject": "path_and_query",
        "path": "/find/{1}",
        "query": "was={1}",
    },
    "cut": {"type": "rewrite", "regex": "^/cut/(.*)0$", "path": "/{1}"},
    "gone": {"type": "redirect", "regex": "^/gone/(?P<name>.*)$", "path": "/new/{name}", "status": 302},
    "www": {"type": "redirect", "scheme": "https", "host": "www.{host}", "status": 301},
    "here": {"type": "redirect", "host": "Example.org", "status": 307},
    "slash": {"type": "trailing_slash", "action": "add"},
    "bare": {"type": "trailing_slash", "action": "strip", "by": "rewrite"},
    "leave": {"type": "trailing_slash", "action": "strip", "status": 301},
}
WHERE = {name: f"/{name}/*" for name in MIDDLEWARES} | {"here": "/*"}


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    routes = [
        {"name": name, "match": {"path": path}, "middlewares": [name], "service": "backend"}
        for name, path in WHERE.items()
        if name != "here"
    ]
    routes.append({"name": "here", "middlewares": ["here"], "service": "backend"})
    with echoing() as backend:
        config = proxying(backend.address, middlewares=MIDDLEWARES)
        with Product(config | {"routes": routes}) as made:
            yield made


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def client(product: Product, request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(product.port, http2=request.param) as made:
        yield made


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("/add/x?q=1", "/v1/add/x?q=1"),
        ("/strip/x?q", "/x?q"),
        ("/strip", "/"),
        ("/other/x", "/api/v2/x"),
        ("/other", "/api/v2"),
        ("/one/whatever?a=b", "/index/a%20b/?a=b"),
        ("/user/7/mail", "/u/mail?id=7"),
        ("/user/7/mail?x=1", "/u/mail?id=7&x=1"),
        # A part of the path brings no parameter of its own along.
        ("/user/7&admin=1/mail?x=1", "/u/mail?id=7%26admin%3D1&x=1"),
        ("/user/7/MAIL", "/user/7/MAIL"),
        ("/search?q=a/b&c=d?", "/find/a/b&c=d%3F?was=a/b&c=d?"),
        ("/search", "/search"),
        ("/bare/a/", "/bare/a"),
        ("/bare/a/?q=1", "/bare/a?q=1"),
        ("/bare/a", "/bare/a"),
        ("/slash/a/", "/slash/a/"),
        ("/slash/a.css", "/slash/a.css"),
        ("/gone", "/gone"),
    ],
)
def test_what_the_endpoint_is_asked(client: Client, asked: str, sent: str) -> None:
    answer = client.ask(asked)
    assert (answer.status, heard(answer).target) == (200, sent)


@pytest.mark.parametrize(
    ("asked", "status", "place"),
    [
        ("/gone/a%0d%0aSet-Cookie:b?q=1", 302, "http://test/new/a%0D%0ASet-Cookie:b?q=1"),
        ("/gone//evil.example", 302, "http://test/new//evil.example"),
        ("/www/x?q=1", 301, "https://www.test/www/x?q=1"),
        ("/slash/a?q=1", 308, "http://test/slash/a/?q=1"),
        ("/slash/%7B{x}", 308, "http://test/slash/%7B{x}/"),
        ("/leave/a/", 301, "http://test/leave/a"),
        ("/elsewhere?q=1", 307, "http://example.org/elsewhere?q=1"),
    ],
)
def test_where_clients_are_sent(
    product: Product, client: Client, asked: str, status: int, place: str
) -> None:
    answer = client.ask(asked)
    assert (answer.status, answer.body) == (status, b"")
    [location] = answer.all("location")
    # The client of HTTP/2 asks for the host "test".
    assert location.replace(f"127.0.0.1:{product.port}", "test").replace("127.0.0.1", "test") == place


def test_nobody_is_sent_to_where_he_is(product: Product) -> None:
    with Client(product.port) as client:
        assert client.ask("/elsewhere", {"host": "example.org"}).status == 200


def test_a_path_that_cannot_be(client: Client) -> None:
    answer = client.ask("/cut/%20")
    assert answer.status == 400
    assert b"ask for another" in answer.body


def test_what_they_count(product: Product) -> None:
    counts = {"gone": "redirected", "user": "rewritten", "slash": "changed"}
    before = {
        name: product.metric(f"headgate_middleware_{what}_total", middleware=name)
        for name, what in counts.items()
    }
    with Client(product.port) as client:
        for path in ("/gone/x", "/user/7/x", "/slash/a", "/slash/a.css"):
            client.ask(path)
    for name, what in counts.items():
        assert product.shows(f"headgate_middleware_{what}_total", before[name] + 1, middleware=name)
