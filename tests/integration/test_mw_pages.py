"""Error pages, fixed answers and maintenance, on one product, over both versions and gRPC."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from support import free_port, proxying
from support.asking import Answer, Client
from support.grpc_cases import SECONDS, channel_to, unary
from support.parrot import echoing
from support.peers import grpc_service
from support.product import Product, until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    (folder / "missing.html").write_text("<h1>{status} {title}</h1> {header.x-name} body { color: red }")
    (folder / "fixed.json").write_text('{"said": "{header.x-name}", "route": "{route}"}')
    (folder / "mended.html").write_text("<p>mended, {client}</p>")
    return folder


def middlewares(folder: Path) -> dict[str, dict[str, Any]]:
    pages = [
        {
            "statuses": 404,
            "html_file": str(folder / "missing.html"),
            "json": '{"missing": "{header.x-name}"}',
        },
        {"statuses": ["5xx", "401"], "html": "sorry: {status} {reason}"},
    ]
    return {
        "own": {"type": "error_pages", "pages": pages},
        "theirs": {"type": "error_pages", "pages": pages, "of": "endpoints"},
        "all": {"type": "error_pages", "pages": pages, "of": "all"},
        "json": {"type": "respond", "status": 201, "file": str(folder / "fixed.json")},
        "html": {
            "type": "respond",
            "body": "<i>{header.x-name}</i>",
            "content_type": "text/html",
            "headers": {"X-Name": "{query.n}", "Cache-Control": "no-store"},
        },
        "empty": {"type": "respond", "status": 204},
        "closed": {"type": "respond", "status": 401, "body": "no", "headers": {"WWW-Authenticate": "Basic"}},
        "mending": {"type": "maintenance", "enabled": True, "retry_after": "2m", "message": "Mending."},
        "let": {"type": "maintenance", "enabled": True, "allow": ["127.0.0.0/8"]},
        "switch": {"type": "maintenance", "file": str(folder / "on"), "page": str(folder / "mended.html")},
    }


@pytest.fixture(scope="module")
def product(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    made = middlewares(folder)
    routes: list[dict[str, Any]] = [
        {"name": name, "match": {"path": f"/{name}/*"}, "middlewares": [name], "service": "backend"}
        for name in made
    ]
    routes += [
        {"name": "gone", "match": {"path": "/gone/*"}, "middlewares": ["own"], "service": "gone"},
        {
            "name": "shut",
            "match": {"path": "/shut/*"},
            "middlewares": ["all", "closed"],
            "service": "backend",
        },
        {
            "name": "mended",
            "match": {"path": "/test.Service/*", "headers": {"x-mending": "yes"}},
            "middlewares": ["own", "mending"],
            "service": "calls",
        },
        {"name": "calls", "match": {"path": "/test.Service/*"}, "middlewares": ["all"], "service": "calls"},
    ]
    with echoing() as backend, grpc_service(tmp_path_factory.mktemp("calls")) as calls:
        config = proxying(
            backend.address,
            middlewares=made,
            services={
                "gone": {"endpoints": [f"127.0.0.1:{free_port()}"]},
                "calls": {"endpoints": [f"h2c://{calls}"]},
            },
        )
        with Product(config | {"routes": routes}) as running:
            yield running


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def client(product: Product, request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(product.port, http2=request.param) as made:
        yield made


def kind(answer: Answer) -> str:
    [found] = answer.all("content-type")
    return found


# --- error_pages ---


def test_errors_of_headgate_itself(client: Client) -> None:
    answer = client.ask("/gone/x")
    assert (answer.status, kind(answer)) == (502, "text/html; charset=utf-8")
    assert answer.body == b"sorry: 502 connection_refused"
    assert answer.all("proxy-status") == ["headgate; error=connection_refused"]
    assert answer.all("content-length") == [str(len(answer.body))]
    answer = client.ask("/own/x", {"x_status": "500"})
    assert answer.status == 500
    assert json.loads(answer.body), "the endpoint's own error stays"


def test_pages_are_counted(product: Product) -> None:
    before = product.metric("headgate_middleware_pages_total", middleware="own")
    with Client(product.port) as client:
        client.ask("/gone/x")
    assert product.shows("headgate_middleware_pages_total", before + 1, middleware="own")


def test_errors_of_middlewares_keep_their_fields(client: Client) -> None:
    answer = client.ask("/shut/x")
    assert (answer.status, answer.body) == (401, b"sorry: 401 ")
    assert answer.all("www-authenticate") == ["Basic"]


@pytest.mark.parametrize("size", [0, 200_000], ids=["small", "large"])
def test_errors_of_endpoints(client: Client, size: int) -> None:
    """Whether its body is short enough to be read, or not."""
    more = "ETag: x|Content-Encoding: br|Set-Cookie: a=b|Cache-Control: no-store|TE: x|Expect: y|Vary: Cookie"
    fields = {"x_status": "404", "x_name": "<Ann>", "x_answer": more, "x_size": str(size)}
    answer = client.ask("/theirs/x", fields)
    assert (answer.status, kind(answer)) == (404, "text/html; charset=utf-8")
    assert answer.body.decode() == "<h1>404 Not Found</h1> &lt;Ann&gt; body { color: red }"
    assert answer.all("set-cookie") == ["a=b"]
    assert answer.all("cache-control") == ["no-store"]
    assert answer.all("vary") == ["Cookie, Accept"]
    assert answer.all("etag") == answer.all("content-encoding") == []
    assert answer.all("content-length") == [str(len(answer.body))]
    answer = client.ask(
        "/theirs/x", fields | {"accept": "application/json, text/html;q=0.5", "x_name": 'a"b'}
    )
    assert (kind(answer), json.loads(answer.body)) == ("application/json", {"missing": 'a"b'})
    assert json.loads(client.ask("/theirs/x", {"x_status": "418"}).body), "no page is for it"


def test_an_error_without_a_body(client: Client) -> None:
    answer = client.ask("/all/x", {"x_status": "503"}, method="HEAD")
    assert (answer.status, answer.body, kind(answer)) == (503, b"", "text/html; charset=utf-8")


def test_pages_are_read_again(product: Product, folder: Path) -> None:
    missing = {"x_status": "404"}
    (folder / "missing.html").write_text("other")
    with Client(product.port) as client:
        until(lambda: client.ask("/all/x", missing).body == b"other", "the other page")
        (folder / "missing.html").unlink()

        def logged() -> bool:
            client.ask("/all/x", missing)
            return "what was read before stays" in product.log

        until(logged, "the log's word")
        assert client.ask("/all/x", missing).body == b"other"


def test_calls_have_no_pages(product: Product) -> None:
    with channel_to(f"127.0.0.1:{product.port}") as channel:
        assert unary(channel, "Echo")(b"hi", timeout=SECONDS) == b"hi"
        with pytest.raises(grpc.RpcError) as caught:
            unary(channel, "Echo")(b"", timeout=SECONDS, metadata=(("x-mending", "yes"),))
    call = cast("grpc.Call", caught.value)
    assert (call.code(), call.details()) == (grpc.StatusCode.UNAVAILABLE, "Mending.")


# --- respond ---


def test_fixed_answers(client: Client) -> None:
    answer = client.ask("/json/x", {"x_name": 'a"<b>'})
    assert (answer.status, kind(answer)) == (201, "application/json")
    assert json.loads(answer.body) == {"said": 'a"<b>', "route": "json"}
    answer = client.ask("/html/x?n=a%0D%0AX-Evil:1", {"x_name": "<b>"})
    assert (answer.status, kind(answer), answer.body) == (200, "text/html", b"<i>&lt;b&gt;</i>")
    assert answer.all("x-name") == ["a X-Evil:1"]
    assert answer.all("x-evil") == []
    answer = client.ask("/empty/x")
    assert (answer.status, answer.body, answer.all("content-type")) == (204, b"", [])


# --- maintenance ---


def test_maintenance(client: Client) -> None:
    answer = client.ask("/mending/x")
    assert (answer.status, answer.body, answer.all("retry-after")) == (503, b"Mending.\n", ["120"])
    answer = client.ask("/mending/x", {"accept": "application/json"})
    assert json.loads(answer.body) == {"status": 503, "title": "Service Unavailable", "detail": "Mending."}
    assert client.ask("/let/x").status == 200


def test_maintenance_by_a_file(product: Product, folder: Path) -> None:
    with Client(product.port) as client:
        assert client.ask("/switch/x").status == 200
        (folder / "on").touch()
        answer = until(lambda: (found := client.ask("/switch/x")).status == 503 and found, "maintenance")
        assert isinstance(answer, Answer)
        assert answer.body == b"<p>mended, 127.0.0.1</p>"
        (folder / "on").unlink()
        until(lambda: client.ask("/switch/x").status == 200, "its end")
