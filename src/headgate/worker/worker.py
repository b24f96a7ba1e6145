"""A worker's side of the conversation with the supervisor."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
from typing import Any

from headgate.base.logs import set_level
from headgate.base.process import Identity, become, set_title
from headgate.core.cells import Block, WorkerWord
from headgate.ipc import Message, read
from headgate.ipc.asynchronous import LoopChannel
from headgate.proxy.runtime import Plan, Runtime, SnapshotRefused
from headgate.shm.region import Region, written_blocks
from headgate.spec import Snapshot, SnapshotError, decode
from headgate.spec.endpoints import endpoints
from headgate.worker.garbage import Garbage
from headgate.worker.listening import Held, Listening, Served
from headgate.worker.records import Records

LOOK_SECONDS = 0.02     # how often a draining worker looks whether it is done


class Prepared:
    """A snapshot built aside, and the sockets that came with it."""

    def __init__(self, message: Message) -> None:
        self.number: int = message.body["number"]
        self.digest: str = message.body["digest"]
        self.served = {
            binding["key"]: Served(binding["listener"], binding["backlog"])
            for binding in message.body["bindings"]
        }
        self.memory, *sockets = message.take()
        self.sockets = _held(message.body["sockets"], sockets)
        self.snapshot: Snapshot
        self.plan: Plan

    def load(self) -> Snapshot:
        """The snapshot. Raises SnapshotError when the bytes are not what the controller sent."""
        data = read(self.memory)
        if hashlib.sha256(data).hexdigest() != self.digest:
            raise SnapshotError("the bytes do not have the digest that they came with")
        return decode(data)

    def close(self) -> None:
        """Close the descriptors that were not handed on."""
        os.close(self.memory)
        for fd in self.sockets.values():
            os.close(fd)


def _held(names: list[list[Any]], fds: list[int]) -> dict[Held, int]:
    return {(slot, key): fd for (slot, key), fd in zip(names, fds, strict=True)}


class Worker:
    """Serves snapshots until it is told to stop or the supervisor is gone. `run` returns the exit code."""

    def __init__(self, loop: asyncio.AbstractEventLoop, log: logging.Logger, region: Region, region_fd: int,
                 slot: int, level: str) -> None:
        self._loop = loop
        self._log = log
        self._level = level
        self._channel: LoopChannel
        memory = region.slot(slot)
        for number in written_blocks(region_fd, slot):
            Block(memory, number).clear_gauges()
        self._cells = Block(memory, 0)
        self._cells.write(WorkerWord.WORKER_PID, os.getpid())
        self._cells.write(WorkerWord.WORKER_STARTED, int(time.time()))
        self._runtime = Runtime(loop, memory, worker=slot, log=log)
        self._listening = Listening(loop, self._runtime.protocol)
        self._records = Records(loop)
        self._garbage = Garbage(loop, lambda: self._runtime.active > 0)
        self._prepared: Prepared | None = None
        self._held_back: list[dict[str, Any]] = []
        self._snapshot: Snapshot | None = None
        self._leaving = False
        self._end: asyncio.Future[int] = loop.create_future()
        self._runtime.on_accept(self._accept)
        set_title(f"headgate: w{slot}")

    async def run(self, channel: LoopChannel, messages: asyncio.Queue[Message | None]) -> int:
        """Do what the messages say; None is the end of the channel."""
        self._channel = channel
        self._garbage.start()
        conversation = self._loop.create_task(self._converse(messages))
        try:
            await asyncio.wait([conversation, self._end], return_when=asyncio.FIRST_COMPLETED)
            if not self._end.done():
                conversation.result()       # raises what went wrong
            return self._end.result()
        finally:
            conversation.cancel()
            self._runtime.abort()
            await self._records.close()
            self._garbage.close()

    async def _converse(self, messages: asyncio.Queue[Message | None]) -> None:
        while not self._end.done():
            message = await messages.get()
            if message is None:
                self._log.warning("the supervisor is gone; draining")
                self.leave()
                await self._end
                return
            await self._obey(message)
            message.close()

    async def _obey(self, message: Message) -> None:
        match message.kind:
            case "prepare":
                self._prepare(message)
            case "commit" if self._prepared and self._prepared.number == message.body["number"]:
                await self._commit(self._prepared)
            case "abandon" if self._prepared and self._prepared.number == message.body["number"]:
                self._forget()
                self._replace(self._held_back)
            case "endpoints":
                self._replace([message.body["services"]])
            case "adopt":
                self._listening.hold(_held(message.body["sockets"], message.take()))
                await self._listening.settle()
            case "release":
                self._listening.release(message.body["slot"])
                await self._listening.settle()
            case "unready":
                self._runtime.set_ready(False)
            case "drain":
                self.leave()
            case "stop":
                self._finish()
            case "reopen":
                self._records.reopen()

    def _prepare(self, message: Message) -> None:
        self._forget()
        prepared = self._prepared = Prepared(message)
        try:
            identity = message.body["identity"]
            if identity:
                become(Identity(*identity))
            prepared.snapshot = prepared.load()
            prepared.plan = self._runtime.prepare(prepared.snapshot)
            self._records.prepare(prepared.snapshot.access_log)
        except (SnapshotRefused, ValueError, OSError) as error:
            self._refuse(prepared, str(error))
        except Exception as error:      # noqa: BLE001  a bug must refuse a snapshot, not end the worker
            self._log.exception("the snapshot cannot be built")
            self._refuse(prepared, f"internal error: {error!r}")
        else:
            self._channel.send("prepared", {"number": prepared.number})

    def _refuse(self, prepared: Prepared, reason: str) -> None:
        self._forget()
        self._channel.send("refused", {"number": prepared.number, "reason": reason})

    def _forget(self) -> None:
        if self._prepared:
            self._prepared.close()
            self._prepared = None
        self._records.abandon()

    async def _commit(self, prepared: Prepared) -> None:
        self._prepared = None
        self._runtime.commit(prepared.plan)
        self._snapshot = prepared.snapshot
        self._runtime.set_sink(self._records.commit())
        self._runtime.set_ready(not self._leaving)
        if not self._level:
            set_level(self._log, prepared.snapshot.process.log_level)
        self._replace(self._held_back)
        self._listening.hold(prepared.sockets)
        prepared.sockets = {}
        prepared.close()
        self._listening.serve(prepared.served)
        if not self._leaving:
            await self._listening.settle()
        self._cells.write(WorkerWord.WORKER_VERSION, prepared.snapshot.version)
        self._garbage.freeze()
        self._channel.send("committed", {"number": prepared.number})

    def _replace(self, changes: list[dict[str, Any]]) -> None:
        """Give services new endpoints, now or, while a snapshot is built aside, on top of that one."""
        if self._prepared:
            self._held_back += changes
            return
        self._held_back = []
        if self._snapshot:
            for change in changes:
                for service, plain in change.items():
                    self._runtime.replace_endpoints(service, endpoints(plain))

    def _accept(self, accepting: bool) -> None:
        self._listening.accepting = accepting
        self._loop.create_task(self._listening.settle())

    def leave(self) -> None:
        """Accept nothing more, finish what runs within the drain limit, end."""
        if self._leaving:
            return
        self._leaving = True
        limit = self._snapshot.process.drain_timeout if self._snapshot else 0.0
        self._runtime.set_ready(False)
        self._drain = self._loop.create_task(self._leave(limit))

    async def _leave(self, limit: float) -> None:
        deadline = self._loop.time() + limit
        await self._listening.close()
        self._channel.send("closed")
        self._runtime.drain()
        while self._runtime.connections and self._loop.time() < deadline:   # noqa: ASYNC110  it says no more
            await asyncio.sleep(LOOK_SECONDS)
        if self._runtime.active:
            self._log.warning("%d exchanges were cut by the drain limit of %g s", self._runtime.active, limit)
        self._finish()

    def _finish(self) -> None:
        if not self._end.done():
            self._end.set_result(0)
