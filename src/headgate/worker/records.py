"""The sink of access records, kept as long as its settings stay the same."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headgate.spec import AccessLog

if TYPE_CHECKING:
    from headgate.observe.sinks import Sink


class RecordsError(Exception):
    """Access records cannot be written where they should go; the text says why."""


class Records:
    """Opens a sink aside with `prepare`, and uses it with `commit`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._settings: AccessLog | None = None
        self._next: AccessLog | None = None
        self._opened: Sink | None = None
        self.sink: Sink | None = None

    def prepare(self, settings: AccessLog | None) -> None:
        """Open what `settings` ask for. Raises RecordsError when it cannot be opened."""
        self.abandon()
        self._next = settings
        if settings is not None and not self._same(settings):
            from headgate.observe.sinks import SinkError, open_sink  # without an access log, no thread

            try:
                self._opened = open_sink(settings)
            except SinkError as error:
                raise RecordsError(str(error)) from None

    def _same(self, settings: AccessLog) -> bool:
        """The format may change without a new sink; where records go may not."""
        old = self._settings
        return old is not None and (old.path, old.queue_bytes) == (settings.path, settings.queue_bytes)

    def commit(self) -> Sink | None:
        """Use what was prepared; the old sink finishes aside. Returns the one in use."""
        old = self.sink
        if self._next is None:
            self.sink = None
        elif self._opened:
            self.sink = self._opened
        self._settings, self._opened = self._next, None
        if old and old is not self.sink:
            self._loop.run_in_executor(None, old.close)
        return self.sink

    def abandon(self) -> None:
        """Close what was prepared and not used."""
        if self._opened:
            self._loop.run_in_executor(None, self._opened.close)
            self._opened = None

    def reopen(self) -> None:
        """The file was moved away."""
        if self.sink:
            self.sink.reopen()

    async def close(self) -> None:
        """Write what is queued, within a limit, and close."""
        self.abandon()
        if self.sink:
            await self._loop.run_in_executor(None, self.sink.close)
            self.sink = None
