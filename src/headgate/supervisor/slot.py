"""One place for a worker: the process in it, what it knows, and who stands in when there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from headgate.ipc import Message
from headgate.supervisor.child import Child
from headgate.supervisor.edition import Edition
from headgate.supervisor.loop import Loop, Timer
from headgate.supervisor.restarts import Restarts
from headgate.supervisor.sockets import SHARED, Table

Held = tuple[int, str]  # slot and key of a listening socket


class State(Enum):
    """What the worker of a slot does."""

    EMPTY = "empty"  # there is none
    STARTING = "starting"  # it did not say hello yet
    IDLE = "idle"  # it waits for its first snapshot
    SERVING = "serving"
    LEAVING = "leaving"  # it drains, and is not replaced by itself


class Slot:
    """A slot. Its sockets stay open in the supervisor whether a worker lives in it or not."""

    def __init__(self, loop: Loop, number: int) -> None:
        self._loop = loop
        self.number = number
        self.state = State.EMPTY
        self.child: Child | None = None
        self.restarts = Restarts()
        self.restart: Timer | None = None
        self.served = False  # its sockets listen: a worker served from here once
        self.closed = False  # its worker accepts nothing any more
        self.retired = False  # its worker leaves for a fault of its own, as if it had died
        self.empty_since = 0.0  # since when it has no worker that serves
        self.preparing: int | None = None  # number of the edition that the worker builds
        self.serving: int | None = None  # number of the edition that it serves
        self.lender: Slot | None = None  # the neighbour that listens for this slot
        self._known: set[Held] = set()
        self._fresh: set[Held] = set()  # sent with the edition that it builds

    def spawn(
        self,
        body: dict[str, Any],
        memory: int,
        on_message: Callable[[Message], None],
        on_exit: Callable[[str], None],
    ) -> None:
        """Start a worker with a first message that hands over the shared memory."""
        self.restart = None
        self.state = State.STARTING
        self.child = Child(self._loop, "headgate.worker", on_message, on_exit)
        self.child.send("start", {"slot": self.number, **body}, [memory])

    def emptied(self) -> None:
        """The worker is gone, and what it knew with it."""
        self.state = State.EMPTY
        self.child = None
        self.closed = self.retired = False
        self.preparing = self.serving = None
        self.empty_since = self._loop.now()
        self._known.clear()
        self._fresh.clear()

    def send(self, kind: str, body: dict[str, Any] | None = None) -> None:
        """Tell the worker, if there is one."""
        if self.child:
            self.child.send(kind, body)

    def prepare(self, edition: Edition, table: Table) -> None:
        """Have the worker build `edition` aside, with the sockets of this slot that it lacks."""
        assert self.child
        self.preparing = edition.number
        wanted = _held(table, (SHARED, self.number))
        self._fresh = set(wanted) - self._known
        sent = sorted(self._fresh)
        identity = edition.identity
        self.child.send(
            "prepare",
            {
                "number": edition.number,
                "digest": edition.digest,
                "bindings": [
                    {"listener": bound.binding.name, "key": key, "backlog": bound.binding.backlog}
                    for key, bound in table.items()
                    if not bound.binding.admin
                ],
                "sockets": sent,
                "identity": [identity.uid, identity.gid, identity.groups] if identity else None,
            },
            [edition.memory, *(table[key].sockets[slot].fileno() for slot, key in sent)],
        )
        self._known |= self._fresh

    def commit(self) -> None:
        """Have the worker serve what it built."""
        self.send("commit", {"number": self.preparing})
        self._fresh = set()

    def abandon(self) -> None:
        """Have the worker forget what it built."""
        if self.preparing is not None:
            self.send("abandon", {"number": self.preparing})
            self._known -= self._fresh
            self._fresh = set()
            self.preparing = None

    def prune(self, table: Table) -> None:
        """Forget sockets that are no longer in the table; the worker does the same by itself."""
        self._known = {(slot, key) for slot, key in self._known if key in table}

    def lend(self, other: Slot, table: Table) -> None:
        """Have this slot's worker listen for `other`, on the sockets of it that it does not have yet."""
        assert self.child
        sent = sorted(set(_held(table, (other.number,))) - self._known)
        if sent:
            self._known |= set(sent)
            fds = [table[key].sockets[slot].fileno() for slot, key in sent]
            self.child.send("adopt", {"sockets": sent}, fds)

    def release(self, other: Slot) -> None:
        """Have this slot's worker stop listening for `other`. Connections that it took stay with it."""
        self._known = {(slot, key) for slot, key in self._known if slot != other.number}
        self.send("release", {"slot": other.number})


def _held(table: Table, slots: Iterable[int]) -> list[Held]:
    return [
        (slot, key)
        for slot in slots
        for key, bound in table.items()
        if slot in bound.sockets and not bound.binding.admin
    ]
