"""From the controller's `publish` to a snapshot that all workers serve, or to a reason why not."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.base.errors import Refusal
from headgate.base.process import Identity, find_identity
from headgate.ipc import Message, sealed
from headgate.shm.region import SLOTS
from headgate.supervisor.edition import Edition
from headgate.supervisor.fleet import Fleet
from headgate.supervisor.loop import Loop, Timer
from headgate.supervisor.publication import Phase, Publication
from headgate.supervisor.slot import State
from headgate.supervisor.sockets import BindError, Bound, Change, Sockets

ANSWER_SECONDS = 20.0  # for every worker to build a snapshot, and again to swap it in

REFUSED = 1  # exit codes when the first publication fails
ENVIRONMENT = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a publication. `code` is the exit code it means at start."""

    published: bool
    reasons: list[str] = field(default_factory=list)
    code: int = 0


class _Refused(Exception):
    def __init__(self, reasons: list[str], code: int) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons
        self.code = code


@dataclass(slots=True)
class _Pending:
    publication: Publication
    edition: Edition
    change: Change
    timer: Timer
    gone: list[Bound]


class Publishing:
    """Carries one snapshot at a time to the fleet; `on_outcome` is called once for each."""

    def __init__(
        self,
        loop: Loop,
        log: logging.Logger,
        sockets: Sockets,
        fleet: Fleet,
        on_outcome: Callable[[Outcome], None],
    ) -> None:
        self._loop = loop
        self._log = log
        self._sockets = sockets
        self._fleet = fleet
        self._on_outcome = on_outcome
        self._pending: _Pending | None = None
        self._number = 0
        self.current: Edition | None = None
        fleet.answers = self

    def publish(self, message: Message) -> None:
        """Begin with what the controller sent. The outcome follows, at once or later."""
        memory = message.take()
        try:
            if self._pending:
                raise _Refused(["another snapshot is being published"], REFUSED)
            edition, change = self._accept(message.body, memory)
        except _Refused as refused:
            for fd in memory:
                os.close(fd)
            self._on_outcome(Outcome(False, refused.reasons, refused.code))
            return
        if self.current is None:
            self._fleet.resize(edition.workers)
            members = [slot.number for slot in self._fleet.slots]
        else:
            members = [slot.number for slot in self._fleet.serving]
        publication = Publication(edition.number, members)
        timer = self._loop.later(ANSWER_SECONDS, self._expire)
        self._pending = _Pending(publication, edition, change, timer, [])
        for number in members:
            slot = self._fleet.slots[number]
            if slot.state in (State.IDLE, State.SERVING):
                slot.prepare(edition, change.table)
        self._advance()

    def _accept(self, body: Mapping[str, Any], memory: list[int]) -> tuple[Edition, Change]:
        if len(memory) != 1 or not sealed(memory[0]):
            raise _Refused(["the controller sent no sealed snapshot"], REFUSED)
        if not 1 <= body["workers"] <= SLOTS:
            raise _Refused([f"process.workers: {body['workers']} is not between 1 and {SLOTS}"], REFUSED)
        identity = self._identity(body["user"], body["group"])
        self._number += 1
        edition = Edition.of(self._number, body, memory[0], identity)
        try:
            change = self._sockets.prepare(edition.bindings, edition.workers)
        except BindError as error:
            raise _Refused(error.reasons, ENVIRONMENT) from None
        return edition, change

    def _identity(self, user: str, group: str) -> Identity | None:
        try:
            identity = find_identity(user, group)
        except Refusal as refusal:
            hint = f"; {refusal.hint}" if refusal.hint else ""
            raise _Refused([f"process.user, process.group: {refusal.reason}{hint}"], ENVIRONMENT) from None
        if self.current and self.current.identity != identity:
            raise _Refused(["process.user, process.group: a change needs a restart"], REFUSED)
        return identity

    def edition_for(self, slot: int) -> Edition | None:
        """What the worker of `slot` shall build. A member of the first publication builds that."""
        pending = self._pending
        if pending and self.current is None and slot in pending.publication.members:
            slot_now = self._fleet.slots[slot]
            slot_now.prepare(pending.edition, pending.change.table)
            return None
        return self.current

    def prepared(self, slot: int, number: int) -> None:
        """The worker of `slot` built an edition: of the publication, or to catch up with the others."""
        if self._pending and number == self._pending.publication.number:
            self._pending.publication.prepared(slot)
            self._advance()
        elif self.current and number == self.current.number:
            self._fleet.slots[slot].commit()
        else:
            self._fleet.slots[slot].abandon()
            self._fleet.update(self._fleet.slots[slot])

    def refused(self, slot: int, number: int, reason: str) -> None:
        """The worker of `slot` cannot build an edition."""
        if self._pending and number == self._pending.publication.number:
            self._pending.publication.refused(slot, reason)
            self._advance()
        else:
            self._fleet.slots[slot].abandon()
            self._fleet.reject(self._fleet.slots[slot], reason)

    def committed(self, slot: int, number: int) -> None:
        """The worker of `slot` serves an edition."""
        if self._pending and number == self._pending.publication.number:
            self._pending.publication.committed(slot)
            self._advance()

    def lost(self, slot: int, reason: str) -> None:
        """The worker of `slot` is gone."""
        if self._pending:
            self._pending.publication.lost(slot, reason)
            self._advance()

    def abandon(self, reason: str) -> None:
        """Give up what is not decided, for example because its controller died."""
        if self._pending:
            self._pending.publication.abandon(reason)
            self._advance()

    def _expire(self) -> None:
        if self._pending:
            for slot in self._pending.publication.expired(ANSWER_SECONDS):
                self._log.error("worker %d does not swap the snapshot in; it is killed", slot)
                child = self._fleet.slots[slot].child
                if child:
                    child.kill()
            self._advance()

    def _advance(self) -> None:
        """Do what the state of the publication asks for."""
        pending = self._pending
        if pending is None:
            return
        if pending.publication.phase is Phase.ABANDONED:
            self._undo(pending)
            return
        if pending.publication.phase is not Phase.PREPARING and self.current is not pending.edition:
            self._swap(pending)
        if pending.publication.phase is Phase.DONE:
            self._finish(pending)

    def _undo(self, pending: _Pending) -> None:
        self._pending = None
        pending.timer.cancel()
        for slot in self._fleet.slots:
            if slot.preparing == pending.edition.number:
                slot.abandon()
        self._sockets.abandon(pending.change)
        os.close(pending.edition.memory)
        for slot in self._fleet.slots:
            self._fleet.update(slot)
        self._on_outcome(Outcome(False, pending.publication.reasons, REFUSED))

    def _swap(self, pending: _Pending) -> None:
        """The decision: from here on the new snapshot is the one."""
        if self.current:
            os.close(self.current.memory)
        self.current = pending.edition
        pending.gone = self._sockets.commit(pending.change)
        pending.timer.cancel()
        pending.timer = self._loop.later(ANSWER_SECONDS, self._expire)
        for number in pending.publication.members:
            self._fleet.slots[number].commit()

    def _finish(self, pending: _Pending) -> None:
        self._pending = None
        pending.timer.cancel()
        self._sockets.close(pending.gone)
        self._fleet.resize(pending.edition.workers)
        for slot in self._fleet.slots:
            self._fleet.update(slot)
        self._on_outcome(Outcome(True))

    def patch(self, message: Message) -> None:
        """Endpoints have new addresses: pass them on, and keep the bytes that contain them."""
        if self.current is None or message.body["version"] != self.current.version or not message.fds:
            return
        if not sealed(message.fds[0]):
            return
        os.close(self.current.memory)
        (self.current.memory,) = message.take()
        self.current.digest = message.body["digest"]
        self._fleet.patch(message.body["services"])
