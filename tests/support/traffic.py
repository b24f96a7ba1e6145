"""Traffic of many kinds from clients that never retry, check every byte and remember every failure."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Self

import uvloop

from support.content import STEP, Check, chunk, content, part, parts
from support.product import until

PATIENCE = 30.0
# RuntimeError is what uvloop raises for writing to a connection that is gone.
_FAILED = (OSError, EOFError, AssertionError, ValueError, RuntimeError)
_LINGER_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Failure:
    """An exchange that did not end well. Times are monotonic seconds, `opened` is before the connect."""

    kind: str
    port: int  # the client's, 0 when there was no connection
    what: str
    opened: float
    failed: float
    unanswered: bool  # no exchange was answered on the connection, not even begun to be


class Line:
    """A client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.port: int = writer.get_extra_info("sockname")[1]
        self.closing = False  # the last answer said that the connection ends
        self.answered = False  # any part of an answer came

    def send(self, method: str, target: str, *fields: str) -> None:
        """Send a request head."""
        head = [f"{method} {target} HTTP/1.1", "Host: test", *fields, "", ""]
        self.writer.write("\r\n".join(head).encode())

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and fields of the next answer; the fields' names in lower case."""
        start, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.answered = True
        version, _, rest = start.partition(" ")
        assert version == "HTTP/1.1", start
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.closing = "close" in fields.get("connection", "")
        return int(rest[:3]), fields

    async def body(self, fields: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The body that belongs to `fields`; one that is cut raises IncompleteReadError."""
        if fields.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                yield await self.reader.readexactly(size)
                assert await self.reader.readexactly(2) == b"\r\n"
            assert await self.reader.readexactly(2) == b"\r\n"
        elif "content-length" in fields:
            left = int(fields["content-length"])
            while left:
                data = await self.reader.read(min(left, STEP))
                if not data:
                    raise asyncio.IncompleteReadError(b"", left)
                left -= len(data)
                yield data
        else:
            while data := await self.reader.read(STEP):
                yield data

    async def expect(self, text: str) -> None:
        """The next answer is 200 with this body."""
        status, fields = await self.head()
        data = b"".join([piece async for piece in self.body(fields)])
        assert (status, data) == (200, text.encode()), (status, data[:200])

    async def expect_content(self, seed: int, size: int) -> None:
        """The next answer is 200 with `size` bytes of the body `seed`."""
        status, fields = await self.head()
        assert status == 200, status
        check = Check(seed)
        async for piece in self.body(fields):
            check.feed(piece)
        assert check.size == size, f"{check.size} of {size} bytes, presented as complete"

    async def send_content(self, seed: int, size: int, *, chunked: bool) -> None:
        """Send a request body."""
        for piece in parts(seed, size):
            self.writer.write(chunk(piece) if chunked else piece)
            await self.writer.drain()
        if chunked:
            self.writer.write(b"0\r\n\r\n")

    def reset(self) -> None:
        """Close with RST."""
        raw = self.writer.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self.writer.transport.abort()


def framing(size: int, chunked: bool) -> str:
    """The field that announces a body."""
    return "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"


class Traffic:
    """Clients in a thread of their own, until the `with` block ends.

    `clients` says how many there are of each kind:

    keep_alive       GET /text/…, many on a connection
    per_request      GET /text/…, one on a connection
    pipelined        eight GETs at once, many times on a connection
    download         GET /bytes and /chunks, up to `size` bytes
    to_the_end       GET /close, up to `size` bytes; nobody can tell where such a body was cut
    upload           POST /sum with either framing, up to `size` bytes
    echo             POST /echo, both directions at once, up to `size` bytes
    tunnel           one tunnel that lives as long as the traffic
    abort            begins any of the above and resets the connection; nothing of it can fail

    A connection is given up after `per_connection` exchanges, when all went well. `pace`: seconds
    that a client waits after an exchange. With `until_refused` a client ends for good when nobody
    listens any more; otherwise that is a failure.
    """

    def __init__(
        self,
        port: int,
        clients: Mapping[str, int],
        *,
        size: int = 300_000,
        per_connection: int = 200,
        pace: float = 0.0,
        until_refused: bool = False,
    ) -> None:
        self.failures: list[Failure] = []
        self.done: Counter[str] = Counter()
        self._port = port
        self._size = size
        self._per_connection = per_connection
        self._pace = pace
        self._until_refused = until_refused
        self._clients = clients
        self._random = random.Random(port)
        self._numbers = itertools.count()
        self._lines: set[Line] = set()
        self._stopping = False
        self._kind = {
            "keep_alive": self._keep_alive,
            "per_request": self._per_request,
            "pipelined": self._pipelined,
            "download": self._download,
            "to_the_end": self._to_the_end,
            "upload": self._upload,
            "echo": self._echo,
            "tunnel": self._tunnel,
            "abort": self._abort,
        }
        self._thread = threading.Thread(target=lambda: uvloop.run(self._run()), name="traffic")

    # For the test

    @property
    def total(self) -> int:
        """Exchanges that ended well."""
        return sum(self.done.values())

    @property
    def ports(self) -> set[int]:
        """The clients' ports of the connections that are open."""
        return {line.port for line in self._lines.copy()}

    def go_on(self, exchanges: int = 100, seconds: float = PATIENCE) -> None:
        """Return when so many more exchanges ended well, of every kind at least one. Tunnels and
        aborting clients aside: those count only at their end.
        """
        before = Counter(self.done)
        kinds = [kind for kind in self._clients if kind not in ("abort", "tunnel")]
        until(
            lambda: (
                self.total - before.total() >= exchanges
                and all(self.done[kind] > before[kind] for kind in kinds)
            ),
            f"{exchanges} more exchanges",
            seconds,
        )

    def stop(self) -> None:
        """Finish the exchanges under way and end."""
        self._stopping = True
        self._thread.join()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # The clients

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for kind, count in self._clients.items():
                for _ in range(count):
                    group.create_task(self._client(kind))

    async def _client(self, kind: str) -> None:
        """One connection after the other, each used as `kind` says."""
        while not self._stopping:
            opened = time.monotonic()
            line = None
            try:
                async with asyncio.timeout(PATIENCE):
                    line = await self._open()
                self._lines.add(line)
                await self._kind[kind](line)
            except _FAILED as error:
                if self._until_refused and isinstance(error, ConnectionRefusedError):
                    return
                if kind != "abort":
                    self._failed(kind, line, error, opened)
                    await asyncio.sleep(0.005)
            finally:
                if line:
                    self._lines.discard(line)
                    line.writer.close()

    def _failed(self, kind: str, line: Line | None, error: BaseException, opened: float) -> None:
        port, unanswered = (line.port, not line.answered) if line else (0, True)
        self.failures.append(Failure(kind, port, repr(error), opened, time.monotonic(), unanswered))

    async def _open(self) -> Line:
        return Line(*await asyncio.open_connection("127.0.0.1", self._port, limit=4 * STEP))

    async def _many(self, line: Line, kind: str, *exchanges: Coroutine[Any, Any, None]) -> bool:
        """Count an exchange that ended well. Whether the connection may be used again."""
        for exchange in exchanges:
            async with asyncio.timeout(PATIENCE):
                await exchange
            self.done[kind] += 1
        if self._pace:
            await asyncio.sleep(self._pace)
        return not (line.closing or self._stopping)

    def _name(self) -> str:
        return f"/text/{os.getpid()}-{next(self._numbers)}"

    async def _get(self, line: Line, *fields: str) -> None:
        target = self._name()
        line.send("GET", target, *fields)
        await line.expect(target)

    async def _keep_alive(self, line: Line) -> None:
        for _ in range(self._per_connection):
            if not await self._many(line, "keep_alive", self._get(line)):
                return

    async def _per_request(self, line: Line) -> None:
        fields = ["Connection: close"] if self._random.random() < 0.5 else []
        await self._many(line, "per_request", self._get(line, *fields))

    async def _eight(self, line: Line) -> None:
        targets = [self._name() for _ in range(8)]
        for target in targets:
            line.send("GET", target)
        for number, target in enumerate(targets):
            await line.expect(target)
            if line.closing:
                # RFC 9112 section 9.6: what was sent behind it is not answered, and has not failed.
                assert number == 7 or not await line.reader.read(1)
                return

    async def _pipelined(self, line: Line) -> None:
        for _ in range(self._per_connection):
            if not await self._many(line, "pipelined", self._eight(line)):
                return

    async def _get_content(self, line: Line, *ways: str) -> None:
        size, seed = self._random.randrange(self._size), self._random.randrange(1 << 16)
        way = self._random.choice(ways)
        line.send("GET", f"/{way}/{size}/{seed}")
        await line.expect_content(seed, size)

    async def _download(self, line: Line) -> None:
        for _ in range(self._per_connection):
            if not await self._many(line, "download", self._get_content(line, "bytes", "chunks")):
                return

    async def _to_the_end(self, line: Line) -> None:
        for _ in range(self._per_connection):
            if not await self._many(line, "to_the_end", self._get_content(line, "close")):
                return

    async def _post(self, line: Line) -> None:
        size, seed = self._random.randrange(self._size), self._random.randrange(1 << 16)
        chunked = self._random.random() < 0.5
        line.send("POST", f"/sum/{seed}", framing(size, chunked))
        await line.send_content(seed, size, chunked=chunked)
        await line.expect(str(size))

    async def _upload(self, line: Line) -> None:
        for _ in range(self._per_connection):
            if not await self._many(line, "upload", self._post(line)):
                return

    async def _both_ways(self, line: Line) -> None:
        size, seed = self._random.randrange(1, self._size), self._random.randrange(1 << 16)
        chunked = self._random.random() < 0.5
        line.send("POST", "/echo", framing(size, chunked))
        sending = asyncio.ensure_future(line.send_content(seed, size, chunked=chunked))
        try:
            await line.expect_content(seed, size)
            await sending
        finally:
            sending.cancel()

    async def _echo(self, line: Line) -> None:
        for _ in range(self._per_connection):
            if not await self._many(line, "echo", self._both_ways(line)):
                return

    async def _tunnel(self, line: Line) -> None:
        line.send("GET", "/tunnel", "Connection: Upgrade", "Upgrade: echo")
        status, _ = await line.head()
        assert status == 101, status
        seed, start = self._random.randrange(1 << 16), 0
        while not self._stopping:
            size = self._random.randrange(1, 20_000)
            data = bytes(part(seed, start, size))
            line.writer.write(data)
            async with asyncio.timeout(PATIENCE):
                assert await line.reader.readexactly(size) == data
            start += size
            await asyncio.sleep(0.01 + self._pace)
        line.writer.write_eof()
        assert await line.reader.read(1) == b""
        self.done["tunnel"] += 1

    async def _abort(self, line: Line) -> None:
        seed, size = self._random.randrange(1 << 16), self._size
        way = self._random.randrange(5)
        if way == 0:
            line.send("GET", f"/bytes/{size}/{seed}")
            await line.head()
        elif way == 1:
            line.send("POST", f"/sum/{seed}", f"Content-Length: {size}")
            line.writer.write(content(seed, size // 2))
        elif way == 2:
            line.send("POST", "/echo", "Transfer-Encoding: chunked")
            line.writer.write(b"ffff\r\nhalf of it")
        elif way == 3:
            line.send("GET", "/slow/0.2")
        else:
            line.send("GET", "/tunnel", "Connection: Upgrade", "Upgrade: echo")
            await line.head()
            line.writer.write(b"x" * 1000)
        await asyncio.sleep(self._random.random() * 0.02)
        line.reset()
        self.done["abort"] += 1
        await asyncio.sleep(0.02)
