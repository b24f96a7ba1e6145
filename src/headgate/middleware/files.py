"""Files that middlewares read, and read again when they change."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from headgate.middleware.worker import Worker

T = TypeVar("T")

LOOK_SECONDS = 1.0


class WatchedFiles(Generic[T]):
    """`value` is what `make` makes of the contents of files, by path. Whoever needs it calls `look()` before:
    once a second that looks at the files, in a thread, and makes the value anew when one has changed. What
    cannot be read or made is logged, and the value before it stays.

    Raises what `make` raises, and OSError.
    """

    def __init__(self, worker: Worker, paths: Sequence[str], make: Callable[[dict[str, bytes]], T]) -> None:
        self._worker = worker
        self._paths = paths
        self._make = make
        self._stamps = self._stamped()
        self._task: asyncio.Task[None] | None = None
        self._urgent = False
        self.due = time.monotonic() + LOOK_SECONDS if paths else float("inf")
        self.value = make(self._contents())

    def look(self) -> Awaitable[None] | None:
        """Something to await when nobody has looked for longer than that second: what a file says no more
        must not hold for the first who comes after a quiet hour.
        """
        now = time.monotonic()
        if now < self.due:
            return asyncio.shield(self._task) if self._urgent and self._task is not None else None
        urgent = now >= self.due + LOOK_SECONDS
        if self._task is None:
            self._urgent = urgent
            self.due = now + LOOK_SECONDS
            self._task = asyncio.get_running_loop().create_task(self._renew())
        return asyncio.shield(self._task) if self._urgent else None

    def close(self) -> None:
        """Look no more."""
        self.due = float("inf")
        if self._task is not None:
            self._task.cancel()

    async def _renew(self) -> None:
        try:
            found = await self._worker.in_thread(self._read)
        except (OSError, ValueError) as error:
            self._worker.log("%s; what was read before stays", error, level=30)
        else:
            if found is not None:
                (self.value,) = found
                self._worker.log("read again: %s", ", ".join(self._paths))
        finally:
            self._task = None

    def _read(self) -> tuple[T] | None:
        """A new value when something has changed. What cannot be used is tried again when it changes."""
        stamps = self._stamped()
        if stamps == self._stamps:
            return None
        self._stamps = stamps
        return (self._make(self._contents()),)

    def _contents(self) -> dict[str, bytes]:
        return {path: Path(path).read_bytes() for path in self._paths}

    def _stamped(self) -> list[tuple[int, ...]]:
        return [_stamp(path) for path in self._paths]


def _stamp(path: str) -> tuple[int, ...]:
    """What of a file is another when its content is; () when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path would be made for each look
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def lines_of(path: str, content: bytes) -> Iterator[tuple[str, str]]:
    """Where they stand ("PATH:3") and the lines of a file that say something; `#` begins a comment. Raises
    ValueError for what is no UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8: {error.reason} at byte {error.start}") from None
    for number, line in enumerate(text.splitlines(), 1):
        said = line.partition("#")[0].strip() if "#" in line else line.strip()
        if said:
            yield f"{path}:{number}", said
