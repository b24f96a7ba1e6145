"""The fixture `headgate_gateway`, in front of a real backend."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import headgate
from headgate.testing import GatewayStarter, GatewayThread
from support import free_port


@pytest.fixture
def app() -> Iterator[str]:
    """A server of the standard library that says which path it was asked for."""

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.path.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        data: bytes = response.read()
        return data


def test_old_links_are_redirected(headgate_gateway: GatewayStarter) -> None:
    """The example of docs/embedding.md."""
    running = headgate_gateway(
        routes=[
            {"name": "old", "match": {"path": "/old"}, "redirect": {"path": "/new"}},
            {"name": "new", "match": {"path": "/new"}, "respond": {"body": "here"}},
        ],
    )
    with urllib.request.urlopen(f"{running.url}/old") as response:
        assert response.read() == b"here"
        assert response.url.endswith("/new")


def test_everything_to_one_app(headgate_gateway: GatewayStarter, app: str) -> None:
    running = headgate_gateway(app=app)
    assert get(f"{running.url}/some/path?a=b") == b"/some/path?a=b"


def test_several_at_once(headgate_gateway: GatewayStarter, app: str) -> None:
    inner = headgate_gateway(app=app)
    outer = headgate_gateway(app=inner.url.removeprefix("http://"))
    assert get(f"{outer.url}/twice") == b"/twice"


def test_another_configuration(headgate_gateway: GatewayStarter, app: str) -> None:
    port = free_port()
    listeners = {"web": {"bind": f"127.0.0.1:{port}"}}
    running = headgate_gateway(app=app, listeners=listeners)
    assert get(f"{running.url}/a") == b"/a"
    running.reload(
        headgate.Gateway(
            listeners=listeners, access_log="off", routes=[{"name": "all", "respond": {"body": "changed"}}]
        )
    )
    assert get(f"{running.url}/a") == b"changed"


def test_a_port_in_use(headgate_gateway: GatewayStarter, app: str) -> None:
    first = headgate_gateway(app=app)
    taken = {"web": {"bind": first.url.removeprefix("http://")}}
    with pytest.raises(headgate.PublishError, match="in use"):
        headgate_gateway(app=app, listeners=taken)
    assert get(f"{first.url}/still") == b"/still"


def test_an_error_in_the_configuration(headgate_gateway: GatewayStarter) -> None:
    with pytest.raises(headgate.ConfigError, match="did you mean"):
        headgate_gateway(routes=[{"name": "all", "respnd": {}}])


def test_without_pytest(app: str) -> None:
    gateway = headgate.Gateway(
        listeners={"web": {"bind": "127.0.0.1:0"}},
        access_log="off",
        routes=[{"name": "all", "service": "app"}],
        services={"app": {"endpoints": [app]}},
    )
    with GatewayThread(gateway) as running:
        url = running.url
        assert get(f"{url}/x") == b"/x"
    with pytest.raises(OSError, match="refused"):
        get(f"{url}/x")
