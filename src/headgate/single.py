"""All roles in one process: `--single`, `Gateway.run()`, and tests.

The same pieces as in the three roles, without the channels between them: there is one worker's worth of
sockets, a snapshot is built and swapped in on the spot, and what would survive a dead process does not.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Self

from headgate import controller, worker
from headgate.base.errors import Refusal
from headgate.base.logs import open_log
from headgate.base.process import become, find_identity, raise_open_files, set_title
from headgate.base.version import VERSION
from headgate.controller.bindings import publication
from headgate.controller.controller import Controller, Load, PublishError
from headgate.controller.loading import LoadError, Provider, load_snapshot
from headgate.shm import region
from headgate.spec import Endpoint, Snapshot
from headgate.supervisor import Options
from headgate.supervisor.banner import banner
from headgate.supervisor.sockets import SHARED, BindError, Binding, Sockets, Table
from headgate.worker.garbage import Garbage
from headgate.worker.listening import Held, Served
from headgate.worker.serving import Serving

SLOT = 0
ENVIRONMENT = 2  # exit code


class SingleGateway:
    """A whole gateway inside the running event loop, from `start` to `stop` or in an `async with` block.

    `load` gives the snapshot to serve from the one before (None at first) and the new version;
    `provider` is how messages call where it comes from.
    """

    def __init__(
        self,
        load: Load,
        provider: str = "the configuration",
        *,
        log: logging.Logger | None = None,
        level: str = "",
    ) -> None:
        self._load = load
        self._provider = provider
        self._log = log or logging.getLogger("headgate")
        self._level = level
        self._sockets = Sockets()
        self._serving: Serving
        self._controller: Controller
        self._memory = -1

    @property
    def addresses(self) -> dict[str, str]:
        """Where each listener listens, by name: `127.0.0.1:41033`, `[::1]:8080`, `unix:/run/web.sock`."""
        return {
            bound.binding.name: bound.address
            for bound in self._sockets.table.values()
            if not bound.binding.admin
        }

    @property
    def schemes(self) -> dict[str, str]:
        """How each listener is called, by name: `http` or `https`."""
        return {bound.binding.name: bound.binding.scheme for bound in self._sockets.table.values()}

    @property
    def bound(self) -> Table:
        """All sockets, those of the admin address too."""
        return self._sockets.table

    @property
    def admin_addresses(self) -> list[str]:
        """Where the admin address listens."""
        return [bound.address for bound in self._sockets.table.values() if bound.binding.admin]

    @property
    def snapshot(self) -> Snapshot:
        """What is served."""
        served = self._serving.snapshot
        assert served is not None, "nothing is served before start"
        return served

    @property
    def active(self) -> int:
        """Exchanges and tunnels that run."""
        return self._serving.active

    async def start(self) -> None:
        """Listen and serve. Raises LoadError or PublishError, with nothing left open."""
        self._memory = region.create()
        memory = region.Region(self._memory)
        self._serving = Serving(asyncio.get_running_loop(), self._log, memory, SLOT)
        self._controller = Controller(self._log, self, self._load, self._provider, memory, self._level)
        try:
            await self._controller.start()
        except BaseException:
            await self._close()
            raise

    async def reload(self, load: Load | None = None) -> None:
        """Load again and serve it, from now on with `load` if given.

        Raises LoadError or PublishError; what was served before is served on.
        """
        await self._controller.reload(load)

    async def publish(self, snapshot: Snapshot) -> None:
        """Bind, build and swap in. Raises PublishError with nothing changed."""
        bindings = [Binding.of(fields) for fields in publication(snapshot, "", "", "")["bindings"]]
        try:
            change = self._sockets.prepare(bindings, 1)
        except BindError as error:
            raise PublishError(error.reasons, ENVIRONMENT) from None
        reason = self._serving.prepare(snapshot)
        if reason:
            self._sockets.abandon(change)
            raise PublishError([reason])
        try:
            self._drop_privileges(snapshot)
        except Refusal as refusal:
            self._serving.abandon()
            self._sockets.abandon(change)
            raise PublishError([f"process.user, process.group: {refusal.reason}"], ENVIRONMENT) from None
        known = set(self._sockets.table)
        gone = self._sockets.commit(change)
        served = {
            key: Served(bound.binding.name, bound.binding.backlog)
            for key, bound in self._sockets.table.items()
            if not bound.binding.admin
        }
        self._serving.commit(served, self._duplicates(served.keys() - known))
        self._sockets.close(gone)
        self._controller.serve_admin(
            {
                bound.address: os.dup(bound.sockets[SHARED].fileno())
                for bound in self._sockets.table.values()
                if bound.binding.admin
            }
        )
        self._controller.status.know(
            {
                "version": snapshot.version,
                "wanted": 1,
                "serving": 1,
                "slots": 1,
                "worker_restarts": 0,
                "controller_restarts": 0,
            }
        )

    def _duplicates(self, keys: Iterable[str]) -> dict[Held, int]:
        return {
            (slot, key): os.dup(sock.fileno())
            for key in keys
            for slot, sock in self._sockets.table[key].sockets.items()
        }

    @staticmethod
    def _drop_privileges(snapshot: Snapshot) -> None:
        identity = find_identity(snapshot.process.user, snapshot.process.group)
        if identity:
            become(identity, (*controller.LATER, *worker.LATER))

    def replace(self, snapshot: Snapshot, services: Mapping[str, tuple[Endpoint, ...]]) -> None:
        """Endpoints have other addresses."""
        del snapshot  # there is no worker to come that would need it
        self._serving.replace(services)

    async def ask(self, what: str, of: str) -> list[Any]:
        """What the one worker knows about something."""
        return [self._serving.answer(what, of)]

    def unready(self) -> None:
        """Have readiness fail."""
        self._controller.status.stopping = True
        self._serving.unready()

    def reopen(self) -> None:
        """The file of the access log was moved away."""
        self._serving.reopen()

    async def drain(self, limit: float | None = None) -> None:
        """Stop listening and finish what runs, within `limit` seconds; None takes process.drain_timeout."""
        self.unready()
        limit = self.snapshot.process.drain_timeout if limit is None else limit
        await self._serving.leave(limit, self._sockets.close_all)

    async def stop(self, limit: float | None = 0.0) -> None:
        """Drain, within `limit` seconds, and close everything."""
        await self.drain(limit)
        await self._close()

    async def _close(self) -> None:
        await self._serving.close()
        await self._controller.close()
        self._sockets.close_all()
        os.close(self._memory)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def main(options: Options) -> int:
    """Run in the foreground until told to stop; returns the exit code, as `headgate.supervisor.main` does."""
    import uvloop

    raise_open_files()
    set_title("headgate")
    log = open_log("headgate", options.log or "")
    provider = Provider(options.config, options.config_text, 1)
    gateway = SingleGateway(partial(load_snapshot, provider), provider.name, log=log, level=options.log or "")
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(_Run(loop, gateway, provider.name).run())
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


class _Run:
    """One run of `headgate run --single`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, gateway: SingleGateway, provider: str) -> None:
        self._loop = loop
        self._gateway = gateway
        self._provider = provider
        self._asked = asyncio.Event()  # to stop
        self._at_once = asyncio.Event()
        self._reload_wanted = asyncio.Event()
        self._started = False

    async def run(self) -> int:
        on_signals: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGTERM: self._ask,
            signal.SIGINT: self._ask,
            signal.SIGHUP: self._reload_wanted.set,
            signal.SIGUSR1: self._reopen,
        }
        for number, callback in on_signals.items():
            self._loop.add_signal_handler(number, callback)
        try:
            await self._gateway.start()
        except (LoadError, PublishError) as error:
            sys.stderr.write(f"{error}\n")
            return error.code
        self._started = True
        garbage = Garbage(self._loop, lambda: self._gateway.active > 0)
        garbage.start()
        self._announce()
        reloading = asyncio.ensure_future(self._reload())
        try:
            await self._asked.wait()
            await self._leave()
        finally:
            reloading.cancel()
            garbage.close()
        return 0

    def _ask(self) -> None:
        (self._at_once if self._asked.is_set() else self._asked).set()

    def _reopen(self) -> None:
        if self._started:
            self._gateway.reopen()

    async def _reload(self) -> None:
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            with suppress(LoadError, PublishError):  # it is in the log and in /readyz
                await self._gateway.reload()

    async def _leave(self) -> None:
        """Readiness fails, then everything drains; a second signal cuts both short."""
        self._gateway.unready()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._at_once.wait(), self._gateway.snapshot.process.pre_stop_delay)
        draining = asyncio.ensure_future(self._gateway.drain())
        at_once = asyncio.ensure_future(self._at_once.wait())
        await asyncio.wait([draining, at_once], return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, at_once):
            task.cancel()
        await self._gateway.stop()

    def _announce(self) -> None:
        text = banner(f"headgate {VERSION}", self._provider, 1, self._gateway.bound)
        with suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()
