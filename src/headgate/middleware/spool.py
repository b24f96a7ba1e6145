"""Bytes that wait: in memory first, and what is too much for it in a file that has no name."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

READ_BYTES = 256 << 10

InThread = Callable[..., Awaitable[Any]]


class Spool:
    """A queue of bytes with at most `memory` bytes in memory, but for pieces on their way to disk, and `disk`
    bytes in a file in `folder`. `in_thread` calls what would block.
    """

    def __init__(self, memory: int, disk: int, folder: str | None, in_thread: InThread) -> None:
        self._memory = memory
        self._disk = disk
        self._folder = folder
        self._in_thread = in_thread
        self._front: deque[bytes] = deque()  # the oldest
        self._start = self._end = 0  # of what is in the file
        self._back: deque[bytes] = deque()  # the newest
        self._held = 0  # bytes in memory, those that are being written too
        self._file = -1
        self._writing: asyncio.Task[None] | None = None
        self.on_written: Callable[[], None] | None = None  # told when memory was given back
        self.used_disk = False
        self.error: OSError | None = None  # why no file could be written

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._held + self._end - self._start

    @property
    def on_disk(self) -> bool:
        """Whether some of them are in the file, or on their way there."""
        return self._end > self._start or self._writing is not None

    @property
    def crowded(self) -> bool:
        """Whether more bytes are in memory than should be."""
        return self._held > self._memory

    @property
    def full(self) -> bool:
        """Whether it should get nothing more for now."""
        if not self.crowded:
            return False
        return not self._can_spill or self._held > 2 * self._memory + READ_BYTES

    @property
    def _can_spill(self) -> bool:
        return self.error is None and self._end + self._held <= self._disk

    def put(self, data: bytes) -> None:
        """Take a piece."""
        self._held += len(data)
        behind = self.on_disk or self._back or self.crowded
        (self._back if behind else self._front).append(data)
        self._spill()

    def _spill(self) -> None:
        if self._back and self.crowded and self._writing is None and self._can_spill:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        batch = b"".join(self._back)
        self._back.clear()
        try:
            await self._in_thread(self._write_at, batch, self._end)
        except OSError as error:
            self.error = error
            self._back.appendleft(batch)
        else:
            self.used_disk = True
            self._end += len(batch)
            self._held -= len(batch)
        finally:
            self._writing = None
        self._spill()
        if self.on_written is not None:
            self.on_written()

    def _write_at(self, data: bytes, place: int) -> None:
        if self._file < 0:
            with tempfile.TemporaryFile(dir=self._folder, buffering=0) as file:
                self._file = os.dup(file.fileno())
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file, view, place)
            view, place = view[written:], place + written

    async def settle(self) -> None:
        """Wait until what is on its way to disk is there."""
        while self._writing is not None:
            await self._writing

    async def get(self) -> bytes:
        """The oldest bytes, or b"" when there are none."""
        while True:
            if self._front:
                return self._taken(self._front.popleft())
            if self._end > self._start:
                return await self._read()
            if self._writing is None:
                return self._taken(self._back.popleft()) if self._back else b""
            await self._writing

    def _taken(self, data: bytes) -> bytes:
        self._held -= len(data)
        return data

    async def _read(self) -> bytes:
        size = min(READ_BYTES, self._end - self._start)
        data: bytes = await self._in_thread(os.pread, self._file, size, self._start)
        if not data:
            raise OSError("the file is shorter than it was")
        self._start += len(data)
        if self._start == self._end and self._writing is None:
            self._start = self._end = 0  # from its beginning again, so that it does not grow
        return data

    def close(self) -> None:
        """Let go of everything, as soon as nobody writes."""
        if self._writing is not None:
            self._writing.add_done_callback(lambda _: self.close())
        elif self._file >= 0:
            os.close(self._file)
            self._file = -1
