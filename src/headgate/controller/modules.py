"""In development, code of middlewares is taken up when it is saved."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headgate.middleware.resolution import edition_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headgate.spec import Snapshot

POLL_SECONDS = 0.3


class ModuleWatch:
    """Calls `reload` when files of the snapshot that `compiled` gives were written, and then stayed the same
    for one look: editors write more than once.
    """

    def __init__(
        self, compiled: Callable[[], Snapshot | None], reload: Callable[[], Awaitable[None]]
    ) -> None:
        self._compiled = compiled
        self._reload = reload
        self._seen: dict[str, str] = {}
        self._done: dict[str, str] = {}  # editions that were loaded, or refused

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Look once."""
        snapshot = self._compiled()
        watched = [each for each in snapshot.middlewares if each.files] if snapshot is not None else []
        served = {each.name: each.edition for each in watched}
        seen = {each.name: edition_of(each.files) for each in watched}
        stable = seen == self._seen
        self._seen = seen
        if stable and seen not in (served, self._done):
            self._done = seen
            await self._reload()
