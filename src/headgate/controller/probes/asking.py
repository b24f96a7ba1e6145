"""One probe: a connection to an endpoint, a question, and what is wrong with the answer."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headgate.base.client_tls import client_context
from headgate.core.events import Data, Reset, Violation
from headgate.core.grpc_health import (
    CHECK_PATH,
    MalformedMessageError,
    ServingStatus,
    decode_response,
    encode_request,
)
from headgate.core.head import Head
from headgate.core.http1 import Http1Client, Http1Server
from headgate.core.http2 import Http2Client
from headgate.core.regex import compile_regex

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.core.events import Event
    from headgate.spec import Address, Endpoint, HealthCheck, Service, ServiceTls

BODY_BYTES = 64 * 1024
READ_BYTES = 16 * 1024
CLOSE_SECONDS = 0.5


@dataclass(frozen=True)
class Target:
    """Who is probed, and how."""

    service: str
    endpoint: str
    address: Address
    scheme: str
    authority: str
    host: str
    tls: ServiceTls
    check: HealthCheck

    @classmethod
    def of(cls, service: Service, endpoint: Endpoint, address: Address) -> Target:
        """The address of an endpoint of a service that has probes."""
        assert service.health_check is not None
        return cls(
            service.name,
            endpoint.name,
            address,
            endpoint.scheme,
            endpoint.authority,
            endpoint.host,
            service.tls,
            service.health_check,
        )


class Contexts:
    """TLS as services speak it: to make a context takes much longer than a probe, so endpoints share them."""

    def __init__(self) -> None:
        self._made: dict[tuple[ServiceTls, bool], ssl.SSLContext] = {}

    def of(self, target: Target) -> ssl.SSLContext | None:
        """What a target is asked with, if it speaks TLS. Raises ValueError."""
        if target.scheme != "https":
            return None
        key = _key(target)
        if key not in self._made:
            self._made[key] = _context(*key)
        return self._made[key]

    def keep(self, targets: Iterable[Target]) -> None:
        """Forget what none of these needs, and so the keys in it."""
        kept = {_key(target) for target in targets}
        for key in self._made.keys() - kept:
            del self._made[key]


def _key(target: Target) -> tuple[ServiceTls, bool]:
    return target.tls, target.check.kind == "grpc"


def _context(tls: ServiceTls, grpc: bool) -> ssl.SSLContext:
    if tls.broken:
        raise ValueError(tls.broken)
    own = tls.certificate
    return client_context(
        verify=tls.verify,
        ca=tls.ca,
        pair=(own.chain, own.key.text) if own is not None else None,
        min_version=tls.min_version,
        alpn=("h2",) if grpc else ("http/1.1",),
    )


async def ask(target: Target, contexts: Contexts) -> str:
    """What is wrong with an endpoint; "" is nothing."""
    try:
        context = contexts.of(target)
        async with asyncio.timeout(target.check.timeout):
            return await _ask(target, context)
    except TimeoutError:
        return f"no answer within {target.check.timeout:g} s"
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__


async def _ask(target: Target, context: ssl.SSLContext | None) -> str:
    reader, writer = await _connect(target, context)
    try:
        if target.check.kind == "tcp":
            return await _talk(target.check, reader, writer)
        http2 = target.check.kind == "grpc" or target.scheme == "h2c"
        answer = await _exchange(_request(target), Http2Client() if http2 else Http1Client(), reader, writer)
        return _grpc_fault(answer) if target.check.kind == "grpc" else _fault(target.check, answer)
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), CLOSE_SECONDS)
        writer.transport.abort()  # who does not answer the end of TLS


async def _connect(
    target: Target, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    name = (target.tls.server_name or target.host) if context is not None else None
    if target.address.unix:
        path = target.address.unix
        path = f"\0{path[1:]}" if path.startswith("@") else path
        return await asyncio.open_unix_connection(path, ssl=context, server_hostname=name)
    port = target.check.port or target.address.port
    return await asyncio.open_connection(target.address.host, port, ssl=context, server_hostname=name)


async def _talk(check: HealthCheck, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """Send and expect; with neither, that there was a connection is enough."""
    expected = check.expect.encode()
    writer.write(check.send.encode())
    try:
        answer = await reader.readexactly(len(expected))
    except asyncio.IncompleteReadError as error:
        answer = error.partial
    return "" if answer == expected else f"it sent {_shown(answer)}, not {_shown(expected)}"


def _shown(data: bytes) -> str:
    return repr(data[:40].decode("latin-1"))


def _request(target: Target) -> list[Event]:
    """The request as the events that a client would send."""
    check = target.check
    authority = check.host or ("localhost" if target.address.unix else target.authority)
    fields = [("Host", authority), ("User-Agent", "headgate-probe"), *check.headers]
    method, path, body = check.method, check.path, b""
    if check.kind == "grpc":
        message = encode_request(check.grpc_service)
        body = b"\0" + len(message).to_bytes(4, "big") + message
        fields += [
            ("Content-Type", "application/grpc"),
            ("TE", "trailers"),
            ("Content-Length", str(len(body))),
        ]
        method, path = "POST", CHECK_PATH.decode()
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    return Http1Server().receive("\r\n".join(lines).encode() + body)


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    fields: dict[bytes, bytes] = field(default_factory=dict)  # of head and trailers
    body: bytes = b""

    def take(self, events: list[Event]) -> bool:
        """Whether it is complete, or enough was read. Raises ValueError when it is no answer."""
        for event in events:
            match event:
                case Head():
                    self.status = event.status or self.status
                    self.fields |= {name.lower(): value for name, value in event.items()}
                case Data():
                    self.body += event.payload
                case Violation() | Reset():
                    raise ValueError(f"no answer: {event.reason}")
                case _:
                    continue
            if self.status >= 200 and (event.last or len(self.body) >= BODY_BYTES):
                return True
        return False


async def _exchange(
    request: list[Event],
    codec: Http1Client | Http2Client,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> Answer:
    stream = 0
    if isinstance(codec, Http2Client):
        codec.begin()
        stream = codec.open()
    for event in request:
        codec.send(event, stream) if isinstance(codec, Http2Client) else codec.send(event)
    answer = Answer()
    while True:
        writer.write(codec.output())
        data = await reader.read(READ_BYTES)
        if answer.take(codec.receive(data)):
            return answer
        if not data:
            raise ValueError("the connection ended without an answer")
        if isinstance(codec, Http2Client):
            codec.go_on()


def _fault(check: HealthCheck, answer: Answer) -> str:
    if not any(first <= answer.status <= last for first, last in check.statuses):
        return f"status {answer.status}"
    body = answer.body[:BODY_BYTES]
    if check.body and check.body.encode() not in body:
        return "the body does not contain what it should"
    if check.body_regex and not compile_regex(check.body_regex).search(body):
        return "the body does not match"
    return ""


def _grpc_fault(answer: Answer) -> str:
    code = answer.fields.get(b"grpc-status", b"")
    if answer.status != 200 or code != b"0":
        return f"status {answer.status}, grpc-status {code.decode('latin-1') or 'missing'}"
    try:
        serving = decode_response(answer.body[5:])
    except MalformedMessageError as error:
        return str(error)
    return "" if serving is ServingStatus.SERVING else serving.name
