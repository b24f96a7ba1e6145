"""buffer."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from headgate.middleware import BodyTooLarge, Exchange, Middleware, Reply, StateKey, option
from headgate.middleware.options import File, Size
from headgate.middleware.spool import Spool


@dataclass(frozen=True, slots=True)
class Store:
    """How much waits, and where."""

    memory: Size = option("Bytes of one body that wait in memory.", 256 << 10)
    disk: Size = option("Bytes of one body that wait in a file, when memory does not hold them.", 64 << 20)


class Buffer(Middleware):
    """Read bodies ahead, so that slow clients do not keep services busy: to memory, and then to disk."""

    @dataclass(frozen=True, slots=True)
    class Options:
        request: Store | None = option(
            "Read the whole request before the service gets it; more than fits is 413.", None, example={}
        )
        response: Store | None = option(
            "Read the response as fast as the service sends it; when nothing more fits, it has to wait.",
            None,
            example={"disk": "1GiB"},
        )
        folder: File | None = option(
            "Where the files are, which have no names. Without it the system's.", None
        )

    # Of how long a client may take there are limits already: `timeouts.body_idle` and `limits.minimum_rate`.
    wait_seconds: ClassVar[float] = 24 * 3600.0
    counters: ClassVar[Mapping[str, str]] = {
        "requests_buffered": "Requests that were read before they were sent on.",
        "requests_on_disk": "Requests of which a part was on disk.",
        "requests_too_large": "Requests that did not fit.",
        "responses_on_disk": "Responses of which a part was on disk.",
        "disk_failed": "Bodies that could not be written to disk.",
    }

    def prepare(self) -> None:
        """Raises ValueError when there is nothing to do, or no folder."""
        options = self.options
        if options.request is None and options.response is None:
            raise ValueError("it buffers nothing: write `request: {}`, `response: {}` or both")
        if options.folder is not None and not Path(options.folder).is_dir():
            raise ValueError(f"{options.folder} is no folder: make it, or name another as `folder`")
        self._of_request = StateKey[Spool](f"buffer {self.name} request")
        self._of_response = StateKey[Spool](f"buffer {self.name} response")

    def _spool(self, store: Store) -> Spool:
        return Spool(store.memory, store.disk, self.options.folder, self.worker.in_thread)

    def on_request(self, exchange: Exchange) -> Reply | Awaitable[Reply | None] | None:
        """Read the body, unless there is none."""
        store = self.options.request
        if store is None or not exchange.request.has_body:
            return None
        if (exchange.request.content_length or 0) > store.memory + store.disk:
            self.worker.count("requests_too_large")
            return Reply(413, f"A request may have {store.memory + store.disk} bytes here.\n")
        return self._read(exchange, store)

    async def _read(self, exchange: Exchange, store: Store) -> Reply | None:
        spool = exchange.state[self._of_request] = self._spool(store)
        most = store.memory + store.disk
        while piece := await exchange.request.piece():
            spool.put(piece)
            if spool.size > most:
                self.worker.count("requests_too_large")
                raise BodyTooLarge(f"the request's body has more than {most} bytes")
            if spool.crowded:
                await spool.settle()
            if spool.crowded and spool.error is not None:
                return self._failed(spool)
        self.worker.count("requests_buffered")
        if spool.on_disk:
            self.worker.count("requests_on_disk")
            exchange.request.send_body(spool.get, spool.size)
        else:
            parts = []
            while part := await spool.get():
                parts.append(part)
            exchange.request.replace_body(b"".join(parts))
        return None

    def _failed(self, spool: Spool) -> Reply:
        self.worker.count("disk_failed")
        self.worker.log("a body cannot be written to disk: %s", spool.error, level=40)
        return Reply(503, "There is no room for this request at the moment. Try again later.\n")

    def on_response(self, exchange: Exchange) -> None:
        """Read ahead."""
        store = self.options.response
        if store is not None and exchange.response.has_body and not exchange.response.own:
            spool = exchange.state[self._of_response] = self._spool(store)
            exchange.response.read_ahead(spool)

    def on_done(self, exchange: Exchange) -> None:
        """Let go of the files."""
        spool = exchange.state.get(self._of_request, None)
        if spool is not None:
            spool.close()
        spool = exchange.state.get(self._of_response, None)
        if spool is not None:
            if spool.used_disk:
                self.worker.count("responses_on_disk")
            if spool.error is not None:
                self.worker.count("disk_failed")
                self.worker.log("a body cannot be written to disk: %s", spool.error, level=40)
            spool.close()
