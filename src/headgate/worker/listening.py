"""The listening sockets that a worker serves, and on which of them it accepts right now."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

Held = tuple[int, str]  # slot and key of a socket
QUEUE_SECONDS = 0.5  # to take what waits in the queues; who comes all the time cannot hold the end up


class Acceptor(Protocol):
    """Accepts until it is closed."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Served:
    """What is served on the sockets of one key."""

    listener: str
    backlog: int


class Listening:
    """Holds descriptors of listening sockets, its own and those of slots that it covers for.

    `served` says by key what belongs on them. After a change of it, of the descriptors or of
    `accepting`, `settle` makes the acceptors agree. An acceptor has a duplicate of the descriptor: closing
    it loses no connection that waits, as long as anybody holds the socket.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, listen: Callable[[str, int], Acceptor]) -> None:
        self._loop = loop
        self._listen = listen
        self._sockets: dict[Held, int] = {}
        self._acceptors: dict[Held, tuple[Served, Acceptor]] = {}
        self.served: Mapping[str, Served] = {}
        self.accepting = True

    def hold(self, sockets: Mapping[Held, int]) -> None:
        """Take descriptors over."""
        for held, fd in sockets.items():
            os.set_blocking(fd, False)  # an inherited one may block
            if held in self._sockets:
                os.close(self._sockets[held])
            self._sockets[held] = fd

    def serve(self, served: Mapping[str, Served]) -> None:
        """Serve these; descriptors of keys that are not among them are given up by `settle`."""
        self.served = served

    def release(self, slot: int) -> None:
        """Give up the descriptors of a slot."""
        self._drop(held for held in self._sockets if held[0] == slot)

    def _drop(self, those: Iterable[Held]) -> None:
        for held in list(those):
            os.close(self._sockets.pop(held))

    def settle(self) -> None:
        """Open and close acceptors until they are what they should be."""
        self._drop(held for held in self._sockets if held[1] not in self.served)
        wanted = {held: self.served[held[1]] for held in self._sockets} if self.accepting else {}
        for held, (served, acceptor) in list(self._acceptors.items()):
            if wanted.get(held) != served:
                del self._acceptors[held]
                acceptor.close()
        for held, served in wanted.items():
            if held not in self._acceptors:
                self._acceptors[held] = (served, self._open(self._sockets[held], served))

    def _open(self, fd: int, served: Served) -> Acceptor:
        """From here on the kernel lets connections into the queue; again, it takes a new backlog over."""
        sock = socket.socket(fileno=os.dup(fd))
        sock.listen(served.backlog)
        return self._listen(served.listener, sock.detach())

    async def close(self) -> None:
        """Accept what waits in the queues, then stop listening and give all descriptors up."""
        deadline = self._loop.time() + QUEUE_SECONDS
        while self.accepting and self._waiting() and self._loop.time() < deadline:  # noqa: ASYNC110  the kernel tells no other way
            await asyncio.sleep(0)
        self._drop(self._sockets)
        self.settle()

    def _waiting(self) -> bool:
        """Whether a connection waits in any of the queues."""
        queues = select.poll()  # select() knows no descriptors above 1023
        for fd in self._sockets.values():
            queues.register(fd, select.POLLIN)
        return any(events & select.POLLIN for _, events in queues.poll(0))
