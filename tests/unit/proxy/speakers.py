"""Clients and endpoints that speak one version of HTTP or the other, with one face: for what must be the
same over each pair of versions.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from headgate.proxy import websocket
from support import Message, messages
from unit.proxy.http2_end import Fields, Http2End, Streamed
from unit.proxy.stage import End, Stage

Version = Literal["1.1", "2"]
# What frames a message or ends at a connection is not compared.
FRAMING = {"transfer-encoding", "connection", "keep-alive", "te", "upgrade", "host"}


@dataclass
class Answer:
    """A response as one reads it, whatever carried it."""

    status: int = 0
    fields: Fields = field(default_factory=list)
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    broken: bool = False

    def all(self, name: str) -> list[str]:
        """Values of a field, in order."""
        return [value for key, value in self.fields if key == name]

    def get(self, name: str) -> str | None:
        """The value of the only field of that name, or None."""
        values = self.all(name)
        assert len(values) < 2, f"{name} occurs {len(values)} times"
        return values[0] if values else None


@dataclass
class Request(Answer):
    """A request as the endpoint reads it."""

    method: str = ""
    path: str = ""
    authority: str = ""


def lower(fields: Iterable[tuple[str, str]]) -> Fields:
    """Fields with names in lower case, without pseudo-fields and framing."""
    return [
        (name.lower(), value)
        for name, value in fields
        if name.lower() not in FRAMING and not name.startswith(":")
    ]


def lines(fields: Iterable[tuple[str, str]]) -> bytes:
    return b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in fields)


def chunked(body: bytes, trailers: Fields) -> bytes:
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return chunk + b"0\r\n" + lines(trailers) + b"\r\n"


class Asking:
    """One exchange as the client sees it."""

    async def send(self, data: bytes) -> None:
        """A piece of the body, or of a tunnel."""
        raise NotImplementedError

    async def finish(self, trailers: Fields | None = None) -> None:
        """The end of the request's body."""
        raise NotImplementedError

    async def head(self) -> Answer:
        """The head of the response."""
        raise NotImplementedError

    async def interim(self) -> int:
        """The next interim status."""
        raise NotImplementedError

    async def answer(self) -> Answer:
        """The whole response."""
        raise NotImplementedError

    async def tunnelled(self, size: int) -> bytes:
        """So many bytes of a tunnel."""
        raise NotImplementedError

    async def tunnel_end(self) -> None:
        """The endpoint sends no more through the tunnel."""
        raise NotImplementedError

    async def end_tunnel(self) -> None:
        """Send no more through the tunnel."""
        raise NotImplementedError

    async def leave(self) -> None:
        """Give up."""
        raise NotImplementedError

    async def flood(self, most: int) -> int:
        """Send zeros as a body of known length until no more is taken for a moment; how many were."""
        raise NotImplementedError

    def hold(self) -> None:
        """Take nothing of the response from now on."""
        raise NotImplementedError


class Http1Asking(Asking):
    def __init__(self, end: End, method: str, unframed: bool) -> None:
        self.end = end
        self.method = method
        self.unframed = unframed
        self.seen: list[int] = []

    async def send(self, data: bytes) -> None:
        await self.end.send(b"%x\r\n%b\r\n" % (len(data), data) if self.unframed and data else data)

    async def finish(self, trailers: Fields | None = None) -> None:
        if self.unframed:
            await self.end.send(b"0\r\n" + lines(trailers or []) + b"\r\n")

    async def interim(self) -> int:
        status = (await self.end.response()).status
        assert status < 200
        self.seen.append(status)
        return status

    async def head(self) -> Answer:
        await self.end.read(lambda rest: b"\r\n\r\n" in rest)
        message = messages.parse_head(self.end.rest, "response")
        assert message is not None
        if message.status == 101:
            self.end.rest = self.end.rest[message.size :]
        return Answer(message.status, lower(message.fields))

    async def answer(self) -> Answer:
        answer = Answer(interim=self.seen)
        while True:
            try:
                message = await self.end.response(self.method)
            except (AssertionError, messages.MalformedError):
                if not self.end.ended:
                    raise
                answer.broken = True
                return answer
            if message.status >= 200:
                break
            answer.interim.append(message.status)
        answer.status, answer.body = message.status, message.body
        answer.fields, answer.trailers = lower(message.fields), lower(message.trailers)
        return answer

    async def tunnelled(self, size: int) -> bytes:
        await self.end.read(lambda rest: len(rest) >= size)
        data, self.end.rest = self.end.rest[:size], self.end.rest[size:]
        return data

    async def tunnel_end(self) -> None:
        assert await self.end.end() == b""

    async def end_tunnel(self) -> None:
        self.end.half_close()

    async def leave(self) -> None:
        self.end.reset()

    async def flood(self, most: int) -> int:
        return await self.end.flood(most)

    def hold(self) -> None:
        """Nothing reads by itself."""


class Http2Asking(Asking):
    def __init__(self, end: Http2End, stream: Streamed) -> None:
        self.end = end
        self.stream = stream
        self.taken = 0
        self.seen = 0

    async def send(self, data: bytes) -> None:
        await self.end.send_body(self.stream.stream, data, end=False)

    async def finish(self, trailers: Fields | None = None) -> None:
        if trailers:
            await self.end.send_trailers(self.stream.stream, trailers)
        else:
            await self.end.send_body(self.stream.stream, b"")

    async def interim(self) -> int:
        await self.end.until(lambda: len(self.stream.interim) > self.seen)
        self.seen += 1
        return int(dict(self.stream.interim[self.seen - 1])[":status"])

    async def head(self) -> Answer:
        await self.end.until(lambda: self.stream.fields or self.stream.over)
        return Answer(self.stream.status, lower(self.stream.fields))

    async def answer(self) -> Answer:
        stream = await self.end.answer(self.stream)
        return Answer(
            stream.status,
            lower(stream.fields),
            bytes(stream.body),
            lower(stream.trailers),
            [int(dict(fields)[":status"]) for fields in stream.interim],
            not stream.ended,
        )

    async def tunnelled(self, size: int) -> bytes:
        await self.end.until(lambda: len(self.stream.body) >= self.taken + size)
        self.taken += size
        return bytes(self.stream.body[self.taken - size : self.taken])

    async def tunnel_end(self) -> None:
        await self.end.until(lambda: self.stream.ended)

    async def end_tunnel(self) -> None:
        await self.end.send_body(self.stream.stream, b"")

    async def leave(self) -> None:
        await self.end.reset_stream(self.stream.stream)

    async def flood(self, most: int) -> int:
        return await self.end.flood(self.stream.stream, most)

    def hold(self) -> None:
        self.end.credit = False


class Clients:
    """Asks over one version: each exchange on a connection of its own, or all on one."""

    def __init__(self, stage: Stage, version: Version) -> None:
        self.stage = stage
        self.version = version
        self.shared: Http2End | None = None

    async def begin(
        self,
        method: str = "GET",
        path: str = "/",
        fields: Iterable[tuple[str, str]] = (),
        *,
        body: bool = False,
        length: int | None = None,
        upgrade: bool = False,
    ) -> Asking:
        """Send a request head. With a `body` and no `length` that is left open."""
        fields = list(fields)
        if length is not None:
            fields.append(("content-length", str(length)))
        if self.version == "2":
            return await self._begin2(method, path, fields, body=body, upgrade=upgrade)
        end = await self.stage.client()
        if body and length is None:
            fields.append(("Transfer-Encoding", "chunked"))
        if upgrade:
            fields += [
                ("Connection", "Upgrade"),
                ("Upgrade", "websocket"),
                ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ]
        await end.send(f"{method} {path} HTTP/1.1\r\nHost: a.example\r\n".encode() + lines(fields) + b"\r\n")
        return Http1Asking(end, method, body and length is None)

    async def _begin2(self, method: str, path: str, fields: Fields, *, body: bool, upgrade: bool) -> Asking:
        if self.shared is None:
            self.shared = Http2End((await self.stage.client()).socket)
            await self.shared.begin()
            await self.shared.until(lambda: self.shared is not None and self.shared.settings)
        pseudo: Fields = []
        if upgrade:
            method, pseudo = "CONNECT", [(":protocol", "websocket")]
            fields = [*fields, ("sec-websocket-version", "13")]
        stream = await self.shared.start(method, path, fields, end=not body and not upgrade, pseudo=pseudo)
        return Http2Asking(self.shared, stream)

    async def ask(
        self,
        method: str = "GET",
        path: str = "/",
        fields: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        trailers: Fields | None = None,
        *,
        length: bool = True,
    ) -> Asking:
        """Send a whole request."""
        open_length = trailers is not None or not length
        asking = await self.begin(
            method,
            path,
            fields,
            body=body is not None,
            length=None if body is None or open_length else len(body),
        )
        if body is not None:
            await asking.send(body)
            await asking.finish(trailers)
        return asking


class Asked:
    """One exchange as the endpoint sees it."""

    request: Request

    async def more(self, size: int) -> bytes:
        """The first `size` bytes of the body, or of the tunnel behind what was taken."""
        raise NotImplementedError

    async def whole(self) -> Request:
        """The request with its body."""
        raise NotImplementedError

    async def interim(self, status: int, fields: Fields | None = None) -> None:
        raise NotImplementedError

    async def answer(
        self,
        status: int = 200,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes | None = b"",
        trailers: Fields | None = None,
        *,
        length: bool = True,
    ) -> None:
        """The response; body None for one that has none by its nature."""
        raise NotImplementedError

    async def begin(self, status: int, fields: Fields) -> None:
        """A response head alone, of open length."""
        raise NotImplementedError

    async def send(self, data: bytes) -> None:
        """A piece of the response's body, or of a tunnel."""
        raise NotImplementedError

    async def accept_tunnel(self) -> None:
        raise NotImplementedError

    async def end_tunnel(self) -> None:
        raise NotImplementedError

    async def tunnel_end(self) -> None:
        raise NotImplementedError

    async def abort(self) -> None:
        """Break off."""
        raise NotImplementedError

    async def gone(self) -> None:
        """Wait until the other side broke off."""
        raise NotImplementedError

    async def finish_response(self) -> None:
        """The end of a response of open length."""
        raise NotImplementedError

    async def flood(self, most: int) -> int:
        """Send zeros as a response of open length until no more is taken for a moment; how many were."""
        raise NotImplementedError

    def hold(self) -> None:
        """Take nothing of the request from now on."""
        raise NotImplementedError


class Http1Asked(Asked):
    def __init__(self, end: End, head: Message) -> None:
        self.end = end
        self.message = head
        fields = lower(head.fields)
        self.request = Request(
            fields=fields, method=head.method, path=head.target, authority=head.get("host") or ""
        )
        self.decoded = b""

    async def _exactly(self, size: int) -> bytes:
        await self.end.read(lambda rest: len(rest) >= size)
        data, self.end.rest = self.end.rest[:size], self.end.rest[size:]
        return data

    async def more(self, size: int) -> bytes:
        if self.message.get("transfer-encoding") is None or self.message.get("upgrade"):
            return await self._exactly(size)
        while len(self.decoded) < size:
            await self.end.read(lambda rest: b"\r\n" in rest)
            line, _, self.end.rest = self.end.rest.partition(b"\r\n")
            self.decoded += (await self._exactly(int(line, 16) + 2))[:-2]
        data, self.decoded = self.decoded[:size], self.decoded[size:]
        return data

    async def whole(self) -> Request:
        found: list[Message] = []

        def complete(rest: bytes) -> bool:
            message = messages.parse(self.message.head + rest, "request", eof=self.end.ended)
            found.extend([message] if message is not None else [])
            return bool(found)

        await self.end.read(complete)
        assert found or complete(self.end.rest)
        self.end.rest = self.end.rest[found[0].size - len(self.message.head) :]
        self.request.body = found[0].body
        self.request.trailers = lower(found[0].trailers)
        return self.request

    async def interim(self, status: int, fields: Fields | None = None) -> None:
        await self.end.send(b"HTTP/1.1 %d \r\n" % status + lines(fields or []) + b"\r\n")

    async def answer(
        self,
        status: int = 200,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes | None = b"",
        trailers: Fields | None = None,
        *,
        length: bool = True,
    ) -> None:
        head = b"HTTP/1.1 %d \r\n" % status + lines(fields)
        if body is None:
            await self.end.send(head + b"\r\n")
        elif trailers is None and length:
            await self.end.send(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        else:
            await self.end.send(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, trailers or []))

    async def begin(self, status: int, fields: Fields) -> None:
        await self.end.send(
            b"HTTP/1.1 %d \r\n" % status + lines(fields) + b"Transfer-Encoding: chunked\r\n\r\n"
        )

    async def send(self, data: bytes) -> None:
        tunnel = self.message.get("upgrade") is not None
        await self.end.send(data if tunnel else b"%x\r\n%b\r\n" % (len(data), data))

    async def accept_tunnel(self) -> None:
        key = (self.message.get("sec-websocket-key") or "").encode()
        await self.end.send(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: " + websocket.accept_of(key) + b"\r\n\r\n"
        )

    async def end_tunnel(self) -> None:
        self.end.half_close()

    async def tunnel_end(self) -> None:
        assert await self.end.end() == b""

    async def abort(self) -> None:
        self.end.reset()

    async def gone(self) -> None:
        with suppress(AssertionError):
            await self.end.end()
        assert self.end.ended

    async def finish_response(self) -> None:
        await self.end.send(b"0\r\n\r\n")

    async def flood(self, most: int) -> int:
        await self.end.send(b"%x\r\n" % most)
        return await self.end.flood(most)

    def hold(self) -> None:
        """Nothing reads by itself."""


class Http2Asked(Asked):
    def __init__(self, end: Http2End, stream: Streamed) -> None:
        self.end = end
        self.stream = stream
        self.taken = 0
        self.request = Request(
            fields=lower(stream.fields),
            method=stream.get(":method") or "",
            path=stream.get(":path") or "",
            authority=stream.get(":authority") or "",
        )

    async def more(self, size: int) -> bytes:
        await self.end.until(lambda: len(self.stream.body) >= self.taken + size)
        self.taken += size
        return bytes(self.stream.body[self.taken - size : self.taken])

    async def whole(self) -> Request:
        await self.end.until(lambda: self.stream.over)
        self.request.body = bytes(self.stream.body)
        self.request.trailers = lower(self.stream.trailers)
        return self.request

    async def interim(self, status: int, fields: Fields | None = None) -> None:
        await self.end.respond(self.stream, status, fields or [], end=False)

    async def answer(
        self,
        status: int = 200,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes | None = b"",
        trailers: Fields | None = None,
        *,
        length: bool = True,
    ) -> None:
        framed = body is not None and length and trailers is None
        framing = [("content-length", str(len(body or b"")))] if framed else []
        await self.end.respond(self.stream, status, [*fields, *framing], body or b"", trailers or [])

    async def begin(self, status: int, fields: Fields) -> None:
        await self.end.respond(self.stream, status, fields, end=False)

    async def send(self, data: bytes) -> None:
        await self.end.send_body(self.stream.stream, data, end=False)

    async def accept_tunnel(self) -> None:
        assert dict(self.stream.fields)[":protocol"] == "websocket"
        await self.end.respond(self.stream, 200, end=False)

    async def end_tunnel(self) -> None:
        await self.end.send_body(self.stream.stream, b"")

    async def tunnel_end(self) -> None:
        await self.end.until(lambda: self.stream.ended)

    async def abort(self) -> None:
        await self.end.reset_stream(self.stream.stream, 2)

    async def gone(self) -> None:
        await self.end.until(lambda: self.stream.reset is not None)

    async def finish_response(self) -> None:
        await self.end.send_body(self.stream.stream, b"")

    async def flood(self, most: int) -> int:
        return await self.end.flood(self.stream.stream, most)

    def hold(self) -> None:
        self.end.credit = False


class Endpoints:
    """Answers over one version."""

    def __init__(self, stage: Stage, version: Version, **settings: int) -> None:
        self.stage = stage
        self.version = version
        self.settings = settings
        self.shared: Http2End | None = None
        self.last: End | None = None

    async def asked(self) -> Asked:
        """The head of the next exchange: on a new connection, or on the only one of HTTP/2."""
        if self.version == "1.1":
            self.last = await self.stage.backend.accept()
            return await self.asked_again()
        if self.shared is None:
            self.shared = Http2End((await self.stage.backend.accept()).socket, server=True)
            await self.shared.begin(**{"enable_connect_protocol": 1, **self.settings})
        return Http2Asked(self.shared, await self.shared.request_head())

    async def asked_again(self) -> Asked:
        """The head of the next exchange on the connection of the last one."""
        if self.last is None:
            return await self.asked()
        return Http1Asked(self.last, await self.last.request_head())
