"""A channel served by an asyncio event loop, for the worker and the controller."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from headgate.ipc.channel import Channel
from headgate.ipc.frames import ChannelError, Message

_log = logging.getLogger("headgate")

IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)  # a terminal sends them to all; the supervisor acts


def ignore_signals() -> None:
    """Leave to the supervisor what is meant for it; it blocked these signals while this process started."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, IGNORED)


class LoopChannel:
    """Messages to and from the supervisor: `send` queues, `receive` waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, role: str) -> None:
        self._loop = loop
        self._channel = Channel(sock, role)
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue()
        self._writing = False
        loop.add_reader(self._channel.fileno(), self._readable)

    async def receive(self) -> Message | None:
        """The next message; None when the supervisor is gone."""
        return await self._messages.get()

    async def expect(self, kind: str) -> Message | None:
        """The next message of that kind, without those before it; None when the supervisor is gone."""
        while (message := await self.receive()) is not None and message.kind != kind:
            message.close()
        return message

    def send(self, kind: str, body: Mapping[str, Any] | None = None, fds: Sequence[int] = ()) -> None:
        """Queue a message; it is written as the supervisor takes it. Descriptors are duplicated."""
        self._channel.send(kind, body, fds)
        self._watch_writing()

    def _watch_writing(self) -> None:
        if self._channel.waiting == self._writing or self._channel.fileno() < 0:
            return
        self._writing = self._channel.waiting
        if self._writing:
            self._loop.add_writer(self._channel.fileno(), self._writable)
        else:
            self._loop.remove_writer(self._channel.fileno())

    def _writable(self) -> None:
        self._channel.flush()
        self._watch_writing()

    def _readable(self) -> None:
        try:
            messages = self._channel.receive()
        except ChannelError as error:
            _log.error("the channel to the supervisor is closed: %s", error)
            self.close()
            return
        for message in messages:
            self._messages.put_nowait(message)
        if self._channel.ended:
            self.close()

    def close(self) -> None:
        """Stop watching and close the socket; `receive` gives None from now on."""
        if self._channel.fileno() < 0:
            return
        self._loop.remove_reader(self._channel.fileno())
        self._loop.remove_writer(self._channel.fileno())
        self._writing = False
        self._channel.flush()
        self._channel.close()
        self._messages.put_nowait(None)
