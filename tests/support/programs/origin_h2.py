"""An HTTP/2 backend: `python -m support.programs.origin_h2 PORT [CERTIFICATE KEY]`.

Without a certificate it speaks HTTP/2 with prior knowledge, with one it wants "h2" by ALPN.

GET  /text/…                 the path
GET  /fields                 the request's fields, one a line
GET  /bytes/SIZE/SEED        a body of support.content with Content-Length
GET  /stream/SIZE/SEED       the same without
GET  /slow/SECONDS           the path, later
GET  /cut/SIZE/AT            Content-Length: SIZE, but the stream is reset after AT bytes
GET  /stall/SIZE/AT          as /cut, but nothing more comes
GET  /reset/CODE             the stream is reset at once
GET  /refuse/COUNT           the first COUNT requests of the process get REFUSED_STREAM
GET  /goaway                 the path, and the connection takes no further stream
GET  /drop                   the connection ends without a word
GET  /hints                  103, then the path
GET  /trailers               "body", then the trailers x-sum and x-end
POST /sum/SEED               "SIZE" when the body is the body SEED, else what is wrong with it
POST /echo                   the body as it comes, then the request's trailers
CONNECT with :protocol       every byte comes back (RFC 8441), and the end too
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any, cast

import uvloop
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from support.content import Check, parts

Fields = Iterable[tuple[str, str]]
SETTINGS = {SettingCodes.MAX_CONCURRENT_STREAMS: 1000, SettingCodes.ENABLE_CONNECT_PROTOCOL: 1}


class GoneError(Exception):
    """The stream or its connection is over."""


class Request:
    """One stream."""

    def __init__(self, connection: Connection, stream: int, fields: list[tuple[str, str]]) -> None:
        self.connection = connection
        self.stream = stream
        self.all_fields = fields
        self.fields = dict(fields)
        self.target = self.fields.get(":path", "")
        self.path = self.target.split("/")[1:]
        self.trailers: list[tuple[str, str]] = []
        self.received: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.room = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def body(self) -> AsyncIterator[bytes]:
        """The body, piece by piece; credit is given back as it is read."""
        while (piece := await self.received.get()) is not None:
            self.connection.credit(self.stream, len(piece))
            yield piece

    def head(self, *fields: tuple[str, str], status: int = 200, end: bool = False) -> None:
        """Send a response head."""
        self.connection.h2.send_headers(self.stream, [(":status", str(status)), *fields], end_stream=end)
        self.connection.flush()

    async def write(self, data: bytes | memoryview, *, end: bool = False) -> None:
        """Send a part of the body as the windows allow."""
        h2 = self.connection.h2
        rest = memoryview(data)
        while rest:
            size = min(len(rest), h2.local_flow_control_window(self.stream), h2.max_outbound_frame_size)
            if size <= 0:
                self.room.clear()
                await self.room.wait()
                continue
            h2.send_data(self.stream, bytes(rest[:size]))
            rest = rest[size:]
            self.connection.flush()
            await self.connection.drain()
        if end:
            h2.end_stream(self.stream)
            self.connection.flush()

    async def send(self, text: str) -> None:
        """Send a whole response."""
        self.head(("content-length", str(len(text))))
        await self.write(text.encode(), end=True)

    def reset(self, code: int) -> None:
        """Reset the stream."""
        self.connection.h2.reset_stream(self.stream, code)
        self.connection.flush()


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        self.h2.local_settings = Settings(client=False, initial_values=SETTINGS)
        self.requests: dict[int, Request] = {}
        self.highest = 0  # stream
        self.last = 0  # the stream after which none is taken; 0 while all are
        self.writable = asyncio.Event()
        self.writable.set()

    # What the transport says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with our settings."""
        self.transport = cast("asyncio.Transport", transport)
        self.h2.initiate_connection()
        self.flush()

    def connection_lost(self, _error: Exception | None) -> None:
        """End everything."""
        for request in list(self.requests.values()):
            self.end(request)

    def pause_writing(self) -> None:
        """The peer reads too slowly."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        """Feed the codec; who breaks the protocol gets what h2 answers and is gone."""
        try:
            events = self.h2.receive_data(data)
        except ProtocolError:
            self.flush()
            self.transport.close()
            return
        for event in events:
            self.take(event)
        self.flush()

    # What the codec says

    def take(self, event: Event) -> None:
        """One event."""
        if isinstance(event, RequestReceived):
            self.begin(event)
        elif isinstance(event, ConnectionTerminated):
            self.transport.close()
        elif isinstance(event, WindowUpdated | RemoteSettingsChanged):
            for request in self.requests.values():
                request.room.set()
        elif isinstance(event, DataReceived | StreamEnded | StreamReset | TrailersReceived):
            known = self.requests.get(event.stream_id or 0)
            if known is not None:
                self.take_part(known, event)
            elif isinstance(event, DataReceived):
                self.credit(event.stream_id or 0, event.flow_controlled_length or 0)

    def begin(self, event: RequestReceived) -> None:
        """Start what answers the request."""
        assert event.stream_id is not None
        if self.last and event.stream_id > self.last:
            return
        self.highest = event.stream_id
        request = Request(
            self, event.stream_id, [(str(name), str(value)) for name, value in event.headers or []]
        )
        self.requests[request.stream] = request
        request.task = asyncio.create_task(self.answer(request))

    def take_part(self, request: Request, event: Event) -> None:
        """More of a request."""
        if isinstance(event, DataReceived):
            data = event.data or b""
            request.received.put_nowait(data)
            self.credit(request.stream, (event.flow_controlled_length or 0) - len(data))  # of padding
        elif isinstance(event, TrailersReceived):
            request.trailers = [(str(name), str(value)) for name, value in event.headers or []]
        elif isinstance(event, StreamEnded):
            request.received.put_nowait(None)
        else:
            self.end(request)

    async def answer(self, request: Request) -> None:
        """Answer by path; a stream that is over in the meantime is no error."""
        try:
            if request.fields.get(":protocol"):
                await tunnel(request)
            else:
                if request.fields.get("expect") == "100-continue":
                    request.head(status=100)
                await ANSWERS[request.path[0]](request)
        except (ProtocolError, GoneError):
            pass
        finally:
            self.requests.pop(request.stream, None)
            while not request.received.empty():
                self.credit(request.stream, len(request.received.get_nowait() or b""))
            if self.last and not self.requests:
                self.transport.close()

    def credit(self, stream: int, size: int) -> None:
        """Let the peer send so much more."""
        if size:
            self.h2.acknowledge_received_data(size, stream)
            self.flush()

    def end(self, request: Request) -> None:
        """The stream is over."""
        self.requests.pop(request.stream, None)
        if request.task is not None:
            request.task.cancel()

    def flush(self) -> None:
        """Write what the codec has."""
        data = self.h2.data_to_send()
        if data and not self.transport.is_closing():
            self.transport.write(data)

    async def drain(self) -> None:
        """Wait until the peer has read enough. Raises GoneError."""
        await self.writable.wait()
        if self.transport.is_closing():
            raise GoneError


async def text(request: Request) -> None:
    """The path."""
    await request.send(request.target)


async def fields(request: Request) -> None:
    """What the request said."""
    await request.send("\n".join(f"{name}: {value}" for name, value in request.all_fields))


async def slow(request: Request) -> None:
    """The path, later."""
    await asyncio.sleep(float(request.path[1]))
    await request.send(request.target)


async def whole(request: Request) -> None:
    """A body with its length."""
    size, seed = map(int, request.path[1:])
    request.head(("content-length", str(size)))
    for piece in parts(seed, size):
        await request.write(piece)
    await request.write(b"", end=True)


async def stream(request: Request) -> None:
    """A body without it."""
    size, seed = map(int, request.path[1:])
    request.head()
    for piece in parts(seed, size, 9973):
        await request.write(piece)
    await request.write(b"", end=True)


async def cut(request: Request) -> None:
    """Part of a body, then a reset."""
    size, at = map(int, request.path[1:])
    request.head(("content-length", str(size)))
    for piece in parts(0, at):
        await request.write(piece)
    request.reset(ErrorCodes.INTERNAL_ERROR)


async def stall(request: Request) -> None:
    """Part of a body, then nothing until the other side goes."""
    size, at = map(int, request.path[1:])
    request.head(("content-length", str(size)))
    for piece in parts(0, at):
        await request.write(piece)
    await asyncio.Event().wait()


async def reset(request: Request) -> None:
    """No answer."""
    request.reset(int(request.path[1]))


async def refuse(request: Request) -> None:
    """No answer for the first ones; it is safe to ask again."""
    refused = REFUSED.setdefault(request.target, 0)
    if refused < int(request.path[1]):
        REFUSED[request.target] = refused + 1
        request.reset(ErrorCodes.REFUSED_STREAM)
    else:
        await request.send(request.target)


async def go_away(request: Request) -> None:
    """The last answer of this connection."""
    # h2 itself says nothing more once it has said that, not even the answers that are due.
    connection = request.connection
    connection.last = connection.highest
    connection.transport.write(GoAwayFrame(0, connection.last).serialize())
    await request.send(request.target)


async def drop(request: Request) -> None:
    """The end of the connection."""
    request.connection.transport.abort()


async def hints(request: Request) -> None:
    """Early hints."""
    h2 = request.connection.h2
    h2.send_headers(request.stream, [(":status", "103"), ("link", "</style.css>; rel=preload; as=style")])
    await request.send(request.target)


async def trailers(request: Request) -> None:
    """A body with trailers."""
    request.head()
    await request.write(b"body")
    request.connection.h2.send_headers(request.stream, [("x-sum", "4"), ("x-end", "yes")], end_stream=True)
    request.connection.flush()


async def sum_up(request: Request) -> None:
    """How many bytes of the right body came."""
    check = Check(int(request.path[1]))
    wrong = ""
    async for data in request.body():
        try:
            check.feed(data)
        except AssertionError as error:
            wrong = wrong or str(error)
    await request.send(wrong or str(check.size))


async def echo(request: Request) -> None:
    """The body as it comes, and the trailers."""
    request.head()
    async for data in request.body():
        await request.write(data)
    if request.trailers:
        request.connection.h2.send_headers(request.stream, request.trailers, end_stream=True)
        request.connection.flush()
    else:
        await request.write(b"", end=True)


async def tunnel(request: Request) -> None:
    """Every byte comes back."""
    request.head()
    async for data in request.body():
        await request.write(data)
    await request.write(b"", end=True)


REFUSED: dict[str, int] = {}
ANSWERS: dict[str, Callable[[Request], Coroutine[Any, Any, None]]] = {
    "text": text,
    "fields": fields,
    "slow": slow,
    "bytes": whole,
    "stream": stream,
    "cut": cut,
    "stall": stall,
    "reset": reset,
    "refuse": refuse,
    "goaway": go_away,
    "drop": drop,
    "hints": hints,
    "trailers": trailers,
    "sum": sum_up,
    "echo": echo,
}


def tls_of(certificate: str, key: str) -> ssl.SSLContext:
    """TLS that wants HTTP/2."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    return context


async def main(port: int, *pair: str) -> None:
    """Serve for ever."""
    loop = asyncio.get_running_loop()
    tls = tls_of(*pair) if pair else None
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=4096, ssl=tls)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), *sys.argv[2:]))
