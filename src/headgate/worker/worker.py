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
from headgate.ipc import MemoryRefused, Message, read
from headgate.ipc.asynchronous import LoopChannel
from headgate.shm.region import Region, written_blocks
from headgate.spec import Snapshot, SnapshotError, decode
from headgate.spec.endpoints import endpoints
from headgate.worker import LATER
from headgate.worker.garbage import Garbage
from headgate.worker.growth import Growth
from headgate.worker.listening import Held, Served
from headgate.worker.serving import Serving


class Offer:
    """What the message `prepare` offers: a snapshot's bytes, and sockets to listen on."""

    def __init__(self, message: Message) -> None:
        self.number: int = message.body["number"]
        self._digest: str = message.body["digest"]
        self.served = {
            binding["key"]: Served(binding["listener"], binding["backlog"])
            for binding in message.body["bindings"]
        }
        self._memory, *sockets = message.take()
        self.sockets = _held(message.body["sockets"], sockets)

    def load(self) -> Snapshot:
        """The snapshot. Raises SnapshotError or MemoryRefused when it is not what the controller sent."""
        data = read(self._memory)
        if hashlib.sha256(data).hexdigest() != self._digest:
            raise SnapshotError("the bytes do not have the digest that they came with")
        return decode(data)

    def take(self) -> dict[Held, int]:
        """The sockets; closing them is now the caller's."""
        sockets, self.sockets = self.sockets, {}
        return sockets

    def close(self) -> None:
        """Close the descriptors that nobody took."""
        os.close(self._memory)
        for fd in self.take().values():
            os.close(fd)


def _held(names: list[list[Any]], fds: list[int]) -> dict[Held, int]:
    return {(slot, key): fd for (slot, key), fd in zip(names, fds, strict=True)}


class Worker:
    """Serves snapshots until it is told to stop or the supervisor is gone."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, log: logging.Logger, region: int, slot: int, level: str
    ) -> None:
        self._loop = loop
        self._log = log
        self._level = level
        self._channel: LoopChannel
        shared = Region(region)
        memory = shared.slot(slot)
        for number in written_blocks(region, slot):
            Block(memory, number).clear_gauges()
        cells = Block(memory, 0)
        cells.write(WorkerWord.WORKER_PID, os.getpid())
        cells.write(WorkerWord.WORKER_STARTED, int(time.time()))
        self._serving = Serving(loop, log, shared, slot)
        self._garbage = Garbage(loop, lambda: self._serving.active > 0)
        self._growth = Growth(loop, self._memory_limit, self._grown)
        self._offer: Offer | None = None
        self._drain: asyncio.Task[None] | None = None
        self._end: asyncio.Future[None] = loop.create_future()
        set_title(f"headgate: w{slot}")

    async def run(self, channel: LoopChannel) -> None:
        """Do what the messages say, and return when everything is over."""
        self._channel = channel
        self._garbage.start()
        self._growth.start()
        conversation = asyncio.ensure_future(self._converse())
        try:
            await asyncio.wait([conversation, self._end], return_when=asyncio.FIRST_COMPLETED)
            for ended in (conversation, self._end):
                if ended.done():
                    ended.result()  # raises what went wrong
        finally:
            conversation.cancel()
            if self._drain:
                self._drain.cancel()
            await self._serving.close()
            self._garbage.close()
            self._growth.close()

    async def _converse(self) -> None:
        while (message := await self._channel.receive()) is not None:
            self._obey(message)
            message.close()
        self._log.warning("the supervisor is gone; draining")
        self.leave()
        await self._end

    def _obey(self, message: Message) -> None:
        match message.kind:
            case "prepare":
                self._prepare(message)
            case "commit" if self._offer and self._offer.number == message.body["number"]:
                self._commit(self._offer)
            case "abandon" if self._offer and self._offer.number == message.body["number"]:
                self._forget()
                self._serving.abandon()
            case "endpoints":
                services = message.body["services"]
                self._serving.replace({name: endpoints(data) for name, data in services.items()})
            case "adopt":
                self._serving.adopt(_held(message.body["sockets"], message.take()))
            case "release":
                self._serving.release(message.body["slot"])
            case "unready":
                self._serving.unready()
            case "drain":
                self.leave()
            case "stop":
                self._finish()
            case "reopen":
                self._serving.reopen()
            case "ask":
                answer = self._serving.answer(message.body["what"], message.body["of"])
                self._channel.send("answer", {"number": message.body["number"], "answer": answer})

    def _prepare(self, message: Message) -> None:
        self._forget()
        offer = self._offer = Offer(message)
        identity = message.body["identity"]
        try:
            if identity:
                become(Identity(*identity), LATER)
            snapshot = offer.load()
        except (SnapshotError, MemoryRefused, OSError) as error:
            reason = str(error)
        else:
            reason = self._serving.prepare(snapshot)
        if reason:
            self._forget()
            self._channel.send("refused", {"number": offer.number, "reason": reason})
        else:
            self._channel.send("prepared", {"number": offer.number})

    def _forget(self) -> None:
        if self._offer:
            self._offer.close()
            self._offer = None

    def _commit(self, offer: Offer) -> None:
        self._serving.commit(offer.served, offer.take())
        self._forget()
        snapshot = self._serving.snapshot
        assert snapshot is not None
        if not self._level:
            set_level(self._log, snapshot.process.log_level)
        self._garbage.freeze()
        self._channel.send("committed", {"number": offer.number})

    def _memory_limit(self) -> int:
        snapshot = self._serving.snapshot
        return snapshot.process.memory_limit if snapshot else 0

    def _grown(self, size: int) -> None:
        """It is for the supervisor to say when: others may be on their way out already."""
        self._channel.send("grown", {"bytes": size, "limit": self._memory_limit()})

    def leave(self) -> None:
        """Accept nothing more, finish what runs within the drain limit, end."""
        if self._drain is None:
            self._drain = self._loop.create_task(self._leave())
            self._drain.add_done_callback(self._left)

    async def _leave(self) -> None:
        snapshot = self._serving.snapshot
        limit = snapshot.process.drain_timeout if snapshot else 0.0
        await self._serving.leave(limit, lambda: self._channel.send("closed"))

    def _left(self, drain: asyncio.Task[None]) -> None:
        error = None if drain.cancelled() else drain.exception()
        if error and not self._end.done():
            self._end.set_exception(error)
        self._finish()

    def _finish(self) -> None:
        if not self._end.done():
            self._end.set_result(None)
