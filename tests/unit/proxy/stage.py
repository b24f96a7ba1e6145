"""A worker's runtime in the test's own process, between ends that the test plays by hand."""

from __future__ import annotations

import asyncio
import gc
import logging
import mmap
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Self

from headgate import spec
from headgate.core.cells import Block, Word, WorkerWord, bytes_of
from headgate.proxy.runtime import Runtime
from support import Message, messages

PATIENCE = 5.0  # seconds that a test waits for what should come
BLOCKS = 16
LISTENER, ROUTE, SERVICE, ENDPOINT = 1, 2, 3, 4  # blocks of metrics
MIDDLEWARE = BLOCKS  # the first of its blocks, whose words mean other things
MIDDLEWARES = 4

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def post(*lines: str, method: str = "POST", path: str = "/", body: bytes = b"") -> bytes:
    """A request with these field lines."""
    head = "\r\n".join((f"{method} {path} HTTP/1.1", "Host: a.example", *lines))
    return head.encode() + b"\r\n\r\n" + body


def open_files() -> int:
    """Descriptors that this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait until `condition` holds. Raises AssertionError."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"{what}: not within {seconds} s"
        await asyncio.sleep(0.005)


@contextmanager
def crowded(listening: socket.socket) -> Iterator[None]:
    """Fill the queue of a listening socket, so that connecting to it hangs."""
    listening.listen(0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(listening.getsockname())
    yield
    for filler in fillers:
        filler.close()


class End:
    """One end of a connection. What came in and no read took yet is in `rest`."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.rest = b""
        self.ended = False
        self.was_reset = False

    async def send(self, *parts: bytes) -> None:
        """Send the parts one by one, each read apart."""
        loop = asyncio.get_running_loop()
        for number, part in enumerate(parts):
            if number:
                await asyncio.sleep(0.005)
            with suppress(BrokenPipeError, ConnectionResetError):
                await asyncio.wait_for(loop.sock_sendall(self.socket, part), PATIENCE)

    def fill(self, data: bytes) -> int:
        """Send as much as the kernel takes at once."""
        sent = 0
        with suppress(BlockingIOError):
            while sent < len(data):
                sent += self.socket.send(data[sent:])
        return sent

    async def flood(self, most: int = 1 << 62, rest: float = 0.05) -> int:
        """Send zeros until the kernel takes no more for a moment; returns how many it took."""
        sent = 0
        while taken := self.fill(bytes(min(1_000_000, most - sent))):
            sent += taken
            await asyncio.sleep(rest)
        return sent

    async def read(self, enough: Callable[[bytes], object], patience: float = PATIENCE) -> None:
        """Read until `rest` is enough, or the end."""
        loop = asyncio.get_running_loop()
        limit = time.monotonic() + patience
        while not enough(self.rest) and not self.ended:
            try:
                left = limit - time.monotonic()
                data = await asyncio.wait_for(loop.sock_recv(self.socket, 262144), left)
            except ConnectionResetError:
                self.ended = self.was_reset = True
                return
            except TimeoutError:
                raise AssertionError(f"not enough within {patience} s: {self.rest[-500:]!r}") from None
            self.ended = not data
            self.rest += data

    async def expect(self, data: bytes) -> None:
        """The next bytes are exactly these."""
        await self.read(lambda rest: len(rest) >= len(data))
        assert self.rest[: len(data)] == data
        self.rest = self.rest[len(data) :]

    async def end(self, patience: float = PATIENCE) -> bytes:
        """Everything up to the end of the connection."""
        await self.read(lambda _: False, patience)
        data, self.rest = self.rest, b""
        return data

    def hurry(self) -> None:
        """Read with a large buffer from now on."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    async def silent(self, seconds: float) -> bool:
        """True when for that long neither bytes nor an end came."""
        limit = time.monotonic() + seconds
        with suppress(AssertionError):
            await self.read(lambda rest: rest, limit - time.monotonic())
        return not self.rest and not self.ended

    async def _message(self, side: str, to: str) -> Message:
        found: list[Message] = []

        def complete(rest: bytes) -> bool:
            message = messages.parse(rest, side, to=to, eof=self.ended)
            found.extend([message] if message is not None else [])
            return bool(found)

        await self.read(complete)
        assert found or complete(self.rest), f"the end before a {side}: {self.rest!r}"
        self.rest = self.rest[found[0].size :]
        return found[0]

    async def request(self) -> Message:
        """The next request, with its body."""
        return await self._message("request", "GET")

    async def request_head(self) -> Message:
        """The next request's head; its body stays in `rest`."""
        await self.read(lambda rest: b"\r\n\r\n" in rest)
        message = messages.parse_head(self.rest, "request")
        assert message is not None, f"no head of a request: {self.rest!r}"
        self.rest = self.rest[message.size :]
        return message

    async def response(self, to: str = "GET") -> Message:
        """The next response to the method `to`, a 1xx one too."""
        return await self._message("response", to)

    async def ask(self, data: bytes, to: str = "GET") -> Message:
        """Send a request and read the response."""
        await self.send(data)
        return await self.response(to)

    def half_close(self) -> None:
        """Send no more."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close in order."""
        self.socket.close()

    def reset(self) -> None:
        """Close with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Backend:
    """A listening socket; `accept` gives the connections that the runtime opens."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]
        self.ends: list[End] = []

    @property
    def address(self) -> spec.Address:
        return spec.Address(host="127.0.0.1", port=self.port)

    async def accept(self) -> End:
        """The next connection."""
        loop = asyncio.get_running_loop()
        sock, _ = await asyncio.wait_for(loop.sock_accept(self.socket), PATIENCE)
        self.ends.append(End(sock))
        return self.ends[-1]

    def untouched(self) -> bool:
        """Whether no connection waits to be accepted."""
        try:
            sock, _ = self.socket.accept()
        except BlockingIOError:
            return True
        self.ends.append(End(sock))
        return False

    def close(self) -> None:
        """Refuse from now on, and close what is open."""
        self.socket.close()
        for end in self.ends:
            end.close()


class Records:
    """A sink that keeps the access records."""

    def __init__(self) -> None:
        self.text = b""

    def offer(self, data: bytes) -> bool:
        """Take records."""
        self.text += data
        return True


class Stage:
    """A runtime, one backend, and the clients. On leaving, every gauge must have gone back to zero, no
    error of ours must have been logged, and no task left.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.files = open_files()
        self.memory = mmap.mmap(-1, bytes_of(BLOCKS + MIDDLEWARES))
        self.log = logging.getLogger("headgate.test")
        self.shared = mmap.mmap(-1, 1 << 16)
        self.runtime = Runtime(
            self.loop, memoryview(self.memory), memoryview(self.shared), worker=0, log=self.log
        )
        self.backend = Backend()
        self.clients: list[End] = []
        self.records = Records()
        self.runtime.set_sink(self.records)
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.listening.setblocking(False)
        self.port: int = self.listening.getsockname()[1]
        self.acceptor: Any = None
        self.version = 0
        self.errors: list[str] = []
        self.loop.set_exception_handler(self._failed)

    def _failed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.errors.append(f"{context.get('message')}: {context.get('exception')!r}")

    def snapshot(
        self,
        *,
        endpoints: tuple[spec.Address, ...] | None = None,
        limits: spec.RouteLimits | None = None,
        listener: spec.ListenerLimits | None = None,
        pool: spec.Pool | None = None,
        route: dict[str, Any] | None = None,
        service: dict[str, Any] | None = None,
        scheme: Literal["http", "https", "h2c"] = "http",
        http2: spec.Http2 | None = None,
        others: tuple[spec.Service, ...] = (),
        **more: Any,
    ) -> spec.Snapshot:
        """One listener, one route that takes everything, one service; and `others`."""
        self.version += 1
        addresses = (self.backend.address,) if endpoints is None else endpoints
        action = {"services": (spec.ServiceShare(service="backend"),)} if route is None else route
        names = tuple(
            spec.Endpoint(
                name=f"{at.host}:{at.port}{at.unix}", addresses=(at,), scheme=scheme, metric=ENDPOINT + number
            )
            for number, at in enumerate(addresses)
        )
        return spec.Snapshot(
            version=self.version,
            listeners=(
                spec.Listener(
                    name="web",
                    address=spec.Address(host="127.0.0.1", port=self.port),
                    limits=listener or spec.ListenerLimits(),
                    http2=http2 or spec.Http2(),
                    metric=LISTENER,
                ),
            ),
            routes=(spec.Route(name="all", limits=limits or spec.RouteLimits(), metric=ROUTE, **action),),
            services=(
                spec.Service(
                    name="backend",
                    endpoints=names,
                    pool=pool or spec.Pool(),
                    metric=SERVICE,
                    **(service or {}),
                ),
                *others,
            ),
            **more,
        )

    async def serve(self, **more: Any) -> None:
        """Serve such a snapshot from now on."""
        self.runtime.commit(self.runtime.prepare(self.snapshot(**more)))
        if self.acceptor is None:
            self.acceptor = self.runtime.listen("web", self.listening.detach())

    async def client(self, receive_bytes: int = 0) -> End:
        """A new connection to the listener, with a receive buffer of that size in the kernel."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        await asyncio.wait_for(self.loop.sock_connect(sock, ("127.0.0.1", self.port)), PATIENCE)
        self.clients.append(End(sock))
        return self.clients[-1]

    def word(self, block: int, word: Word | WorkerWord) -> int:
        """A counter."""
        return Block(memoryview(self.memory), block).read(word)

    @property
    def gauges(self) -> dict[str, int]:
        """What is zero when nothing is going on."""
        found = {
            "active": self.runtime.active,
            "connections": self.runtime.connections,
            "worker connections": self.word(0, WorkerWord.WORKER_CONNECTIONS),
            "tunnels": self.word(0, WorkerWord.WORKER_TUNNELS),
            "register": len(self.runtime.register),
        }
        for number in range(1, BLOCKS):
            found[f"in flight {number}"] = self.word(number, Word.IN_FLIGHT)
            found[f"open {number}"] = self.word(number, Word.OPEN)
        for name, service in self.runtime.live.services.items():
            found[f"balanced {name}"] = sum(service.in_flight)
        return {name: value for name, value in found.items() if value}

    def forgive(self) -> None:
        """The errors of ours so far were the test's doing."""
        Block(memoryview(self.memory), 0).write(WorkerWord.WORKER_ERRORS, 0)

    async def quiet(self) -> None:
        """Wait until all exchanges are over."""
        await until(lambda: not self.runtime.active, "exchanges to end")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        for client in self.clients:
            client.close()
        self.backend.close()
        try:
            if kind is None:
                await until(
                    lambda: not self.runtime.active and not self.runtime.connections, "clients to leave"
                )
        finally:
            self.listening.close()
            if self.acceptor is not None:
                self.acceptor.close()
            self.runtime.abort()
            gc.collect()
            await asyncio.sleep(0.01)
        if kind is None:
            assert not self.gauges
            assert not self.word(0, WorkerWord.WORKER_ERRORS), "errors of ours were logged"
            assert not self.errors
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert open_files() <= self.files, "descriptors were left open"
