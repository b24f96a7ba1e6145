"""An ASGI application: a page with assets of other backends, JSON, a stream, an echo, a WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PAGE = """<!doctype html>
<title>Headgate</title>
<link rel="icon" href="/static/picture.svg">
<link rel="stylesheet" href="/static/style.css">
<img id="picture" src="/static/picture.svg">
<script src="/node/script.js"></script>
<script type="module">
const found = {};
found.script = window.fromNode;
found.json = await (await fetch("/app/data.json?a=b%20c")).json();
found.stream = (await (await fetch("/app/stream")).text()).length;
const upload = new Uint8Array(1 << 20).fill(65);
found.echo = (await (await fetch("/app/echo", { method: "POST", body: upload })).arrayBuffer()).byteLength;
const number = (_, i) => fetch(`/node/number/${i}`).then(r => r.json());
found.many = (await Promise.all(Array.from({ length: 40 }, number)))
  .every((value, i) => value === i);
found.socket = await new Promise((resolve, reject) => {
  const socket = new WebSocket(`ws://${location.host}/app/socket`);
  const seen = [];
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { socket.send("hello"); socket.send(new Uint8Array(200000)); };
  socket.onmessage = ({ data }) => {
    seen.push(typeof data === "string" ? data : data.byteLength);
    if (seen.length === 2) socket.close(1000, "enough");
  };
  socket.onclose = ({ code }) => resolve([...seen, code]);
  socket.onerror = reject;
});
await document.getElementById("picture").decode();
found.picture = document.getElementById("picture").naturalWidth;
found.color = getComputedStyle(document.body).color;
window.found = found;
</script>
"""


async def application(scope: Message, receive: Receive, send: Send) -> None:
    """Serve one HTTP exchange or one WebSocket."""
    if scope["type"] == "websocket":
        await socket(receive, send)
    elif scope["type"] == "http":
        await http(scope, receive, send)


async def socket(receive: Receive, send: Send) -> None:
    """Send back every message."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


async def http(scope: Message, receive: Receive, send: Send) -> None:
    """Answer by path."""
    path = scope["path"]
    if path == "/app/echo":
        await respond(send, await body(receive), "application/octet-stream")
    elif path == "/app/data.json":
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        seen = {"query": scope["query_string"].decode(), "fields": fields, "client": scope["client"]}
        await respond(send, json.dumps(seen).encode(), "application/json")
    elif path == "/app/stream":
        await stream(send)
    else:
        await respond(send, PAGE.encode(), "text/html; charset=utf-8")


async def body(receive: Receive) -> bytes:
    """The whole request body."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def stream(send: Send) -> None:
    """Twenty pieces without a Content-Length, so that they are chunked."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for _ in range(20):
        await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        await asyncio.sleep(0.002)
    await send({"type": "http.response.body", "body": b""})


async def respond(send: Send, data: bytes, kind: str) -> None:
    """Answer 200 with the data."""
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": data})
