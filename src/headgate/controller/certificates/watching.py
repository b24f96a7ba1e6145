"""Files of certificates are looked at every few seconds, and read again when they changed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable

POLL_SECONDS = 2.0
# Warnings of what is about to expire come again after so long.
AGAIN_SECONDS = 24 * 3600.0

_TICK_SECONDS = 0.1  # file systems round times down

Signature = tuple[tuple[int, ...], ...]


def signature(files: Iterable[str]) -> Signature:
    """What changes whenever one of the files is written, replaced, or reached by another link."""
    return tuple(_state(file) for file in files)


def _state(file: str) -> tuple[int, ...]:
    try:
        found = os.stat(file)  # noqa: PTH116 - the target's, as Kubernetes swaps links
    except (OSError, ValueError):
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class Watch:
    """Calls `renew` when files changed and then stayed the same for one look: a certificate and its key are
    two files, and whoever writes them does not do it at once.

    `files` tells which files to look at, `due` when there is something to do though none changed (in seconds
    of the epoch, 0 for never).
    """

    def __init__(
        self,
        files: Callable[[], Iterable[str]],
        due: Callable[[], float],
        renew: Callable[[], Awaitable[None]],
    ) -> None:
        self._files = files
        self._due = due
        self._renew = renew
        self._done: Signature | None = None  # what is served
        self._seen: Signature | None = None  # at the last look
        self._renewed = time.time()

    def settle(self, read: float) -> None:
        """Everything was read, not before `read` (in seconds of the epoch). What was written since then is
        read again.
        """
        self._seen = signature(self._files())
        fresh = any(state and max(state[-2:]) / 1e9 > read - _TICK_SECONDS for state in self._seen)
        self._done = None if fresh else self._seen
        self._renewed = time.time()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Look once."""
        seen = signature(self._files())
        changed = seen != self._done and seen == self._seen
        self._seen = seen
        if changed or self._overdue():
            self._done = seen
            self._renewed = time.time()
            await self._renew()

    def _overdue(self) -> bool:
        now, due = time.time(), self._due()
        # A renewal that is due and does not succeed is tried again, but not at every look.
        return now - self._renewed > AGAIN_SECONDS or (0 < due <= now and now - self._renewed > 60)
