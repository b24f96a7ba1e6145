"""A backend with every kind of body: `python -m support.programs.origin PORT`.

GET  /text/…                 the path
GET  /bytes/SIZE/SEED        a body of support.content with Content-Length
GET  /chunks/SIZE/SEED       the same, chunked
GET  /close/SIZE/SEED        the same, ended by the end of the connection
GET  /slow/SECONDS           the path, later
     /after/…                the path, when the request's body was read, if it has one
GET  /cut/SIZE/AT            Content-Length: SIZE, but the connection ends after AT bytes
GET  /cutchunks/SIZE/AT      chunked, and the same
GET  /reset/SIZE/AT          as /cut, with a reset
GET  /stall/SIZE/AT          as /cut, but nothing more comes
POST /sum/SEED               "SIZE" when the body is the body SEED, else what is wrong with it
GET  /trailers               "body", chunked, then the trailers x-sum and x-end
POST /echo                   the body, chunked, as it comes, then the request's trailers
GET  /tunnel                 Upgrade: echo; from then on every byte comes back
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any

import uvloop

from support.content import STEP, Check, chunk, parts

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


class Request:
    """One request; `path` is split at the slashes."""

    def __init__(self, head: bytes, reader: Reader, writer: Writer) -> None:
        start, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = start.split(" ")
        self.fields = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
        }
        self.path = self.target.split("/")[1:]
        self.trailers: list[bytes] = []  # lines
        self.reader = reader
        self.writer = writer

    async def body(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""
        if "transfer-encoding" in self.fields:
            while size := int(await self.reader.readline(), 16):
                yield await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            while (line := await self.reader.readline()) != b"\r\n":
                self.trailers.append(line)
            return
        left = int(self.fields.get("content-length", "0"))
        while left:
            data = await self.reader.read(min(left, STEP))
            if not data:
                raise EOFError
            left -= len(data)
            yield data

    def head(self, *fields: str, status: str = "200 OK") -> None:
        """Send a response head."""
        self.writer.write("\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode())

    async def send(self, text: str) -> None:
        """Send a whole response."""
        self.head(f"Content-Length: {len(text)}")
        self.writer.write(text.encode())
        await self.writer.drain()

    async def end(self, trailers: Iterable[bytes]) -> None:
        """Send the last chunk and the lines of the trailers."""
        self.writer.write(b"".join([b"0\r\n", *trailers, b"\r\n"]))
        await self.writer.drain()

    async def chunk(self, data: bytes | memoryview) -> None:
        """Send one chunk."""
        self.writer.write(chunk(data))
        await self.writer.drain()


async def text(request: Request) -> None:
    """The path."""
    await request.send(request.target)


async def after(request: Request) -> None:
    """The path, after the body."""
    async for _ in request.body():
        pass
    await request.send(request.target)


async def slow(request: Request) -> None:
    """The path, later."""
    await asyncio.sleep(float(request.path[1]))
    await request.send(request.target)


async def whole(request: Request) -> None:
    """A body with its length."""
    size, seed = map(int, request.path[1:])
    request.head(f"Content-Length: {size}")
    await _pieces(request, size, seed)


async def close(request: Request) -> None:
    """A body that ends with the connection."""
    size, seed = map(int, request.path[1:])
    request.head("Connection: close")
    await _pieces(request, size, seed)
    raise EOFError


async def _pieces(request: Request, size: int, seed: int) -> None:
    for piece in parts(seed, size):
        request.writer.write(piece)
        await request.writer.drain()


async def chunks(request: Request) -> None:
    """A chunked body."""
    size, seed = map(int, request.path[1:])
    request.head("Transfer-Encoding: chunked")
    for piece in parts(seed, size, 9973):
        await request.chunk(piece)
    await request.end([])


async def cut(request: Request) -> None:
    """Part of a body, then the end."""
    size, at = map(int, request.path[1:])
    request.head(f"Content-Length: {size}")
    await _pieces(request, at, 0)
    raise EOFError


async def cut_chunks(request: Request) -> None:
    """Some chunks, then the end."""
    at = int(request.path[2])
    request.head("Transfer-Encoding: chunked")
    for piece in parts(0, at, 9973):
        await request.chunk(piece)
    raise EOFError


async def reset(request: Request) -> None:
    """Part of a body, then a reset."""
    size, at = map(int, request.path[1:])
    request.head(f"Content-Length: {size}")
    await _pieces(request, at, 0)
    await asyncio.sleep(0.02)  # what was written should be on its way
    raw = request.writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.writer.transport.abort()
    raise EOFError


async def stall(request: Request) -> None:
    """Part of a body, then nothing until the other side goes."""
    size, at = map(int, request.path[1:])
    request.head(f"Content-Length: {size}")
    await _pieces(request, at, 0)
    await request.reader.read()
    raise EOFError


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
    """The body as it comes."""
    request.head("Transfer-Encoding: chunked")
    async for data in request.body():
        await request.chunk(data)
    await request.end(request.trailers)


async def trailers(request: Request) -> None:
    """Fields after the body."""
    request.head("Transfer-Encoding: chunked", "Trailer: x-sum, x-end")
    await request.chunk(b"body")
    await request.end([b"x-sum: 4\r\n", b"x-end: yes\r\n"])


async def tunnel(request: Request) -> None:
    """Every byte comes back."""
    request.head("Connection: Upgrade", "Upgrade: echo", status="101 Switching Protocols")
    while data := await request.reader.read(STEP):
        request.writer.write(data)
        await request.writer.drain()
    raise EOFError


ANSWERS: dict[str, Callable[[Request], Coroutine[Any, Any, None]]] = {
    "text": text,
    "after": after,
    "slow": slow,
    "bytes": whole,
    "close": close,
    "chunks": chunks,
    "cut": cut,
    "cutchunks": cut_chunks,
    "reset": reset,
    "stall": stall,
    "sum": sum_up,
    "trailers": trailers,
    "echo": echo,
    "tunnel": tunnel,
}


async def serve(reader: Reader, writer: Writer) -> None:
    """One connection."""
    try:
        while True:
            request = Request((await reader.readuntil(b"\r\n\r\n"))[:-2], reader, writer)
            if request.fields.get("expect") == "100-continue":
                request.head(status="100 Continue")
            await ANSWERS[request.path[0]](request)
    except (EOFError, OSError, RuntimeError):
        pass  # the other side is gone; writing then is a RuntimeError in uvloop
    finally:
        writer.close()


async def main(port: int) -> None:
    """Serve for ever."""
    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=4096, limit=4 * STEP)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
