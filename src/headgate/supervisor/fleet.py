"""The workers of all slots: started, replaced when they die, covered by a neighbour meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from headgate.ipc import Message
from headgate.supervisor.edition import Edition
from headgate.supervisor.loop import Loop
from headgate.supervisor.slot import Slot, State
from headgate.supervisor.sockets import Sockets

COVER_SECONDS = 0.2  # without a worker for so long, a slot is covered by a neighbour


class Answers(Protocol):
    """Who decides which edition a worker builds, and hears how it went."""

    def edition_for(self, slot: int) -> Edition | None:
        """What the worker that just came up, or is behind, shall build; None: nothing yet."""

    def prepared(self, slot: int, number: int) -> None:
        """The worker built the edition of that number."""

    def refused(self, slot: int, number: int, reason: str) -> None:
        """The worker cannot build the edition of that number."""

    def committed(self, slot: int, number: int) -> None:
        """The worker serves the edition of that number."""

    def lost(self, slot: int, reason: str) -> None:
        """The worker is gone."""


class Fleet:
    """All slots. `on_change` is called whenever the number of serving workers may have changed."""

    def __init__(
        self,
        loop: Loop,
        log: logging.Logger,
        sockets: Sockets,
        memory: int,
        level: str,
        on_change: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._log = log
        self._sockets = sockets
        self._memory = memory
        self._level = level
        self._on_change = on_change
        self.answers: Answers
        self.on_answer: Callable[[Mapping[str, Any]], None] = lambda _: None
        self.slots: list[Slot] = []
        self.wanted = 0
        self.stopping = False
        self._unready = False

    @property
    def serving(self) -> list[Slot]:
        """The slots whose worker serves."""
        return [slot for slot in self.slots if slot.state is State.SERVING]

    @property
    def alive(self) -> list[Slot]:
        """The slots with a process, whatever it does."""
        return [slot for slot in self.slots if slot.child]

    @property
    def restarts(self) -> int:
        """Workers that died and were replaced."""
        return sum(slot.restarts.count for slot in self.slots)

    def resize(self, wanted: int) -> None:
        """Have `wanted` workers. Those above drain; a neighbour listens on in their place."""
        self.wanted = wanted
        while len(self.slots) < wanted:
            self.slots.append(Slot(self._loop, len(self.slots)))
        for slot in self.slots:
            if slot.number < wanted:
                if slot.state is State.EMPTY and slot.restart is None:
                    self._spawn(slot)
            elif slot.state is State.SERVING:
                self._leave(slot)
            elif slot.state in (State.STARTING, State.IDLE):
                slot.state = State.LEAVING
                slot.send("stop")
            if slot.number >= wanted and slot.restart:
                slot.restart.cancel()
                slot.restart = None
        self.cover()

    def _spawn(self, slot: Slot) -> None:
        if self.stopping or slot.number >= self.wanted:
            slot.restart = None
            return
        slot.spawn(
            {"level": self._level}, self._memory, partial(self._message, slot), partial(self._exited, slot)
        )

    def _leave(self, slot: Slot) -> None:
        self._vacate(slot)
        slot.send("drain")

    def _vacate(self, slot: Slot) -> None:
        """A neighbour takes over at once."""
        slot.state = State.LEAVING
        slot.empty_since = self._loop.now() - COVER_SECONDS
        self.cover()

    def _message(self, slot: Slot, message: Message) -> None:
        number: int = message.body.get("number", 0)
        match message.kind:
            case "hello":
                if slot.state is State.STARTING:
                    slot.state = State.IDLE
                    if self._unready:
                        slot.send("unready")
                    self.update(slot)
            case "prepared" if slot.preparing == number:
                self.answers.prepared(slot.number, number)
            case "refused" if slot.preparing == number:
                self.answers.refused(slot.number, number, message.body["reason"])
            case "committed":
                self._committed(slot, number)
            case "closed":
                self._closed(slot)
            case "grown" if slot.state is State.SERVING and len(self.serving) >= self.wanted:
                self._retire(slot, message.body["bytes"], message.body["limit"])
            case "answer":
                self.on_answer(message.body)

    def _retire(self, slot: Slot, size: int, limit: int) -> None:
        """It has too much memory. Asked while all others serve only: it will say so again."""
        if self.stopping:
            return
        self._log.warning(
            "worker %d has %d MiB of memory, more than the %d MiB of process.memory_limit: it finishes what "
            "runs and is replaced",
            slot.number,
            size >> 20,
            limit >> 20,
        )
        slot.retired = True
        self._leave(slot)

    def _closed(self, slot: Slot) -> None:
        """It accepts nothing any more: as it was told to, or because somebody sent it SIGTERM."""
        slot.closed = True
        if slot.state is State.SERVING and not self.stopping:
            self._vacate(slot)
        self._on_change()

    def _committed(self, slot: Slot, number: int) -> None:
        slot.serving = number
        slot.preparing = None
        slot.prune(self._sockets.table)
        if slot.state is State.IDLE:
            slot.state = State.SERVING
            slot.served = True
        self.answers.committed(slot.number, number)
        self.update(slot)
        self.cover()
        self._on_change()

    def update(self, slot: Slot) -> None:
        """Have an idle worker, or one that is behind, build what it should serve."""
        if slot.state not in (State.IDLE, State.SERVING) or slot.preparing is not None:
            return
        edition = self.answers.edition_for(slot.number)
        if edition and slot.serving != edition.number:
            slot.prepare(edition, self._sockets.table)

    def reject(self, slot: Slot, reason: str) -> None:
        """A worker cannot serve what all others do: have it replaced."""
        self._log.error("worker %d cannot build the snapshot that is served: %s", slot.number, reason)
        if slot.state is State.SERVING:
            self._leave(slot)
        else:
            slot.send("stop")

    def _exited(self, slot: Slot, reason: str) -> None:
        lived = self._loop.now() - slot.child.started if slot.child else 0.0
        expected = (slot.state is State.LEAVING and not slot.retired) or self.stopping
        slot.emptied()
        self.answers.lost(slot.number, reason)
        if not self.stopping:
            if not expected:
                self._replace(slot, reason, lived)
            elif slot.number < self.wanted:
                self._spawn(slot)  # wanted again while it still drained
            self.cover()  # for those whom it stood in for
            self._loop.later(COVER_SECONDS, self.cover)
        self._on_change()

    def _replace(self, slot: Slot, reason: str, lived: float) -> None:
        delay = slot.restarts.died(lived)
        when = f"in {delay:g} s" if delay else "now"
        self._log.warning(
            "worker %d %s after %.1f s; its replacement starts %s", slot.number, reason, lived, when
        )
        if delay:
            slot.restart = self._loop.later(delay, partial(self._spawn, slot))
        else:
            self._spawn(slot)

    def cover(self) -> None:
        """Give slots without a worker to neighbours, and take back those that have one again."""
        if self.stopping:
            return
        for slot in self.slots:
            if slot.lender and (slot.state is State.SERVING or slot.lender.state is not State.SERVING):
                if slot.lender.child:
                    slot.lender.release(slot)
                slot.lender = None
        for slot in self.slots:
            if slot.served and slot.state is not State.SERVING and self._overdue(slot):
                slot.lender = slot.lender or self._neighbour()
                if slot.lender:
                    slot.lender.lend(slot, self._sockets.table)

    def _overdue(self, slot: Slot) -> bool:
        return self._loop.now() - slot.empty_since >= COVER_SECONDS - 0.001

    def _neighbour(self) -> Slot | None:
        """The serving slot that covers for the fewest others."""
        load = {slot.number: 0 for slot in self.serving}
        for slot in self.slots:
            if slot.lender:
                load[slot.lender.number] += 1
        return min(self.serving, key=lambda slot: load[slot.number], default=None)

    def fail_readiness(self) -> None:
        """Have all workers, and those to come, say that no more should come here."""
        self._unready = True
        self.tell("unready")

    def tell(self, kind: str, body: Mapping[str, Any] | None = None) -> None:
        """Send a message to every worker."""
        for slot in self.alive:
            slot.send(kind, dict(body or {}))

    def patch(self, services: Mapping[str, Any]) -> None:
        """Pass new endpoints on. Who did not say hello yet gets a snapshot with them in it."""
        for slot in self.alive:
            if slot.state is not State.STARTING:
                slot.send("endpoints", {"services": services})

    def ask(self, body: Mapping[str, Any]) -> int:
        """Pass a question of the controller to the workers that serve. Returns how many they are."""
        for slot in self.serving:
            slot.send("ask", dict(body))
        return len(self.serving)

    def reap(self) -> None:
        """Notice which workers have ended."""
        for slot in self.alive:
            if slot.child:
                slot.child.reap()

    def kill(self) -> None:
        """SIGKILL to every worker."""
        for slot in self.alive:
            if slot.child:
                slot.child.kill()
