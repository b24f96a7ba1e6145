"""A browser, and the page of programs/asgi.py with its assets of other backends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from support.commands import program
from support.peers import nginx, node, uvicorn

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
# What the page has in `window.found` when everything came, besides "json".
FOUND = {
    "script": "yes",
    "stream": 20_000,
    "echo": 1 << 20,
    "many": True,
    "socket": ["hello", 200_000, 1000],
    "picture": 37,
    "color": "rgb(1, 2, 3)",
}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium without a window."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program("chromium-headless-shell"), args=ARGUMENTS
        )
        yield started
        started.close()


@contextmanager
def page_and_assets(folder: Path) -> Iterator[dict[str, Any]]:
    """A configuration for two workers in front of uvicorn, Node.js and nginx; the page is at /."""
    static = folder / "nginx"
    static.mkdir()
    with uvicorn(folder) as asgi, node(folder) as javascript, nginx(static, FILES) as files:
        yield {
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


def complaints(page: Page) -> list[str]:
    """A list that gets what the page says in its console, its errors, and its requests that fail."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("requestfailed", lambda request: found.append(f"{request.url}: {request.failure}"))
    return found
