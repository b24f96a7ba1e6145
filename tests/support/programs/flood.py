"""Connections that flood a server of HTTP/2 with one kind of frames, and come again at once when cut off.

    python -m support.programs.flood PORT KIND CONNECTIONS [--tls NAME]

Runs until its input ends. Prints a line when the first connection has ended, and at last as JSON how all did.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count

from support.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    HELLO,
    PING,
    block,
    frame,
    request,
    reset,
    settings,
    window_update,
)
from support.http2 import Code, client_context

CHUNK = 16384
LARGE, ENDLESS, TEXT = b"/large", b"/endless", b"/text/flood"


def asking(path: bytes, method: bytes = b"GET") -> list[tuple[bytes, bytes]]:
    return [(b":method", method), (b":scheme", b"http"), (b":authority", b"open.example"), (b":path", path)]


def rapid_resets() -> Iterator[bytes]:
    for stream in count(1, 2):
        yield request(pseudo=asking(TEXT), stream=stream) + reset(stream)


def continuations() -> Iterator[bytes]:
    yield frame(HEADERS, END_STREAM, 1, block(asking(TEXT)))
    while True:
        yield frame(CONTINUATION, 0, 1, block([(b"a", b"b")]))


def pings() -> Iterator[bytes]:
    while True:
        yield frame(PING, payload=bytes(8))


def settings_changes() -> Iterator[bytes]:
    for number in count():
        yield settings((4, 60_000 + number % 1000))


def empty_frames() -> Iterator[bytes]:
    yield request(pseudo=asking(ENDLESS, b"POST"), last=False)
    while True:
        yield frame(DATA, 0, 1)


def window_updates() -> Iterator[bytes]:
    while True:
        yield window_update(1)


def bombs() -> Iterator[bytes]:
    """A field of 4 KB in the table, and its index over and over."""
    bomb = b"\x40\x01a\x7f\x81\x1e" + b"b" * 3968
    for stream in count(1, 2):
        indexes = b"\xbe" * 8000
        yield frame(HEADERS, END_HEADERS | END_STREAM, stream, block(asking(TEXT)) + bomb + indexes)


def long_heads() -> Iterator[bytes]:
    """Lists that are too large, honestly written."""
    fields = block([(b"x-%d" % number, bytes(30).replace(b"\0", b"x")) for number in range(600)])
    for stream in count(1, 2):
        whole = block(asking(TEXT)) + fields
        parts = [whole[at : at + CHUNK] for at in range(0, len(whole), CHUNK)]
        yield frame(HEADERS, END_STREAM, stream, parts[0])
        for number, part in enumerate(parts[1:], 2):
            yield frame(CONTINUATION, END_HEADERS if number == len(parts) else 0, stream, part)


def tiny_windows() -> Iterator[bytes]:
    """Large answers, taken byte by byte."""
    streams = range(1, 201, 2)
    yield settings((4, 1)) + b"".join(request(pseudo=asking(LARGE), stream=stream) for stream in streams)
    while True:
        yield b"".join(window_update(1, stream) for stream in streams)


def endless_streams() -> Iterator[bytes]:
    for stream in count(1, 2):
        yield request(pseudo=asking(ENDLESS, b"POST"), stream=stream, last=False)


FLOODS: dict[str, Callable[[], Iterator[bytes]]] = {
    flood.__name__: flood
    for flood in (
        rapid_resets,
        continuations,
        pings,
        settings_changes,
        empty_frames,
        window_updates,
        bombs,
        long_heads,
        tiny_windows,
        endless_streams,
    )
}
# Frames of data to wait for before the next piece is sent: updates that come together make one larger frame.
ANSWERED = {"tiny_windows": 100}


def chunks(kind: str) -> Iterator[bytes]:
    """The flood in pieces to write."""
    piece = bytearray()
    for said in FLOODS[kind]():
        piece += said
        if len(piece) >= CHUNK or kind in ANSWERED:
            yield bytes(piece)
            piece.clear()


class Flooder:
    """All connections, one after the other in each of several places."""

    def __init__(self, port: int, kind: str, name: str | None) -> None:
        self.ends: Counter[str] = Counter()
        self.sent = 0
        self._kind = kind
        self._port, self._name = port, name
        self._tls = client_context() if name else None

    async def run(self) -> None:
        """Flood, for ever."""
        while True:
            try:
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self._port, ssl=self._tls, server_hostname=self._name
                )
            except OSError:
                self.ends["refused"] += 1
                await asyncio.sleep(0.05)
                continue
            answered = asyncio.Semaphore(0)
            writing = asyncio.create_task(self._write(writer, answered))
            try:
                end = await _end(reader, answered)
                if not self.ends:
                    print("begun", flush=True)
                self.ends[end] += 1
            finally:
                writing.cancel()
                writer.transport.abort()

    async def _write(self, writer: asyncio.StreamWriter, answered: asyncio.Semaphore) -> None:
        with suppress(OSError):
            writer.write(HELLO)
            for piece in chunks(self._kind):
                writer.write(piece)
                self.sent += len(piece)
                await writer.drain()
                await asyncio.sleep(0)
                for _ in range(ANSWERED.get(self._kind, 0)):
                    await answered.acquire()


async def _end(reader: asyncio.StreamReader, answered: asyncio.Semaphore) -> str:
    """Read to the end: what the server said last, or how it ended. Each frame of data counts as an answer."""
    said = "nothing"
    try:
        while True:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3]))
            if head[3] == DATA:
                answered.release()
            if head[3] == GOAWAY:
                said = Code(struct.unpack(">I", payload[4:8])[0]).name
    except asyncio.IncompleteReadError:
        return said
    except OSError:
        return said if said != "nothing" else "reset"


async def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("port", type=int)
    arguments.add_argument("kind", choices=FLOODS)
    arguments.add_argument("connections", type=int)
    arguments.add_argument("--tls")
    given = arguments.parse_args()
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    flooder = Flooder(given.port, given.kind, given.tls)
    tasks = [asyncio.create_task(flooder.run()) for _ in range(given.connections)]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps({"ends": flooder.ends, "sent": flooder.sent}))


if __name__ == "__main__":
    asyncio.run(main())
