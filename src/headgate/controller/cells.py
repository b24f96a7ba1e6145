"""The cells of shared state of what is served no more: given back, when no worker uses them any longer."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from headgate.core.cells import Block, WorkerWord
from headgate.core.shared import SharedTable
from headgate.shm.names import cells_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.shm.region import Region
    from headgate.spec import Snapshot

LOOK_SECONDS = 30.0
# A worker that is just starting may have been given what was served before, and does not say so yet.
GRACE_SECONDS = 60.0


class Cells:
    """Knows which names are served, and which were. `slots`: how many workers there are."""

    def __init__(self, region: Region, slots: Callable[[], int]) -> None:
        self._region = region
        self._table = SharedTable(region.shared)
        self._slots = slots
        self._most_slots = 0
        self._served: set[str] = set()
        self._left: dict[str, float] = {}  # when what is not served any more was served last

    def expect(self, snapshot: Snapshot) -> None:
        """It may be served from now on, beside what is."""
        names = cells_of(snapshot)
        self._served |= names
        for name in names:
            self._left.pop(name, None)

    def settle(self, snapshot: Snapshot | None) -> None:
        """That, and nothing else, is served now."""
        names = cells_of(snapshot) if snapshot is not None else set()
        now = time.monotonic()
        self._left |= dict.fromkeys(self._served - names, now)
        self._served = names

    def sweep(self, now: float) -> int:
        """Give back what is in no snapshot that a worker uses. Returns how many cells."""
        oldest = self._oldest(now)
        gone = [name for name, left in self._left.items() if left + GRACE_SECONDS < now and left < oldest]
        for name in gone:
            del self._left[name]
        return self._table.give_back(gone)

    async def run(self) -> None:
        """Do so for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._left:
                self.sweep(time.monotonic())

    def _oldest(self, now: float) -> float:
        """When the oldest snapshot was made that a living worker uses and does not serve any more. Workers of
        slots that are needed no more may still be draining.
        """
        self._most_slots = max(self._most_slots, self._slots())
        found = now
        for number in range(self._most_slots):
            block = Block(self._region.slot(number), 0)
            pid = block.read(WorkerWord.WORKER_PID)
            oldest = block.read(WorkerWord.WORKER_OLDEST)
            if oldest and (not pid or _lives(pid)):  # without roles nobody writes a number
                found = min(found, oldest / 1e6)
        return found


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
