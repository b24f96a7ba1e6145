"""The secret of session tickets is changed from time to time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from headgate.shm.tickets import TicketsTorn, last_rotation, rotate_tickets

_LOOK_SECONDS = 60.0


class TicketRotation:
    """Rotates the secrets in the shared memory. `interval` tells how often, in seconds; 0 is never.

    The time of the last rotation stands beside the secrets: a controller that was replaced goes on in time.
    """

    def __init__(self, view: memoryview, interval: Callable[[], float]) -> None:
        self._view = view
        self._interval = interval

    async def run(self) -> None:
        """Rotate until cancelled."""
        while True:
            wait = self.look(time.time())
            await asyncio.sleep(min(_LOOK_SECONDS, wait))

    def look(self, now: float) -> float:
        """Rotate when it is time; returns the seconds until it is the next time, or to look again."""
        interval = self._interval()
        if not interval:
            return _LOOK_SECONDS
        try:
            waited = now - last_rotation(self._view)
        except TicketsTorn:
            waited = interval
        if 0 <= waited < interval:
            return interval - waited
        if waited < 0 and waited > -interval:  # the clock was set back
            return _LOOK_SECONDS
        rotate_tickets(self._view, now)
        return interval
