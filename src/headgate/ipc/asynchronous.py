"""A channel served by an asyncio event loop, for the worker and the controller."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headgate.ipc.channel import Channel
from headgate.ipc.frames import ChannelError, Message


class LoopChannel:
    """Calls `on_message` for each message and `on_end` once, when the peer is gone.

    `on_end` gets the reason: "" when the peer closed its end, else what was wrong with it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        role: str,
        on_message: Callable[[Message], None],
        on_end: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._channel = Channel(sock, role)
        self._on_message = on_message
        self._on_end = on_end
        self._writing = False
        loop.add_reader(self._channel.fileno(), self._readable)

    def send(self, kind: str, body: Mapping[str, Any] | None = None, fds: Sequence[int] = ()) -> None:
        """Queue a message; it is written as the peer takes it."""
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
        reason = ""
        try:
            messages = self._channel.receive()
        except ChannelError as error:
            messages, reason = [], str(error)
        for message in messages:
            self._on_message(message)
        if (reason or self._channel.ended) and self._channel.fileno() >= 0:
            self.close()
            self._on_end(reason)

    async def flush(self) -> None:
        """Return once the peer took everything, or is gone."""
        while self._channel.waiting:
            await asyncio.sleep(0.001)

    def close(self) -> None:
        """Stop watching and close the socket. `on_end` is not called."""
        if self._channel.fileno() < 0:
            return
        self._loop.remove_reader(self._channel.fileno())
        self._loop.remove_writer(self._channel.fileno())
        self._writing = False
        self._channel.close()
