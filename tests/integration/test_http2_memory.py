"""What an idle client over HTTP/2 and TLS costs the worker that serves it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from support import Product, free_port
from support.certificates import Authority
from support.http2 import Http2Wire, client_context
from support.processes import pid_of, pss

pytestmark = pytest.mark.alone

AUTHORITY = Authority()
NAME = "open.example"
LIMIT = 20_000  # bytes: what the design allows
FEW, MANY = 200, 800
# What a browser says with each request, and what is answered: some of it comes into the tables of HPACK.
USUAL = (
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("cookie", "session=0123456789abcdef0123456789abcdef"),
)
ANSWER = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "max-age=600",
    "Vary": "Accept-Encoding",
}


def serving(folder: Path, port: int) -> dict[str, object]:
    AUTHORITY.issue(NAME).write(folder, "open")
    pair = {"cert": str(folder / "open.crt"), "key": str(folder / "open.key")}
    return {
        "process": {"workers": 1},
        "access_log": "off",
        "listeners": {"web": {"bind": f"127.0.0.1:{port}", "tls": {"certificates": [pair]}}},
        "routes": [{"name": "all", "match": {"path": "/*"}, "respond": {"headers": ANSWER, "body": "hello"}}],
    }


def test_an_idle_connection_is_small(tmp_path: Path) -> None:
    """After a few requests. What all of them share drops out between two counts."""
    port = free_port()
    context = client_context(AUTHORITY.pem)
    with Product(serving(tmp_path, port)) as product, ExitStack() as stack:
        worker = pid_of(product, "w0")

        def open_until(count: int) -> None:
            """Have so many connections that each got a few answers."""
            while len(clients) < count:
                wire = Http2Wire.connected(port, tls=context, name=NAME)
                clients.append(stack.enter_context(wire))
                for path in ("/", "/style.css", "/icons/logo.svg"):
                    asked = wire.ask(*USUAL, path=path, authority=NAME, scheme="https")
                    assert wire.message(asked).body == b"hello"

        clients: list[Http2Wire] = []
        open_until(FEW)
        before = pss(worker)
        open_until(MANY)
        each = (pss(worker) - before) / (MANY - FEW)
        print(f"\nan idle connection over HTTP/2 and TLS: {each:.0f} bytes")
        assert each < LIMIT
        for wire in clients[:: MANY // 10]:
            wire.check_alive()
