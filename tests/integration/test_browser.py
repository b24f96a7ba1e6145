"""A real browser loads a page with assets of three backends, and opens a WebSocket, through the product."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from support import Product
from support.peers import nginx, node, uvicorn

CHROMIUM = ("chromium-headless-shell", "chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FILES = {
    "static/style.css": "body { color: rgb(1, 2, 3) }\n",
    "static/picture.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="37" height="5"></svg>'
    + " " * 100_000,
}


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Debian's Chromium without a window."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    assert program, "Chromium is not installed; `make test` as root does it"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Product]:
    """The product with two workers in front of uvicorn, Node.js and nginx."""
    static = tmp_path / "nginx"
    static.mkdir()
    with uvicorn(tmp_path) as asgi, node(tmp_path) as javascript, nginx(static, FILES) as files:
        config: dict[str, Any] = {
            "process": {"workers": 2, "drain_timeout": "2s"},
            "routes": [
                {"name": "static", "match": {"path": "/static/*"}, "service": "files"},
                {"name": "node", "match": {"path": "/node/*"}, "service": "javascript"},
                {"name": "page", "match": {"path": "/"}, "service": "asgi"},
                {"name": "app", "match": {"path": "/app/*"}, "service": "asgi"},
            ],
            "services": {
                "files": {"endpoints": [files]},
                "javascript": {"endpoints": [javascript]},
                "asgi": {"endpoints": [asgi]},
            },
        }
        with Product(config) as product:
            yield product


def test_a_page_with_everything(site: Product, browser: Browser) -> None:
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"{request.url}: {request.failure}"))
    answer = page.goto(f"http://127.0.0.1:{site.port}/")
    assert answer is not None
    assert answer.status == 200
    page.wait_for_function("window.found !== undefined", timeout=20_000)
    found = page.evaluate("window.found")
    fields = dict(found["json"].pop("fields"))
    assert found == {
        "script": "yes",
        "json": {"query": "a=b%20c", "client": found["json"]["client"]},
        "stream": 20_000,
        "echo": 1 << 20,
        "many": True,
        "socket": ["hello", 200_000, 1000],
        "picture": 37,
        "color": "rgb(1, 2, 3)",
    }
    assert fields["x-forwarded-for"] == "127.0.0.1"
    assert fields["x-forwarded-proto"] == "http"
    assert fields["host"] == f"127.0.0.1:{site.port}"
    assert "via" in fields
    assert complaints == []


def test_a_page_that_is_not_there(site: Product, browser: Browser) -> None:
    page = browser.new_page()
    answer = page.goto(f"http://127.0.0.1:{site.port}/nowhere")
    assert answer is not None
    assert answer.status == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "404" in page.inner_text("body")
