"""One end of an HTTP/2 connection, played by hand with the `h2` package: a client's or an endpoint's."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes

from unit.proxy.stage import PATIENCE

Fields = list[tuple[str, str]]


def _text(fields: Iterable[Any]) -> Fields:
    """As they came: `indexable` of each says whether it may be indexed."""
    return list(fields)


@dataclass
class Streamed:
    """What came on one stream."""

    stream: int
    fields: Fields = field(default_factory=list)
    interim: list[Fields] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray, repr=False)
    trailers: Fields = field(default_factory=list)
    ended: bool = False
    reset: int | None = None
    owed: int = 0  # bytes that were not credited
    pieces: int = 0

    def get(self, name: str) -> str | None:
        """The value of the only field of that name, or None. Two of them are a failure."""
        values = [value for key, value in self.fields if key == name]
        assert len(values) < 2, f"{name} occurs {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def status(self) -> int:
        """Of a response whose head came."""
        return int(self.get(":status") or 0)

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self.ended or self.reset is not None


class Http2End:
    """One end. With `credit=False` what comes is not credited until `take()`."""

    def __init__(self, sock: socket.socket, *, server: bool = False, credit: bool = True) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.credit = credit
        self.h2 = H2Connection(
            H2Configuration(
                client_side=not server,
                header_encoding="utf-8",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.streams: dict[int, Streamed] = {}
        self.asked: list[int] = []  # streams of requests that nobody took yet
        self.settings: dict[int, int] = {}  # of the peer
        self.acknowledged = 0  # settings of ours
        self.pongs = 0
        self.goaways: list[tuple[int, int]] = []
        self.ended = False
        self.was_reset = False
        self.reads = 0
        self.deaf = False  # understand nothing but GOAWAY: what was sent is unknown to h2
        self.partial = b""  # of a frame
        self.preface = 24 if server else 0
        self.reading = asyncio.Lock()
        self.sending = asyncio.Lock()

    # --- Bytes ---

    async def flush(self) -> None:
        """Send what h2 has queued."""
        await self.raw(b"")

    async def raw(self, data: bytes) -> None:
        """Send these bytes as they are, behind what is queued."""
        data = self.h2.data_to_send() + data
        if not data:
            return
        loop = asyncio.get_running_loop()
        async with self.sending:
            with suppress(BrokenPipeError, ConnectionResetError):
                await asyncio.wait_for(loop.sock_sendall(self.socket, data), PATIENCE)

    async def until(self, enough: Callable[[], object], patience: float = PATIENCE) -> None:
        """Read until `enough`, of several tasks one after the other. Raises AssertionError."""
        limit = time.monotonic() + patience
        while not enough():
            assert not self.ended, f"the end came first; goaway {self.goaways}"
            async with self.reading:
                if not enough() and not self.ended:
                    await self._read(limit - time.monotonic(), patience)
            await self.flush()

    async def nothing_asked(self, seconds: float = 0.1) -> bool:
        """Whether no request comes for that long."""
        with suppress(AssertionError):
            await self.until(lambda: self.asked, seconds)
        return not self.asked and not self.ended

    async def heard(self) -> None:
        """Wait until the peer read all that was sent: it answers a PING."""
        pongs = self.pongs
        self.h2.ping(b"heard???")
        await self.flush()
        await self.until(lambda: self.pongs > pongs)

    async def _read(self, left: float, patience: float) -> None:
        """Read once. Gives others their turn now and then, for what they wait for may be here."""
        try:
            data = await asyncio.wait_for(
                asyncio.get_running_loop().sock_recv(self.socket, 262144), min(left, 0.05)
            )
        except ConnectionResetError:
            self.ended = self.was_reset = True
            return
        except TimeoutError:
            assert left > 0.05, f"not within {patience} s: {list(self.streams.values())}"
            return
        self.reads += 1
        self.ended = not data
        self.receive(data)

    def receive(self, data: bytes) -> None:
        """Take bytes that came."""
        frames = self._without_goaway(data)
        for event in () if self.deaf else self.h2.receive_data(frames):
            self._note(event)

    def _without_goaway(self, data: bytes) -> bytes:
        """Whole frames but GOAWAY, behind which h2 understands nothing any more."""
        self.partial += data
        at = min(self.preface, len(self.partial))
        passed = self.partial[:at]
        self.preface -= at
        while at + 9 <= len(self.partial):
            size = int.from_bytes(self.partial[at : at + 3], "big")
            frame = self.partial[at : at + 9 + size]
            if len(frame) < 9 + size:
                break
            if frame[3] == 7:
                last, code = struct.unpack(">II", frame[9:17])
                self.goaways.append((code, last))
            else:
                passed += frame
            at += len(frame)
        self.partial = self.partial[at:]
        return passed

    async def end(self, patience: float = PATIENCE) -> None:
        """Read to the end of the connection."""
        with suppress(AssertionError):
            await self.until(lambda: False, patience)
        assert self.ended, f"no end within {patience} s"

    async def silent(self, seconds: float) -> bool:
        """Whether nothing comes for that long."""
        before = self.reads
        with suppress(AssertionError):
            await self.until(lambda: self.reads > before, seconds)
        return self.reads == before and not self.ended

    def _note(self, event: events.Event) -> None:
        note = self._NOTES.get(type(event))
        if note is not None:
            note(self, event)

    def _note_request(self, event: events.RequestReceived) -> None:
        self.streams[event.stream_id] = Streamed(event.stream_id, _text(event.headers))
        self.asked.append(event.stream_id)

    def _note_response(self, event: events.ResponseReceived) -> None:
        self.streams[event.stream_id].fields = _text(event.headers)

    def _note_interim(self, event: events.InformationalResponseReceived) -> None:
        self.streams[event.stream_id].interim.append(_text(event.headers))

    def _note_trailers(self, event: events.TrailersReceived) -> None:
        self.streams[event.stream_id].trailers = _text(event.headers)

    def _note_data(self, event: events.DataReceived) -> None:
        stream = self.streams[event.stream_id]
        stream.body += event.data
        stream.pieces += 1
        if not self.credit:
            stream.owed += event.flow_controlled_length
        elif event.flow_controlled_length:
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def _note_end(self, event: events.StreamEnded) -> None:
        self.streams[event.stream_id].ended = True

    def _note_reset(self, event: events.StreamReset) -> None:
        self.streams[event.stream_id].reset = int(event.error_code or 0)

    def _note_settings(self, event: events.RemoteSettingsChanged) -> None:
        self.settings |= {int(code): change.new_value for code, change in event.changed_settings.items()}

    def _note_acknowledged(self, _: events.SettingsAcknowledged) -> None:
        self.acknowledged += 1

    def _note_pong(self, _: events.PingAckReceived) -> None:
        self.pongs += 1

    _NOTES: ClassVar[dict[type, Callable[[Any, Any], None]]] = {
        events.RequestReceived: _note_request,
        events.ResponseReceived: _note_response,
        events.InformationalResponseReceived: _note_interim,
        events.TrailersReceived: _note_trailers,
        events.DataReceived: _note_data,
        events.StreamEnded: _note_end,
        events.StreamReset: _note_reset,
        events.RemoteSettingsChanged: _note_settings,
        events.SettingsAcknowledged: _note_acknowledged,
        events.PingAckReceived: _note_pong,
    }

    # --- Both sides ---

    async def begin(self, **settings: int) -> None:
        """Send the preface with these settings, by their names."""
        for name, value in settings.items():
            self.h2.local_settings[SettingCodes[name.upper()]] = value
        self.h2.local_settings.acknowledge()
        self.h2.initiate_connection()
        await self.flush()

    async def change(self, **settings: int) -> None:
        """Send other settings."""
        self.h2.update_settings({SettingCodes[name.upper()]: value for name, value in settings.items()})
        await self.flush()

    async def send_body(self, stream: int, data: bytes, *, end: bool = True) -> None:
        """Send a body as the windows allow."""
        at = 0
        while at < len(data):
            await self.until(lambda: self.h2.local_flow_control_window(stream) > 0 or self._gone(stream))
            if self._gone(stream):
                return
            size = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            self.h2.send_data(stream, data[at : at + size])
            at += size
            await self.flush()
        if end:
            self.h2.end_stream(stream)
            await self.flush()

    async def flood(self, stream: int, most: int, rest: float = 0.1) -> int:
        """Send zeros until neither window nor socket takes more for a moment; how many were taken."""
        sent = 0
        with suppress(AssertionError, TimeoutError):
            while sent < most:
                await self.until(lambda: self.h2.local_flow_control_window(stream) > 0, rest)
                size = min(
                    self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, most - sent
                )
                self.h2.send_data(stream, bytes(size))
                sent += size
                await self.flush()
        return sent

    def _gone(self, stream: int) -> bool:
        return stream in self.streams and self.streams[stream].reset is not None

    async def send_trailers(self, stream: int, fields: Iterable[tuple[str, str]]) -> None:
        """End a stream with trailers."""
        self.h2.send_headers(stream, list(fields), end_stream=True)
        await self.flush()

    async def reset_stream(self, stream: int, code: int = 8) -> None:
        """RST_STREAM, by default CANCEL."""
        self.h2.reset_stream(stream, code)
        await self.flush()

    async def take(self, stream: int) -> int:
        """Credit what came on a stream and was not credited; returns how many bytes."""
        owed, self.streams[stream].owed = self.streams[stream].owed, 0
        if owed:
            self.h2.acknowledge_received_data(owed, stream)
            await self.flush()
        return owed

    async def go_away(self, code: int = 0, last: int | None = None) -> None:
        """Send GOAWAY without what h2 thinks of it."""
        last = self.h2.highest_inbound_stream_id if last is None else last
        await self.raw(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + struct.pack(">II", last, code))

    def close(self) -> None:
        """Close in order."""
        self.socket.close()

    def half_close(self) -> None:
        """Send no more."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # --- A client ---

    async def start(
        self,
        method: str = "GET",
        path: str = "/",
        fields: Iterable[tuple[str, str]] = (),
        *,
        end: bool = True,
        authority: str = "a.example",
        pseudo: Iterable[tuple[str, str]] = (),
    ) -> Streamed:
        """Send a request head."""
        stream = self.h2.get_next_available_stream_id()
        self.streams[stream] = Streamed(stream)
        head = [(":method", method), (":scheme", "http"), (":path", path), (":authority", authority)]
        self.h2.send_headers(stream, [*head, *pseudo, *fields], end_stream=end)
        await self.flush()
        return self.streams[stream]

    async def answer(self, asked: Streamed) -> Streamed:
        """Wait for the end of a response."""
        await self.until(lambda: asked.over)
        return asked

    async def ask(
        self,
        method: str = "GET",
        path: str = "/",
        fields: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Streamed:
        """A whole request and its response."""
        asked = await self.start(method, path, fields, end=not body)
        if body:
            await self.send_body(asked.stream, body)
        return await self.answer(asked)

    # --- An endpoint ---

    async def request_head(self) -> Streamed:
        """The next request, whose body may be still to come."""
        await self.until(lambda: self.asked)
        return self.streams[self.asked.pop(0)]

    async def request(self) -> Streamed:
        """The next request, with its body."""
        asked = await self.request_head()
        await self.until(lambda: asked.over)
        return asked

    async def respond(
        self,
        asked: Streamed,
        status: int = 200,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        trailers: Iterable[tuple[str, str]] = (),
        *,
        end: bool = True,
    ) -> None:
        """Send a response; without `end` its head and body only."""
        trailers = list(trailers)
        whole = end and not body and not trailers
        self.h2.send_headers(asked.stream, [(":status", str(status)), *fields], end_stream=whole)
        await self.flush()
        if body:
            await self.send_body(asked.stream, body, end=end and not trailers)
        if trailers:
            await self.send_trailers(asked.stream, trailers)
