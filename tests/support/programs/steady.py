"""Well-behaved clients over HTTP/1.1 and HTTP/2: each asks, waits for its answer, rests, and asks again.

    python -m support.programs.steady PORT CLIENTS SECONDS [--tls NAME]

Half of the clients speak each version. Prints as JSON the latencies in milliseconds, and what failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import uvloop

from support.frames import DATA, END_STREAM, HEADERS, HELLO, request, window_update
from support.http2 import client_context

REST = 0.005
PATH = "/text/steady"
PATIENCE = 10.0

Ask = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


async def ask_http1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
    """One exchange over HTTP/1.1."""
    writer.write(f"GET {PATH} HTTP/1.1\r\nHost: open.example\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    assert await reader.readexactly(len(PATH)) == PATH.encode()


async def ask_http2(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
    """One exchange over HTTP/2; its fields need no table, and a status of 200 is one octet."""
    fields = [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":authority", b"open.example"),
        (b":path", PATH.encode()),
    ]
    stream = 2 * number + 1
    writer.write(
        (HELLO + window_update(1 << 30) if number == 0 else b"") + request(pseudo=fields, stream=stream)
    )
    body = b""
    while True:
        head = await reader.readexactly(9)
        payload = await reader.readexactly(int.from_bytes(head[:3]))
        if int.from_bytes(head[5:]) != stream:
            continue
        assert head[3] in (DATA, HEADERS), (head, payload)
        if head[3] == HEADERS:
            assert b"\x88" in payload[:6], payload
        else:
            body += payload
        if head[4] & END_STREAM:
            assert body == PATH.encode(), body
            return


class Clients:
    """All of them, with what they measured."""

    def __init__(self, port: int, name: str | None, seconds: float) -> None:
        self.latencies: list[float] = []
        self.failures: list[str] = []
        self._port, self._name = port, name
        self._until = time.monotonic() + seconds

    async def run(self, ask: Ask, protocol: str) -> None:
        """One client."""
        tls = client_context(None, protocol) if self._name else None
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=tls, server_hostname=self._name
        )
        try:
            number = 0
            while time.monotonic() < self._until:
                began = time.perf_counter()
                await asyncio.wait_for(ask(reader, writer, number), PATIENCE)
                self.latencies.append(1000 * (time.perf_counter() - began))
                number += 1
                await asyncio.sleep(REST)
        except (OSError, EOFError, AssertionError) as error:
            self.failures.append(f"{protocol}: {error!r}")
        finally:
            writer.transport.abort()


async def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("port", type=int)
    arguments.add_argument("clients", type=int)
    arguments.add_argument("seconds", type=float)
    arguments.add_argument("--tls")
    given = arguments.parse_args()
    clients = Clients(given.port, given.tls, given.seconds)
    await asyncio.gather(
        *(
            clients.run(ask_http2, "h2") if number % 2 else clients.run(ask_http1, "http/1.1")
            for number in range(given.clients)
        )
    )
    print(json.dumps({"latencies": clients.latencies, "failures": clients.failures}))


if __name__ == "__main__":
    uvloop.run(main())
