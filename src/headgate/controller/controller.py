"""The controller: what is written becomes what is served, and how it went can be asked."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from importlib.metadata import version as package_version
from typing import TYPE_CHECKING, Any

from headgate.base.logs import set_level
from headgate.base.process import Identity, become
from headgate.controller.bindings import publication
from headgate.controller.loading import LoadError, Provider, load_snapshot
from headgate.controller.resolver import Resolver, as_compiled, names
from headgate.controller.status import Status
from headgate.ipc import Message, read, seal
from headgate.ipc.asynchronous import LoopChannel
from headgate.shm.region import Region
from headgate.spec import Snapshot, decode, encode
from headgate.spec.endpoints import plain

if TYPE_CHECKING:
    from headgate.controller.admin import Admin


class Controller:
    """One run of the controller. `run` ends when the supervisor says so or is gone."""

    def __init__(self, loop: asyncio.AbstractEventLoop, log: logging.Logger, channel: LoopChannel,
                 provider: Provider, region: Region, level: str) -> None:
        self._loop = loop
        self._log = log
        self._channel = channel
        self._provider = provider
        self._region = region
        self._level = level
        self._resolver = Resolver(log, self._patch)
        self._status = Status()
        self._admin: Admin | None = None
        self._compiled: Snapshot | None = None      # as served, but with names
        self._served: Snapshot | None = None
        self._outcome: asyncio.Future[list[str]] | None = None
        self._reload_wanted = asyncio.Event()
        self._publishing = False

    async def run(self, start: Message, messages: asyncio.Queue[Message | None]) -> None:
        """Begin as `start` says, then do what the messages say."""
        self._status.started = start.body["started"]
        work = self._loop.create_task(self._work(start))
        conversation = self._loop.create_task(self._converse(messages))
        try:
            done, _ = await asyncio.wait([work, conversation], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()       # raises what went wrong
        finally:
            work.cancel()
            conversation.cancel()
            self._resolver.close()
            if self._admin:
                await self._admin.close()

    async def _work(self, start: Message) -> None:
        """Publish first what is there at start, then whatever a reload finds."""
        descriptors = dict(zip(start.body["descriptors"], start.take(), strict=True))
        held = descriptors.pop("snapshot", None)
        if held is not None:
            self._resume(held, start.body["identity"], descriptors)
        elif not await self._first():
            return
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            await self._reload()

    async def _first(self) -> bool:
        """The first snapshot; whether it is served. When not, the supervisor ends everything."""
        try:
            snapshot, warnings = load_snapshot(self._provider, None, 1)
        except LoadError as error:
            self._channel.send("failed", {"problems": error.problems, "code": error.code})
            await self._channel.flush()
            return False
        self._warn(warnings)
        return not await self._publish(snapshot)

    def _resume(self, memory: int, identity: list[Any] | None, admin: dict[str, int]) -> None:
        """Take over from a controller that died: what is served stays, whatever the file says by now."""
        self._served = decode(read(memory))
        os.close(memory)
        self._compiled = as_compiled(self._served)
        self._resolver.seed(self._served)
        self._resolver.watch(names(self._compiled))
        self._serve(admin, identity)
        try:
            snapshot, _ = load_snapshot(self._provider, self._served, self._served.version)
        except LoadError as error:
            self._log.warning("snapshot %d is served on; its configuration has errors now:", self._served.version)
            self._warn(error.problems)
            return
        if snapshot != self._compiled:
            self._log.warning(
                "%s is not what snapshot %d was made from; SIGHUP loads it", self._provider.name, self._served.version
            )

    async def _reload(self) -> None:
        assert self._served
        version = self._served.version + 1
        try:
            snapshot, warnings = await asyncio.to_thread(load_snapshot, self._provider, self._served, version)
        except LoadError as error:
            self._refused(error.problems)
            return
        self._warn(warnings)
        if reasons := await self._publish(snapshot):
            self._refused(reasons)
            return
        self._log.info("%s is loaded: snapshot %d is served by all workers", self._provider.name, version)

    def _refused(self, problems: list[str]) -> None:
        assert self._served
        self._status.refused(problems)
        self._log.error("the configuration is refused, snapshot %d is served on:", self._served.version)
        for problem in problems:
            self._log.error("%s", problem)

    def _warn(self, problems: list[str]) -> None:
        for problem in problems:
            self._log.warning("%s", problem)

    async def _publish(self, compiled: Snapshot) -> list[str]:
        """Hand a snapshot to the supervisor; returns why it is not served, or nothing."""
        unknown = await self._resolver.learn(names(compiled))
        for name in unknown:
            self._log.warning("the name %s has no address yet; its endpoints get no exchanges until it has", name)
        self._publishing = True
        self._outcome = self._loop.create_future()
        resolved = self._resolver.resolve(compiled)
        digest, memory = _sealed(resolved)
        product = f"headgate {package_version('headgate')}"
        self._channel.send("publish", publication(resolved, digest, product, self._provider.name), [memory])
        os.close(memory)
        reasons = await self._outcome
        self._publishing = False
        if not reasons:
            self._compiled, self._served = compiled, resolved
            self._status.accepted()
            if not self._level:
                set_level(self._log, resolved.process.log_level)
        self._resolver.watch(names(self._compiled) if self._compiled else ())
        self._patch()       # names may have changed meanwhile
        return reasons

    def _patch(self) -> None:
        """Names have other addresses: tell the workers, and those to come."""
        if self._compiled is None or self._served is None or self._publishing:
            return
        resolved = self._resolver.resolve(self._compiled)
        changed = {
            new.name: plain(new.endpoints)
            for new, old in zip(resolved.services, self._served.services, strict=True)
            if new.endpoints != old.endpoints
        }
        if changed:
            digest, memory = _sealed(resolved)
            body = {"version": resolved.version, "digest": digest, "services": changed}
            self._channel.send("endpoints", body, [memory])
            os.close(memory)
            self._served = resolved

    async def _converse(self, messages: asyncio.Queue[Message | None]) -> None:
        while (message := await messages.get()) is not None:
            match message.kind:
                case "published":
                    self._published(message)
                case "reload":
                    self._reload_wanted.set()
                case "state":
                    self._know(message.body)
                case "unready":
                    self._status.stopping = True
                case "stop":
                    return
            message.close()

    def _published(self, message: Message) -> None:
        reasons: list[str] = message.body["reasons"]
        if not reasons:
            admin = dict(zip(message.body["descriptors"], message.take(), strict=True))
            self._serve(admin, message.body["identity"])
        if self._outcome and not self._outcome.done():
            self._outcome.set_result(reasons)

    def _know(self, state: dict[str, Any]) -> None:
        for name in ("version", "wanted", "serving", "slots", "worker_restarts", "controller_restarts"):
            setattr(self._status, name, state[name])

    def _serve(self, descriptors: dict[str, int], identity: list[Any] | None) -> None:
        """Answer on the admin sockets, as whoever we are to be."""
        if identity:
            become(Identity(*identity))
        if self._admin is None and descriptors:
            from headgate.controller.admin import Admin, application     # costs time that the first snapshot has not

            self._admin = Admin(self._loop, self._log, application(self._status, self._metrics))
        if self._admin:
            self._admin.serve(descriptors)

    def _metrics(self, openmetrics: bool) -> bytes:
        from headgate.observe.metrics import render

        assert self._served
        roles = self._status.roles() | {"resolver_failures_total": float(self._resolver.failures)}
        return render(self._region, self._served, self._status.slots, openmetrics=openmetrics, roles=roles)


def _sealed(snapshot: Snapshot) -> tuple[str, int]:
    data = encode(snapshot)
    return hashlib.sha256(data).hexdigest(), seal(data, "headgate-snapshot")
