"""A long path between two ends on one machine: every byte arrives later, none is lost or held back."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Self

from support.ports import free_port

PIECE = 1 << 18


class LongPath:
    """Relays connections to a port, each direction with a delay; takes whatever comes at once."""

    def __init__(self, to: int, delay: float) -> None:
        self.port = free_port()
        self._to, self._delay = to, delay
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._relays: set[asyncio.Task[None]] = set()
        self._open = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._open.wait(10), "the path does not open"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=PIECE)
        self._open.set()
        async with server:
            await self._over.wait()
        for task in self._relays:
            task.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._relays.add(asyncio.create_task(self._relay(reader, writer)))

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to, limit=PIECE)
        try:
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))
        finally:
            for each in (writer, back):
                each.transport.abort()
                with suppress(OSError):
                    await each.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, until its end has arrived."""
        flying: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        taking = asyncio.create_task(self._take(reader, flying))
        loop = asyncio.get_running_loop()
        try:
            while True:
                due, data = await flying.get()
                await asyncio.sleep(max(0, due - loop.time()))
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
        except OSError:
            return  # whoever it was for is gone
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, flying: asyncio.Queue[tuple[float, bytes]]) -> None:
        loop = asyncio.get_running_loop()
        data = b"to begin with"
        while data:
            data = await _read(reader)
            flying.put_nowait((loop.time() + self._delay, data))


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(PIECE)
    except OSError:
        return b""
