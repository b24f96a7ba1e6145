"""maintenance."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from headgate.core.addresses import address_bytes, address_ranges
from headgate.middleware import Exchange, Middleware, Reply, Worker, option
from headgate.middleware.builtin.pages import HTML, JSON, Page, asks_for_json, page_of, pages_of
from headgate.middleware.files import LOOK_SECONDS, WatchedFiles
from headgate.middleware.options import Duration, File, Ranges


class Maintenance(Middleware):
    """Answer 503 while something is mended: while `enabled` is on, or a file exists."""

    @dataclass(frozen=True, slots=True)
    class Options:
        enabled: bool = option("Whether it is on.", False)
        file: File | None = option(
            "It is on while this file exists, too, whatever is in it.",
            None,
            example="/run/headgate/maintenance",
        )
        allow: Ranges = option("Clients for whom all is as usual.", (), example=["10.0.0.0/8"])
        retry_after: Duration = option("When clients shall ask again; goes into Retry-After.", 300.0)
        message: str = option(
            "What is said where there is no page.", "This service is being mended. Please come back later."
        )
        page: File | None = option("A file with a page of HTML; read again when it changes.", None)

    counters: ClassVar = {"refused": "Requests that were answered with 503."}

    def prepare(self) -> None:
        options = self.options
        self._allowed = address_ranges(options.allow)
        self._switch = Presence(self.worker, options.file)
        self._pages = WatchedFiles(self.worker, [options.page] if options.page else [], self._made)
        self._json = (
            json.dumps({"status": 503, "title": "Service Unavailable", "detail": options.message}) + "\n"
        )
        self._fields = [("Retry-After", str(round(options.retry_after))), ("Cache-Control", "no-store")]

    def _made(self, contents: dict[str, bytes]) -> Page | None:
        return page_of(pages_of(contents)[self.options.page], HTML) if self.options.page else None

    async def close(self) -> None:
        self._switch.close()
        self._pages.close()

    def on_request(self, exchange: Exchange) -> Reply | Awaitable[Reply | None] | None:
        looking = self._switch.look() or self._pages.look()
        return self._answer(exchange) if looking is None else self._later(exchange, looking)

    async def _later(self, exchange: Exchange, looking: Awaitable[None]) -> Reply | None:
        await looking
        return self._answer(exchange)

    def _answer(self, exchange: Exchange) -> Reply | None:
        if not self.options.enabled and not self._switch.there:
            return None
        if self._allowed and self._allows(exchange.client):
            return None
        return self._reply(exchange)

    def _reply(self, exchange: Exchange) -> Reply:
        self.worker.count("refused")
        page = self._pages.value
        if exchange.grpc:
            return Reply(503, self.options.message, self._fields)
        if asks_for_json(exchange):
            return Reply(503, self._json, [("Content-Type", JSON), *self._fields])
        if page is None:
            return Reply(503, f"{self.options.message}\n", self._fields)
        return Reply(503, page.body(exchange), [("Content-Type", page.content_type), *self._fields])

    def _allows(self, client: str) -> bool:
        try:
            number = int.from_bytes(address_bytes(client), "big")
        except ValueError:  # it came over a socket of this machine
            return False
        return any(first <= number <= last for first, last in self._allowed)


class Presence:
    """Whether a file is there: looked for once a second, in a thread, by whoever asks then."""

    def __init__(self, worker: Worker, path: str | None) -> None:
        self._worker = worker
        self._path = Path(path) if path is not None else None
        self._due = worker.now() + LOOK_SECONDS if path is not None else float("inf")
        self._task: asyncio.Task[None] | None = None
        self.there = self._path is not None and self._path.exists()

    def look(self) -> Awaitable[None] | None:
        """Something to await when nobody looked for long, and what was known is of the past."""
        now = self._worker.now()
        if now < self._due:
            return None
        late = now >= self._due + LOOK_SECONDS
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._renew())
        return asyncio.shield(self._task) if late else None

    def close(self) -> None:
        """Look no more."""
        self._due = float("inf")
        if self._task is not None:
            self._task.cancel()

    async def _renew(self) -> None:
        assert self._path is not None
        try:
            there = await self._worker.in_thread(self._path.exists)
            if there != self.there:
                self._worker.log(
                    "%s %s", self._path, "is there: maintenance begins" if there else "is gone: it ends"
                )
            self.there = there
        except OSError as error:
            self._worker.log("%s", error, level=30)
        finally:
            self._due = self._worker.now() + LOOK_SECONDS
            self._task = None
