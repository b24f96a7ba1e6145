"""The listening sockets that a worker serves, and on which of them it accepts right now."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Held = tuple[int, str]  # slot and key of a socket
TURNS = 4  # of the loop, from a connection in the queue to its protocol
QUEUE_SECONDS = 0.5  # to take what waits in the queues; who comes all the time cannot hold the end up
Factory = Callable[[], asyncio.BaseProtocol]


@dataclass(frozen=True, slots=True)
class Served:
    """What is served on the sockets of one key."""

    listener: str
    backlog: int


class Listening:
    """Holds descriptors of listening sockets, its own and those of slots that it covers for.

    `served` says by key what belongs on them. After a change of it, of the descriptors or of
    `accepting`, `settle` makes the servers agree. A server has a duplicate of the descriptor: closing
    it loses no connection that waits, as long as anybody holds the socket.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: Callable[[str], Factory]) -> None:
        self._loop = loop
        self._protocol = protocol
        self._sockets: dict[Held, int] = {}
        self._servers: dict[Held, tuple[Served, asyncio.AbstractServer]] = {}
        self._settling = asyncio.Lock()
        self.served: Mapping[str, Served] = {}
        self.accepting = True

    def hold(self, sockets: Mapping[Held, int]) -> None:
        """Take descriptors over."""
        for held, fd in sockets.items():
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

    async def settle(self) -> None:
        """Open and close servers until they are what they should be."""
        async with self._settling:
            self._drop(held for held in self._sockets if held[1] not in self.served)
            wanted = {held: self.served[held[1]] for held in self._sockets} if self.accepting else {}
            for held, (served, server) in list(self._servers.items()):
                if wanted.get(held) != served:
                    del self._servers[held]
                    await self._shut(server)
            for held, served in wanted.items():
                if held not in self._servers:
                    self._servers[held] = (served, await self._open(self._sockets[held], served))

    async def _open(self, fd: int, served: Served) -> asyncio.AbstractServer:
        sock = socket.socket(fileno=os.dup(fd))
        create: Any = self._loop.create_server
        if sock.family == socket.AF_UNIX and not isinstance(self._loop, asyncio.BaseEventLoop):
            create = self._loop.create_unix_server  # asyncio's own would remove the path when closed
        server: asyncio.AbstractServer = await create(
            self._protocol(served.listener), sock=sock, backlog=served.backlog
        )
        return server

    async def _shut(self, server: asyncio.AbstractServer) -> None:
        if isinstance(self._loop, asyncio.BaseEventLoop):
            # asyncio's own server forgets connections that it accepted in the same turn as it closes.
            for sock in getattr(server, "sockets", ()):
                self._loop.remove_reader(sock.fileno())
            await self._pass()
        server.close()

    async def close(self) -> None:
        """Accept what waits in the queues, then stop listening and give all descriptors up."""
        deadline = self._loop.time() + QUEUE_SECONDS
        while self.accepting and self._waiting() and self._loop.time() < deadline:
            await self._pass()
        self._drop(self._sockets)
        await self.settle()
        await self._pass()

    def _waiting(self) -> bool:
        """Whether a connection waits in any of the queues."""
        queues = select.poll()  # select() knows no descriptors above 1023
        for fd in self._sockets.values():
            queues.register(fd, select.POLLIN)
        return bool(queues.poll(0))

    @staticmethod
    async def _pass() -> None:
        """Let the loop look at its sockets, and finish what it begins then."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
