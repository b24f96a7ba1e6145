"""The controller: what is written becomes what is served, and how it went can be asked.

It knows nothing of processes: a Publisher carries snapshots to whoever serves them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from headgate.base.logs import set_level
from headgate.config.problems import dotted
from headgate.controller.loading import LoadError, uses_files
from headgate.controller.modules import ModuleWatch
from headgate.controller.probes.probes import Probes
from headgate.controller.resolver import Resolver, as_compiled, names
from headgate.controller.rotation import Fleet
from headgate.controller.status import Status
from headgate.controller.tickets import TicketRotation
from headgate.shm.region import Region
from headgate.spec import Endpoint, Snapshot

if TYPE_CHECKING:
    from headgate.controller.admin import Admin
    from headgate.controller.certificates.watching import Watch

# From the snapshot before (None at start) and the new version to a snapshot and warnings; raises LoadError.
Load = Callable[[Snapshot | None, int], tuple[Snapshot, list[str]]]


class PublishError(Exception):
    """Those who serve refuse a snapshot, and serve on what they had."""

    def __init__(self, reasons: list[str], code: int = 1) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = reasons
        self.code = code


class Publisher(Protocol):
    """The way to those who serve."""

    async def publish(self, snapshot: Snapshot) -> None:
        """Returns when all serve it. Raises PublishError when it changed nothing."""

    def replace(self, snapshot: Snapshot, services: Mapping[str, tuple[Endpoint, ...]]) -> None:
        """Endpoints have other addresses: `services` are those that changed, `snapshot` has them in it."""


class Controller:
    """Loads, publishes and watches names. `provider` is how people call where the configuration is from."""

    def __init__(
        self,
        log: logging.Logger,
        publisher: Publisher,
        load: Load,
        provider: str,
        region: Region,
        level: str = "",
    ) -> None:
        """`level` of the log, if not empty, is kept whatever a configuration says."""
        self._log = log
        self._publisher = publisher
        self._load = load
        self._provider = provider
        self._region = region
        self._level = level
        self._resolver = Resolver(log, self._patch)
        self._fleet = Fleet(region.shared)
        self._probes = Probes(log, self._fleet)
        self._admin: Admin | None = None
        self._compiled: Snapshot | None = None  # as served, but with names
        self._publishing = False
        self._changing = asyncio.Lock()  # one new snapshot at a time
        self._tickets = TicketRotation(region.tickets, self._ticket_interval)
        self._watch: Watch | None = None
        self._findings: list[str] = []  # of the last look at certificates
        self._tasks: list[asyncio.Task[None]] = []
        self.served: Snapshot | None = None
        self.status = Status()

    async def start(self) -> None:
        """Load and publish the first snapshot. Raises LoadError or PublishError."""
        read = time.time()
        snapshot, warnings = self._load(None, 1)
        self._warn(warnings)
        await self._publish(snapshot)
        self.status.accepted()
        self._begin()
        self._watch_files(read)

    def _begin(self) -> None:
        """What goes on for as long as there is something served."""
        self._keep(self._tickets.run())
        self._keep(ModuleWatch(lambda: self._compiled, self._reload_modules).run())

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done until the end; that it ends before is an error."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()):
                self._log.error("the controller does one thing less from here on: %r", error, exc_info=error)

        task = asyncio.ensure_future(work)
        task.add_done_callback(ended)
        self._tasks.append(task)

    def _ticket_interval(self) -> float:
        return self.served.process.ticket_rotation if self.served is not None else 0.0

    def resume(self, served: Snapshot) -> None:
        """Take over from a controller that died. What is served stays, whatever the provider says by now."""
        self.served = served
        self._compiled = as_compiled(served)
        self._resolver.seed(served)
        self._resolver.watch(names(self._compiled))
        self._probes.settle(served)
        self._begin()
        self._watch_files(0.0)
        try:
            snapshot, _ = self._load(served, served.version)
        except LoadError as error:
            self._log.warning("snapshot %d is served on; its configuration has errors now:", served.version)
            self._warn(error.problems)
            return
        if snapshot != self._compiled:
            self._log.warning(
                "%s is not what snapshot %d was made from; SIGHUP loads it", self._provider, served.version
            )

    async def reload(self, load: Load | None = None) -> None:
        """Load again and publish, from now on with `load` if given.

        Raises LoadError or PublishError; what was served before is served on.
        """
        async with self._changing:
            assert self.served
            version = self.served.version + 1
            read = time.time()
            try:
                snapshot, warnings = await asyncio.to_thread(load or self._load, self.served, version)
                self._warn(warnings)
                await self._publish(snapshot)
            except LoadError as error:
                self._refused(error.problems)
                raise
            except PublishError as error:
                self._refused(error.reasons)
                raise
            self._load = load or self._load
            self.status.accepted()
            self._watch_files(read)
        self._log.info("%s is loaded: snapshot %d is served by all workers", self._provider, version)

    async def _reload_modules(self) -> None:
        self._log.info("modules of middlewares were written")
        with suppress(LoadError, PublishError):  # which are in the log, and in the status
            await self.reload()

    def _watch_files(self, read: float) -> None:
        """Look after the files that the compiled snapshot names; `read`: when reading them began."""
        if self._compiled is None or not uses_files(self._compiled):
            return
        if self._watch is None:
            from headgate.controller.certificates import furnishing, watching

            def files() -> list[str]:
                return furnishing.files(self._compiled) if self._compiled is not None else []

            def due() -> float:
                return furnishing.next_renewal(self._compiled) if self._compiled is not None else 0.0

            self._watch = watching.Watch(files, due, self._renew)
            self._keep(self._watch.run())
        self._watch.settle(read)

    async def _renew(self) -> None:
        """Read certificates again, and publish those that changed. What is broken is served on as it was."""
        from headgate.controller.certificates.furnishing import furnish

        async with self._changing:
            assert self.served
            assert self._compiled
            furnished = await asyncio.to_thread(furnish, self._compiled, self.served)
            findings = [
                f"{dotted(each.path)}: {each.message}" + (f" ({each.hint})" if each.hint else "")
                for each in furnished.findings
            ]
            if findings != self._findings:
                self._warn(findings)
                self._findings = findings
            if furnished.snapshot == self._compiled:
                return
            version = self.served.version + 1
            try:
                await self._publish(msgspec.structs.replace(furnished.snapshot, version=version))
            except PublishError as error:
                self._log.error("certificates changed, and are refused; those from before are served on:")
                self._warn(error.reasons)
                return
        self._log.info("certificates changed: snapshot %d is served by all workers", version)

    def _refused(self, problems: list[str]) -> None:
        self.status.refused(problems)
        served = self.served.version if self.served else 0
        self._log.error("the configuration is refused, snapshot %d is served on:", served)
        for problem in problems:
            self._log.error("%s", problem)

    def _warn(self, problems: list[str]) -> None:
        for problem in problems:
            self._log.warning("%s", problem)

    async def _publish(self, compiled: Snapshot) -> None:
        for name in await self._resolver.learn(names(compiled)):
            self._log.warning(
                "the name %s has no address yet; its endpoints get no exchanges until it has", name
            )
        resolved = self._resolver.resolve(compiled)
        self._publishing = True
        self._fleet.welcome(self.served, resolved)
        try:
            await self._publisher.publish(resolved)
            self._compiled, self.served = compiled, resolved
        finally:
            self._publishing = False
            self._resolver.watch(names(self._compiled) if self._compiled is not None else ())
            self._patch()  # for what changed meanwhile
        self._probes.settle(self.served)
        if not self._level:
            set_level(self._log, resolved.process.log_level)

    def _patch(self) -> None:
        """Names have other addresses: tell those who serve."""
        if self._compiled is None or self.served is None or self._publishing:
            return
        resolved = self._resolver.resolve(self._compiled)
        changed = {
            new.name: new.endpoints
            for new, old in zip(resolved.services, self.served.services, strict=True)
            if new.endpoints != old.endpoints
        }
        if changed:
            self._fleet.welcome(self.served, resolved)
            self.served = resolved
            self._probes.settle(resolved)
            self._publisher.replace(resolved, changed)

    def serve_admin(self, descriptors: Mapping[str, int]) -> None:
        """Answer on these listening sockets, by address, and on no others. They are taken over."""
        if self._admin is None and descriptors:
            from headgate.controller.admin import Admin, application  # time that the first snapshot has not
            from headgate.controller.api.services import Services
            from headgate.controller.api.splits import Splits
            from headgate.observe.metrics import render

            def metrics(openmetrics: bool) -> bytes:
                assert self.served
                roles = self.status.roles() | {"resolver_failures_total": float(self._resolver.failures)}
                return render(
                    self._region, self.served, self.status.slots, openmetrics=openmetrics, roles=roles
                )

            def served() -> Snapshot:
                assert self.served
                return self.served

            def slots() -> list[memoryview]:
                return [self._region.slot(number) for number in range(self.status.slots)]

            services = Services(self._log, self._fleet, served, slots)
            splits = Splits(self._log, self._region, served)
            routes = [*services.routes(), *splits.routes()]
            self._admin = Admin(self._log, application(self.status, metrics, routes))
        if self._admin:
            self._admin.serve(descriptors)

    async def close(self) -> None:
        """Stop watching and answering."""
        self._resolver.close()
        await self._probes.close()
        for task in self._tasks:
            task.cancel()
        if self._admin:
            await self._admin.close()
