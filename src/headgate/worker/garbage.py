"""When garbage is collected: while nothing is going on, so that no exchange waits for it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

LOOK_SECONDS = 1.0
LONGEST_SECONDS = 60.0  # a worker that is never idle collects after so long all the same


class Garbage:
    """Takes collection over from the interpreter. `freeze` after each change of what lives long."""

    def __init__(self, loop: asyncio.AbstractEventLoop, busy: Callable[[], bool]) -> None:
        self._loop = loop
        self._busy = busy
        self._last = loop.time()
        self._frozen = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """From now on, nothing is collected but when idle."""
        gc.disable()
        self._look()

    def freeze(self) -> None:
        """Look at what lives now never again, as soon as there is time for it."""
        self._frozen = False

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
        now = self._loop.time()
        if self._busy() and now - self._last < LONGEST_SECONDS:
            return
        if not self._frozen:
            gc.unfreeze()
        gc.collect()
        if not self._frozen:
            gc.freeze()
            self._frozen = True
        self._last = now

    def close(self) -> None:
        """Give collection back to the interpreter."""
        if self._timer:
            self._timer.cancel()
        gc.unfreeze()
        gc.enable()
