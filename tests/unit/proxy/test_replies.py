"""Answers of our own: where redirects lead, and what errors look like."""

from __future__ import annotations

import json

import pytest

from headgate import spec
from headgate.proxy import replies
from unit.proxy.stage import Stage


def location(action: spec.Redirect, host: str = "a.example", **more: object) -> str:
    """Where a redirect of GET / leads."""
    request = {"scheme": "http", "port": -1, "path": b"/", "query": None, "captures": {}} | more
    status, fields, body = replies.redirect(action, host=host, **request)  # type: ignore[arg-type]
    assert status == action.status
    assert not body
    return dict(fields)[b"Location"].decode("ascii")


HTTPS = spec.Redirect(scheme="https")


@pytest.mark.parametrize(
    ("action", "request_", "wanted"),
    [
        (HTTPS, {"path": b"/a", "query": "b=c"}, "https://a.example/a?b=c"),
        (HTTPS, {"port": 8080}, "https://a.example/"),
        (spec.Redirect(scheme="https", port=8443), {"port": 8080}, "https://a.example:8443/"),
        (spec.Redirect(scheme="https", port=443), {"port": 8080}, "https://a.example/"),
        (spec.Redirect(path="/b"), {"port": 8080}, "http://a.example:8080/b"),
        (spec.Redirect(path="/b"), {"port": 80}, "http://a.example/b"),
        (HTTPS, {"host": "::1"}, "https://[::1]/"),
        (spec.Redirect(path="/b"), {"host": "::1", "port": 8080}, "http://[::1]:8080/b"),
        (spec.Redirect(host="[::2]"), {}, "http://[::2]/"),
        (spec.Redirect(host="www.{host}"), {"port": 8080}, "http://www.a.example/"),
        (spec.Redirect(path="/new{path}"), {"path": b"/a"}, "http://a.example/new/a"),
        (spec.Redirect(path="/x", query=""), {"query": "b=c"}, "http://a.example/x"),
        (spec.Redirect(path="/x", query="from={path}"), {"path": b"/a"}, "http://a.example/x?from=/a"),
        (spec.Redirect(path="/{id}"), {"captures": {"id": "7"}}, "http://a.example/7"),
        (spec.Redirect(path="/{unknown}"), {}, "http://a.example/{unknown}"),
        # A value that looks like a template is none.
        (spec.Redirect(path="/{id}"), {"captures": {"id": "{host}"}}, "http://a.example/{host}"),
        (spec.Redirect(path="/{path}"), {"path": b"/{query}", "query": "q"}, "http://a.example//{query}?q"),
        (spec.Redirect(path="/ü"), {}, "http://a.example/%C3%BC"),
    ],
)
def test_where_it_leads(action: spec.Redirect, request_: dict[str, object], wanted: str) -> None:
    assert location(action, **request_) == wanted  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path", [b"//evil.example/", b"///evil.example", b"/.evil.example", b"/@evil.example"]
)
@pytest.mark.parametrize(
    "action",
    [HTTPS, spec.Redirect(path="{path}"), spec.Redirect(path="{rest}"), spec.Redirect(path="/{rest}")],
)
@pytest.mark.parametrize("host", ["a.example", ""])
def test_it_leads_nowhere_else(action: spec.Redirect, path: bytes, host: str) -> None:
    """Nobody can send a link to us that leads to somebody else."""
    found = location(action, host=host, path=path, captures={"rest": path.decode()[1:]})
    if host:
        assert found.startswith(("http://a.example/", "https://a.example/"))
    else:
        assert found.startswith("/")
        assert not found.startswith("//")


@pytest.mark.parametrize(
    "tenant", ["evil.example/", "evil.example#", "evil.example?", "a:1@evil.example", "a\\b", "a b"]
)
def test_host_from_the_path(tenant: str) -> None:
    action = spec.Redirect(host="{tenant}.a.example")
    assert location(action, captures={"tenant": "good"}) == "http://good.a.example/"
    status, fields, _ = replies.redirect(action, "http", "a.example", -1, b"/", None, {"tenant": tenant})
    assert status == 404
    assert not any(name == b"Location" for name, _ in fields)


@pytest.mark.parametrize("bad", ["\r\nSet-Cookie: a=b", "\n", "\0", "\t", "ä"])
def test_no_response_splitting(bad: str) -> None:
    action = spec.Redirect(path="/{id}", query="{id}")
    found = location(action, captures={"id": bad})
    assert found.isprintable()
    assert " " not in found


@pytest.mark.parametrize(
    ("accept", "json_"),
    [
        (b"", False),
        (b"*/*", False),
        (b"text/html", False),
        (b"application/json", True),
        (b"application/problem+json", True),
        (b"application/json;q=0.1, text/html;q=0.2", False),
        (b"application/json;q=0.2, text/html;q=0.1", True),
        (b"text/html, application/json", False),
        (b"application/json, text/html", True),
        (b"application/json;q=0", False),
        (b"APPLICATION/JSON", True),
        (b";;;,,,q=,json;q=9", True),
        (b"json;q=" * 4000, True),
        (b"," * 30000, False),
    ],
)
def test_kind_of_an_error(accept: bytes, json_: bool) -> None:
    fields, body = replies.error(502, b"connection_refused", accept, b"<id>")
    named = dict(fields)
    assert named[b"Proxy-Status"] == b"headgate; error=connection_refused"
    assert named[b"Content-Type"].startswith(b"application/json" if json_ else b"text/html")
    if json_:
        assert json.loads(body)["status"] == 502
    else:
        assert b"&lt;id&gt;" in body
        assert b"<id>" not in body


async def test_redirect_of_a_real_request(stage: Stage) -> None:
    route = {"redirect": spec.Redirect(scheme="https", status=301)}
    await stage.serve(route=route)
    client = await stage.client()
    for host, target, wanted in (
        (b"A.Example:8080", b"/x/../y?z", "https://a.example/y?z"),
        (b"[::1]:8080", b"/", "https://[::1]/"),
        (b"a.example", b"//evil.example/%2e%2e/", "https://a.example//"),
        (b"ignored.example", b"http://b.example/c", "https://b.example/c"),
    ):
        answer = await client.ask(b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, host))
        assert (answer.status, answer.get("Location")) == (301, wanted)
        assert answer.get("Content-Length") == "0"
    answer = await client.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", to="HEAD")
    assert answer.get("Location") == "https://a/"
