"""Two sides of a TLS connection that talk in memory: the core's, and Python's own `ssl`."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import Protocol

from headgate.base.files import secret_file
from headgate.core.output import Output
from headgate.core.tls import Tls, TlsContext, TlsFault, TlsSession
from support.certificates import Authority, Pair

NAME = "a.example"
AUTHORITY = Authority()
CLIENTS = Authority("Clients CA")
SECRET, OLDER = b"n" * 32, b"o" * 32


def server_context(
    *pairs: Pair,
    version: str = "",
    clients: Authority | None = None,
    mode: ssl.VerifyMode = ssl.CERT_REQUIRED,
) -> ssl.SSLContext:
    """A context with certificates, "TLSv1_2" or another version, and what it asks of clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    for pair in pairs or (AUTHORITY.issue(NAME),):
        _load(context, pair)
    _set_version(context, version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if clients is not None:
        context.verify_mode = mode
        context.load_verify_locations(cadata=clients.pem)
    return context


def client_context(
    version: str = "",
    own: Pair | None = None,
    authority: Authority = AUTHORITY,
    protocols: tuple[str, ...] = (),
) -> ssl.SSLContext:
    """The context of a client that verifies."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    context.load_verify_locations(cadata=authority.pem)
    _set_version(context, version)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if own is not None:
        _load(context, own)
    return context


def _load(context: ssl.SSLContext, pair: Pair) -> None:
    with secret_file(pair.chain) as chain, secret_file(pair.key_pem) as key:
        context.load_cert_chain(chain, key)


def _set_version(context: ssl.SSLContext, version: str) -> None:
    if version:
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]


class Side(Protocol):
    """One end of a connection."""

    plain: bytearray
    fault: str

    @property
    def done(self) -> bool:
        """Whether the handshake is over."""

    @property
    def ended(self) -> bool:
        """Whether the peer said that it sends no more."""

    def take(self, data: bytes) -> None:
        """Handle what came; b"" at the very beginning."""

    def output(self) -> bytes:
        """What goes out."""

    def send(self, data: bytes) -> None:
        """Seal plain bytes."""

    def end(self) -> None:
        """Say that no more is sent."""


class Core:
    """The core's side."""

    def __init__(
        self, context: TlsContext, *, server: bool, name: str = NAME, session: TlsSession | None = None
    ) -> None:
        self.out = Output(64)
        self.plain = bytearray()
        self.fault = ""
        self.tls = Tls(context) if server else Tls(context, server=False, server_name=name, session=session)

    @property
    def done(self) -> bool:
        return self.tls.established

    @property
    def ended(self) -> bool:
        return self.tls.ended

    def take(self, data: bytes) -> None:
        try:
            if not self.tls.established:
                if not self.tls.shake(data, self.out):
                    return
                data = b""
            self.plain += self.tls.receive(data, self.out)
        except TlsFault as error:
            self.fault = str(error)

    def output(self) -> bytes:
        return self.out.take()

    def send(self, data: bytes) -> None:
        self.tls.send(data, self.out)

    def end(self) -> None:
        self.tls.end(self.out)


class Python:
    """The side of `ssl`."""

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server: bool,
        name: str = NAME,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self._into, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.plain = bytearray()
        self.fault = ""
        self.done = self.ended = False
        if server:
            self.tls = context.wrap_bio(self._into, self._out, server_side=True)
        else:
            self.tls = context.wrap_bio(self._into, self._out, server_hostname=name, session=session)

    def take(self, data: bytes) -> None:
        self._into.write(data)
        try:
            if not self.done:
                self.tls.do_handshake()
                self.done = True
            while part := self.tls.read(65536):
                self.plain += part
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as error:
            self.fault = error.reason or str(error)

    def output(self) -> bytes:
        return self._out.read()

    def send(self, data: bytes) -> None:
        self.tls.write(data)

    def end(self) -> None:
        with suppress(ssl.SSLWantReadError, ssl.SSLSyscallError):
            self.tls.unwrap()


def pass_on(one: Side, other: Side, step: int = 0) -> int:
    """Carry bytes both ways until there are none, in pieces of `step`. Returns how many they were."""
    carried = 0
    while True:
        quiet = True
        for source, target in ((one, other), (other, one)):
            data = source.output()
            carried += len(data)
            quiet = quiet and not data
            size = step or len(data)
            for at in range(0, len(data), max(size, 1)):
                if not target.fault:
                    target.take(data[at : at + size])
        if quiet:
            return carried


def shake(client: Side, server: Side, step: int = 0) -> None:
    """The handshake, as far as it goes."""
    client.take(b"")
    pass_on(client, server, step)
