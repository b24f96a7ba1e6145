"""Chromium over HTTPS: HTTP/2 for everything, WebSockets in it too, and streams that are not held back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from support.browsing import FOUND, chromium, complaints, page_and_assets
from support.edge import Certificates, Edge

LOADED = 20_000  # milliseconds
PROTOCOLS = """
performance.getEntries()
  .filter(entry => ["navigation", "resource"].includes(entry.entryType))
  .map(entry => [new URL(entry.name).pathname, entry.nextHopProtocol])
"""
# Echoed messages of many sizes, what the request said in Via, and how the socket was closed.
SOCKET = """
() => new Promise((resolve, reject) => {
  const socket = new WebSocket(`wss://${location.host}/app/socket`);
  const sizes = [0, 1, 125, 126, 65535, 65536, 1000000];
  const seen = [];
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    socket.send("Via");
    for (const size of sizes) socket.send(new Uint8Array(size).fill(size % 251));
  };
  socket.onmessage = ({ data }) => {
    seen.push(typeof data === "string" ? data : data.byteLength);
    if (typeof data !== "string" && new Uint8Array(data).some(each => each !== data.byteLength % 251)) {
      reject(new Error("other bytes came back"));
    }
    if (seen.length === sizes.length + 1) socket.close(3000, "enough");
  };
  socket.onclose = ({ code, wasClean }) => resolve([...seen, code, wasClean]);
})
"""
# Each event is sent when the one before was heard; otherwise this never ends.
EVENTS = """
() => new Promise(resolve => {
  const source = new EventSource("/app/events");
  const seen = [];
  source.onmessage = async ({ data, lastEventId }) => {
    seen.push(`${lastEventId}: ${data}`);
    await (await fetch("/app/next")).text();
  };
  source.onerror = () => {  // the end of the stream
    source.close();
    resolve(seen);
  };
})
"""
# The same with the body of a response.
PIECES = """
async () => {
  const reader = (await fetch("/app/pieces")).body.pipeThrough(new TextDecoderStream()).getReader();
  const seen = [];
  while (true) {
    const { value, done } = await reader.read();
    if (done) return seen;
    seen.push(value);
    await (await fetch("/app/next")).text();
  }
}
"""
# A request whose body has no length and comes in pieces; Chromium does so over HTTP/2 only.
UPLOAD = """
async () => {
  let left = 100;
  const body = new ReadableStream({
    pull(controller) {
      if (left-- > 0) controller.enqueue(new Uint8Array(10000).fill(left));
      else controller.close();
    },
  });
  const answer = await fetch("/app/echo", { method: "POST", body, duplex: "half" });
  const came = new Uint8Array(await answer.arrayBuffer());
  return came.length === 1000000 && came.every((each, at) => each === 99 - Math.floor(at / 10000));
}
"""


@pytest.fixture(scope="module")
def edge(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with page_and_assets(tmp_path_factory.mktemp("site")) as config, Edge(config, certificates) as edge:
        yield edge


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, edge: Edge) -> Iterator[Page]:
    """The page, loaded; it must have nothing to complain about at the end."""
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    wrong = complaints(page)
    page.goto(edge.url())
    page.wait_for_function("window.found !== undefined", timeout=LOADED)
    yield page
    context.close()
    assert wrong == []


def test_a_page_with_everything(page: Page, edge: Edge) -> None:
    found = page.evaluate("window.found")
    fields = dict(found.pop("json")["fields"])
    assert found == FOUND
    assert fields["x-forwarded-proto"] == "https"
    assert fields["x-forwarded-port"] == str(edge.secure_port)
    assert fields["host"] == f"localhost:{edge.secure_port}"
    assert fields["via"] == "2.0 headgate"


def test_everything_comes_over_http2(page: Page) -> None:
    protocols = dict(page.evaluate(PROTOCOLS))
    assert set(protocols) >= {"/", "/static/style.css", "/static/picture.svg", "/node/script.js", "/app/echo"}
    assert set(protocols.values()) == {"h2"}


def test_a_websocket_is_a_stream_of_http2(page: Page) -> None:
    """RFC 8441: its request says in Via how it came."""
    sizes = [0, 1, 125, 126, 65535, 65536, 1_000_000]
    assert page.evaluate(SOCKET) == ["2.0 headgate", *sizes, 3000, True]


def test_server_sent_events_come_one_by_one(page: Page) -> None:
    assert page.evaluate(EVENTS) == [f"{number}: event {number}" for number in range(5)]


def test_a_response_comes_piece_by_piece(page: Page) -> None:
    assert page.evaluate(PIECES) == [f"piece {number};" for number in range(5)]


def test_a_request_without_a_length(page: Page) -> None:
    assert page.evaluate(UPLOAD) is True
