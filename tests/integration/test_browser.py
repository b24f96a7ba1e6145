"""A real browser loads a page with assets of three backends, and opens a WebSocket, through the product."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from support import Product
from support.browsing import FOUND, chromium, complaints, page_and_assets


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Product]:
    """The product with two workers in front of uvicorn, Node.js and nginx."""
    with page_and_assets(tmp_path) as config, Product(config) as product:
        yield product


def test_a_page_with_everything(site: Product, browser: Browser) -> None:
    page = browser.new_page()
    wrong = complaints(page)
    answer = page.goto(f"http://127.0.0.1:{site.port}/")
    assert answer is not None
    assert answer.status == 200
    page.wait_for_function("window.found !== undefined", timeout=20_000)
    found = page.evaluate("window.found")
    fields = dict(found.pop("json")["fields"])
    assert found == FOUND
    assert fields["x-forwarded-for"] == "127.0.0.1"
    assert fields["x-forwarded-proto"] == "http"
    assert fields["host"] == f"127.0.0.1:{site.port}"
    assert "via" in fields
    assert wrong == []


def test_a_page_that_is_not_there(site: Product, browser: Browser) -> None:
    page = browser.new_page()
    answer = page.goto(f"http://127.0.0.1:{site.port}/nowhere")
    assert answer is not None
    assert answer.status == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "404" in page.inner_text("body")
