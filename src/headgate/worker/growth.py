"""Whether the process has more memory than it may."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

from headgate.base.process import resident

LOOK_SECONDS = 1.0


class Growth:
    """Looks every second, and tells again and again how much it is while it is above `limit()`; 0 is no
    limit. What garbage collection takes does not count.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, limit: Callable[[], int], tell: Callable[[int], None]
    ) -> None:
        self._loop = loop
        self._limit = limit
        self._tell = tell
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look from now on."""
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def close(self) -> None:
        """Look no more."""
        if self._timer:
            self._timer.cancel()

    def _look(self) -> None:
        self.start()
        limit = self._limit()
        if 0 < limit < resident():
            gc.collect()
            if limit < (size := resident()):
                self._tell(size)
