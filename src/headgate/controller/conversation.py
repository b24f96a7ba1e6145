"""The controller's side of the conversation with the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from headgate.base.process import Identity, become
from headgate.base.version import VERSION
from headgate.controller import LATER
from headgate.controller.bindings import publication
from headgate.controller.controller import Controller, PublishError
from headgate.controller.loading import LoadError, Provider, load_snapshot
from headgate.controller.questions import Questions
from headgate.ipc import Message, read, seal
from headgate.ipc.asynchronous import LoopChannel
from headgate.shm.region import Region
from headgate.spec import Endpoint, Snapshot, decode, encode
from headgate.spec.endpoints import plain


class Conversation:
    """Has a controller do what the supervisor says, and carries its snapshots there."""

    def __init__(self, log: logging.Logger, channel: LoopChannel, start: Message) -> None:
        self._channel = channel
        self._outcome: asyncio.Future[list[str]] | None = None
        self._reload_wanted = asyncio.Event()
        self._fleet_known = asyncio.Event()
        self._questions = Questions(channel.send)
        self._descriptors = _named(start)
        self._identity: list[Any] | None = start.body["identity"]
        memory = self._descriptors.pop("memory")
        region = Region(memory)
        os.close(memory)
        self._provider = Provider(start.body["config"], self._text(), start.body["workers"])
        self._controller = Controller(
            log,
            self,
            partial(load_snapshot, self._provider),
            self._provider.name,
            region,
            start.body["level"],
        )
        self._controller.status.started = start.body["started"]

    def _text(self) -> bytes | None:
        fd = self._descriptors.pop("text", None)
        if fd is None:
            return None
        try:
            return read(fd)
        finally:
            os.close(fd)

    async def run(self) -> None:
        """Return when the supervisor says so or is gone."""
        tasks = [asyncio.ensure_future(self._work()), asyncio.ensure_future(self._converse())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # raises what went wrong
        finally:
            for task in tasks:
                task.cancel()
            await self._controller.close()

    async def _work(self) -> None:
        """Publish what is there at start, then whatever each reload finds."""
        held = self._descriptors.pop("snapshot", None)
        if held is None:
            if not await self._first():
                return
        else:
            snapshot = decode(read(held))
            os.close(held)
            await self._fleet_known.wait()  # what counters are read from
            self._serve_admin(self._descriptors, self._identity)
            self._controller.resume(snapshot)
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            with contextlib.suppress(LoadError, PublishError):  # it is in the log and in /readyz
                await self._controller.reload()

    async def _first(self) -> bool:
        """Whether the first snapshot is served; when not, the supervisor ends everything."""
        try:
            await self._controller.start()
        except LoadError as error:
            self._channel.send("failed", {"problems": error.problems, "code": error.code})
            return False
        except PublishError:
            return False
        return True

    async def publish(self, snapshot: Snapshot) -> None:
        """Hand it to the supervisor, and wait for the outcome. Raises PublishError."""
        self._outcome = asyncio.get_running_loop().create_future()
        digest, memory = _sealed(snapshot)
        product = f"headgate {VERSION}"
        self._channel.send("publish", publication(snapshot, digest, product, self._provider.name), [memory])
        os.close(memory)
        if reasons := await self._outcome:
            raise PublishError(reasons)

    def replace(self, snapshot: Snapshot, services: Mapping[str, tuple[Endpoint, ...]]) -> None:
        """Hand new endpoints to the workers, and the bytes with them in it to workers to come."""
        digest, memory = _sealed(snapshot)
        body = {
            "version": snapshot.version,
            "digest": digest,
            "services": {name: plain(endpoints) for name, endpoints in services.items()},
        }
        self._channel.send("endpoints", body, [memory])
        os.close(memory)

    async def ask(self, what: str, of: str) -> list[Any]:
        """The answers of all workers that give one soon."""
        return await self._questions.ask(what, of)

    async def _converse(self) -> None:
        while (message := await self._channel.receive()) is not None:
            match message.kind:
                case "published":
                    self._published(message)
                case "asked":
                    self._questions.asked(message.body["number"], message.body["workers"])
                case "answer":
                    self._questions.answered(message.body["number"], message.body["answer"])
                case "reload":
                    self._reload_wanted.set()
                case "state":
                    self._controller.status.know(message.body)
                    self._fleet_known.set()
                case "unready":
                    self._controller.status.stopping = True
                case "stop":
                    return
            message.close()

    def _published(self, message: Message) -> None:
        reasons: list[str] = message.body["reasons"]
        if not reasons:
            self._serve_admin(_named(message), message.body["identity"])
        if self._outcome and not self._outcome.done():
            self._outcome.set_result(reasons)

    def _serve_admin(self, descriptors: dict[str, int], identity: list[Any] | None) -> None:
        """Answer on the admin sockets, then become whoever we are to be: the order lets code be loaded."""
        self._controller.serve_admin(descriptors)
        if identity:
            become(Identity(*identity), LATER)


def _named(message: Message) -> dict[str, int]:
    return dict(zip(message.body["descriptors"], message.take(), strict=True))


def _sealed(snapshot: Snapshot) -> tuple[str, int]:
    data = encode(snapshot)
    return hashlib.sha256(data).hexdigest(), seal(data, "headgate-snapshot")
