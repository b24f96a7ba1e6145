"""One end of an HTTP/2 connection, driven frame by frame from a test: it says whatever it is told to."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import NamedTuple, Self

from hpack import Decoder, Encoder

from support.wire import PATIENCE, Wire

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_WINDOW = (1 << 31) - 1

Fields = Iterable[tuple[str | bytes, str | bytes]]


class Kind(IntEnum):
    """Types of frames (RFC 9113 section 6, RFC 9218 section 7)."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9
    PRIORITY_UPDATE = 16


class Flag(IntFlag):
    """Flags of frames; ACK is END_STREAM under another name."""

    NONE = 0
    END_STREAM = 1
    ACK = 1
    END_HEADERS = 4
    PADDED = 8
    PRIORITY = 32


class Setting(IntEnum):
    """Identifiers of settings."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6
    ENABLE_CONNECT_PROTOCOL = 8
    NO_RFC7540_PRIORITIES = 9


class Code(IntEnum):
    """Error codes (RFC 9113 section 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class Frame(NamedTuple):
    """A frame as it came."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def number(self) -> int:
        """The 32 bits at the end of an RST_STREAM or WINDOW_UPDATE."""
        return int.from_bytes(self.payload[-4:], "big")

    @property
    def goaway(self) -> tuple[int, int, bytes]:
        """Last stream, code and what a GOAWAY has to say."""
        last, code = struct.unpack(">II", self.payload[:8])
        return last, code, self.payload[8:]

    @property
    def settings(self) -> dict[int, int]:
        """What a SETTINGS frame sets."""
        return dict(struct.iter_unpack(">HI", self.payload))

    @property
    def content(self) -> bytes:
        """The payload of DATA and HEADERS without padding and priority."""
        content = self.payload
        if self.flags & Flag.PADDED:
            content = content[1 : len(content) - content[0]]
        return content[5:] if self.kind == Kind.HEADERS and self.flags & Flag.PRIORITY else content


# Frames as bytes. Nothing is checked: lengths and flags are what the test wants.


def frame(
    kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"", *, length: int | None = None
) -> bytes:
    """Any frame; `length` lies about the size."""
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def data(stream: int, payload: bytes = b"", *, end: bool = False, padding: int | None = None) -> bytes:
    """A DATA frame."""
    flags = Flag.END_STREAM if end else Flag.NONE
    if padding is not None:
        flags |= Flag.PADDED
        payload = bytes([padding]) + payload + bytes(padding)
    return frame(Kind.DATA, flags, stream, payload)


def headers(stream: int, block: bytes, *, end: bool = False, end_headers: bool = True) -> bytes:
    """A HEADERS frame with a part of a field block."""
    flags = (Flag.END_STREAM if end else 0) | (Flag.END_HEADERS if end_headers else 0)
    return frame(Kind.HEADERS, flags, stream, block)


def continuation(stream: int, block: bytes, *, end_headers: bool = True) -> bytes:
    """A CONTINUATION frame."""
    return frame(Kind.CONTINUATION, Flag.END_HEADERS if end_headers else 0, stream, block)


def priority(stream: int, on: int = 0, *, weight: int = 16, exclusive: bool = False) -> bytes:
    """A PRIORITY frame, as it was before RFC 9113."""
    return frame(Kind.PRIORITY, 0, stream, struct.pack(">IB", on | exclusive << 31, weight - 1))


def priority_update(stream: int, value: str, *, on: int = 0) -> bytes:
    """A PRIORITY_UPDATE frame (RFC 9218)."""
    return frame(Kind.PRIORITY_UPDATE, 0, on, struct.pack(">I", stream) + value.encode())


def rst_stream(stream: int, code: int = Code.CANCEL) -> bytes:
    """An RST_STREAM frame."""
    return frame(Kind.RST_STREAM, 0, stream, struct.pack(">I", code))


def settings(values: Mapping[int, int] | None = None, *, ack: bool = False) -> bytes:
    """A SETTINGS frame."""
    payload = b"".join(struct.pack(">HI", *item) for item in (values or {}).items())
    return frame(Kind.SETTINGS, Flag.ACK if ack else 0, 0, payload)


def ping(payload: bytes = bytes(8), *, ack: bool = False) -> bytes:
    """A PING frame."""
    return frame(Kind.PING, Flag.ACK if ack else 0, 0, payload)


def goaway(last: int = 0, code: int = Code.NO_ERROR, debug: bytes = b"") -> bytes:
    """A GOAWAY frame."""
    return frame(Kind.GOAWAY, 0, 0, struct.pack(">II", last, code) + debug)


def window_update(stream: int, size: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return frame(Kind.WINDOW_UPDATE, 0, stream, struct.pack(">I", size))


@dataclass
class Http2Message:
    """A request or response: its fields, body and trailers; `reset` is the code when it was reset."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    informational: list[list[tuple[str, str]]] = field(default_factory=list)
    reset: int | None = None
    ended: bool = False

    def get(self, name: str) -> str | None:
        """The first value of a field."""
        return next((value for each, value in self.fields if each == name), None)

    def trailer(self, name: str) -> str | None:
        """The first value of a trailer."""
        return next((value for each, value in self.trailers if each == name), None)

    @property
    def status(self) -> int:
        """Of a response; 0 when none came."""
        return int(self.get(":status") or 0)


class Http2Wire(Wire):
    """A connection that speaks HTTP/2, as client or as server.

    `messages` collects what came on each stream. Reading a frame answers SETTINGS and PING and gives
    credit back, unless `polite` is off.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        client: bool = True,
        polite: bool = True,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__(connection, patience)
        self.client = client
        self.polite = polite
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.messages: dict[int, Http2Message] = {}
        self.frames: list[Frame] = []  # all that were read
        self.decoder.max_header_list_size = 1 << 24
        self._block = b""
        self._ends = False
        self._next = 1

    @classmethod
    def dial(
        cls,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        name: str | None = None,
        host: str = "127.0.0.1",
        polite: bool = True,
        patience: float = PATIENCE,
    ) -> Self:
        """Connect, with TLS when a context is given; nothing of HTTP/2 is said yet."""
        connection = socket.create_connection((host, port), patience)
        if tls is not None:
            connection = tls.wrap_socket(connection, server_hostname=name)
        return cls(connection, polite=polite, patience=patience)

    @classmethod
    def connected(
        cls,
        port: int,
        values: Mapping[int, int] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        name: str | None = None,
    ) -> Self:
        """Connect and exchange prefaces and settings."""
        wire = cls.dial(port, tls=tls, name=name)
        wire.greet(values)
        wire.read_kind(Kind.SETTINGS)
        return wire

    # Saying

    def greet(self, values: Mapping[int, int] | None = None) -> None:
        """Send the preface of this side."""
        self.decoder.max_allowed_table_size = (values or {}).get(Setting.HEADER_TABLE_SIZE, 4096)
        self.send((PREFACE if self.client else b"") + settings(values))

    def block(self, fields: Fields) -> bytes:
        """A field block."""
        return self.encoder.encode(list(fields))

    def next_stream(self) -> int:
        """The number of a client's next stream."""
        number, self._next = self._next, self._next + 2
        return number

    def ask(
        self,
        *fields: tuple[str, str],
        method: str = "GET",
        path: str = "/",
        authority: str = "test",
        scheme: str = "http",
        body: bytes | None = None,
        end: bool = True,
    ) -> int:
        """Send a request on a new stream and return its number; without `end`, body or trailers follow."""
        stream = self.next_stream()
        pseudo = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]
        self.send(headers(stream, self.block([*pseudo, *fields]), end=end and body is None))
        if body is not None:
            self.body(stream, body, end=end)
        return stream

    def respond(self, stream: int, *fields: tuple[str, str], status: int = 200, body: bytes = b"") -> None:
        """Send a whole response."""
        block = self.block([(":status", str(status)), *fields])
        self.send(headers(stream, block, end=not body))
        if body:
            self.body(stream, body)

    def body(self, stream: int, body: bytes, *, end: bool = True, size: int = 16384) -> None:
        """Send DATA frames, without regard to windows."""
        pieces = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
        frames = [
            data(stream, piece, end=end and number == len(pieces) - 1) for number, piece in enumerate(pieces)
        ]
        self.send(b"".join(frames))

    # Hearing

    def read_preface(self) -> None:
        """Read a client's preface, its settings not included."""
        self.expect(PREFACE)

    def read_frame(self) -> Frame:
        """The next frame, whatever it is."""
        head = self.read(9)
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        came = Frame(kind, flags, stream & MAX_WINDOW, self.read(int.from_bytes(head[:3], "big")))
        self.frames.append(came)
        self._note(came)
        if self.polite:
            self._answer(came)
        return came

    def read_kind(self, kind: Kind, stream: int | None = None) -> Frame:
        """The next frame of this kind (and stream); others are passed over. An ACK counts as another kind."""
        while True:
            came = self.read_frame()
            acknowledges = kind in {Kind.SETTINGS, Kind.PING} and came.flags & Flag.ACK
            if came.kind == kind and not acknowledges and stream in {None, came.stream}:
                return came

    def read_ack(self, kind: Kind) -> Frame:
        """The next acknowledgement of SETTINGS or PING."""
        while True:
            came = self.read_frame()
            if came.kind == kind and came.flags & Flag.ACK:
                return came

    def message(self, stream: int) -> Http2Message:
        """What came on the stream, once it is over in this direction."""
        while not (found := self.messages.setdefault(stream, Http2Message())).ended and found.reset is None:
            self.read_frame()
        return found

    def fetch(
        self, *fields: tuple[str, str], path: str = "/", method: str = "GET", body: bytes | None = None
    ) -> Http2Message:
        """Send a request and read its response."""
        return self.message(self.ask(*fields, path=path, method=method, body=body))

    def expect_goaway(self, code: int) -> Frame:
        """The connection ends with this code: GOAWAY comes, and then the end of the connection."""
        came = self.read_kind(Kind.GOAWAY)
        assert came.goaway[1] == code, f"expected GOAWAY with {Code(code)!r}, came {came}"
        return came

    def expect_reset(self, stream: int, code: int) -> None:
        """The stream is reset with this code, and the connection lives on."""
        found = self.message(stream)
        assert found.reset == code, f"expected a reset with {Code(code)!r}, came {found}"
        self.check_alive()

    def check_alive(self) -> None:
        """The peer answers a PING."""
        self.send(ping(b"anybody?"))
        while self.read_ack(Kind.PING).payload != b"anybody?":
            pass

    def _note(self, came: Frame) -> None:
        message = self.messages.setdefault(came.stream, Http2Message()) if came.stream else Http2Message()
        if came.kind == Kind.DATA:
            message.body += came.content
            message.ended = bool(came.flags & Flag.END_STREAM)
        elif came.kind == Kind.RST_STREAM:
            message.reset = came.number
        elif came.kind in {Kind.HEADERS, Kind.CONTINUATION}:
            self._block += came.content
            if came.kind == Kind.HEADERS:
                self._ends = bool(came.flags & Flag.END_STREAM)
            if came.flags & Flag.END_HEADERS:
                self._take_block(message)

    def _take_block(self, message: Http2Message) -> None:
        fields = [(_text(name), _text(value)) for name, value in self.decoder.decode(self._block, raw=True)]
        self._block = b""
        message.ended = self._ends
        if message.fields:
            message.trailers = fields
        elif fields[0][0] == ":status" and fields[0][1].startswith("1"):
            message.informational.append(fields)
        else:
            message.fields = fields

    def _answer(self, came: Frame) -> None:
        if came.kind == Kind.SETTINGS and not came.flags & Flag.ACK:
            size = came.settings.get(Setting.HEADER_TABLE_SIZE)
            if size is not None:
                self.encoder.header_table_size = min(size, 4096)
            self.send(settings(ack=True))
        elif came.kind == Kind.PING and not came.flags & Flag.ACK:
            self.send(ping(came.payload, ack=True))
        elif came.kind == Kind.DATA and came.payload:
            credit = window_update(0, len(came.payload))
            if not came.flags & Flag.END_STREAM:
                credit += window_update(came.stream, len(came.payload))
            self.send(credit)


def _text(octets: bytes | str) -> str:
    return octets.decode("latin-1") if isinstance(octets, bytes) else octets


def client_context(authority: str | None = None, *protocols: str) -> ssl.SSLContext:
    """A client's TLS with ALPN (h2 when none is given) that trusts the authority (PEM), or anybody."""
    context = ssl.create_default_context(cadata=authority)
    if authority is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([*protocols] or ["h2"])
    return context
