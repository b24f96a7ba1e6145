"""An ASGI application: a page with assets of other backends, JSON, streams, an echo, a WebSocket.

/app/events and /app/pieces go on only when the client says, with /app/next, that it has what came so far.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TURNS: asyncio.Queue[None] = asyncio.Queue()
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
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/app/socket`);
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
        await socket(scope, receive, send)
    elif scope["type"] == "http":
        await http(scope, receive, send)


async def socket(scope: Message, receive: Receive, send: Send) -> None:
    """Send back every message, but for "Via" what the request said there."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        if text == "Via":
            text = dict(scope["headers"]).get(b"via", b"").decode("latin-1")
        await send({"type": "websocket.send", "text": text, "bytes": message.get("bytes")})


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
    elif path == "/app/events":
        await in_turn(send, "text/event-stream", "id: {0}\ndata: event {0}\n\n")
    elif path == "/app/pieces":
        await in_turn(send, "text/plain", "piece {0};")
    elif path == "/app/next":
        TURNS.put_nowait(None)
        await respond(send, b"", "text/plain")
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


async def in_turn(send: Send, kind: str, piece: str) -> None:
    """Five pieces, each when the client has the one before."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind.encode())]})
    for number in range(5):
        body = piece.format(number).encode()
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await TURNS.get()
    await send({"type": "http.response.body", "body": b""})


async def respond(send: Send, data: bytes, kind: str) -> None:
    """Answer 200 with the data."""
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": data})
