"""One child process: started with a channel, watched until it was reaped."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headgate.ipc import Channel, ChannelError, Message
from headgate.supervisor.loop import Loop

# Sent to the whole group by a terminal; blocked until the child ignores them.
_BLOCKED = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
_ORPHANED_SECONDS = 2.0  # from a closed channel to SIGKILL


class Child:
    """A running role. `on_message` gets its messages, `on_exit` is called once, with the reason."""

    def __init__(
        self,
        loop: Loop,
        module: str,
        on_message: Callable[[Message], None],
        on_exit: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._on_message = on_message
        self._on_exit = on_exit
        self.started = loop.now()
        ours, theirs = Channel.pair()
        with theirs:
            theirs.set_inheritable(True)
            self.pid = _spawn(module, theirs.fileno())
        self._channel = Channel(ours, "supervisor")
        loop.watch(self._channel, self._read)

    def send(self, kind: str, body: Mapping[str, Any] | None = None, fds: Sequence[int] = ()) -> None:
        """Queue a message; never waits. A child that does not read for too long is killed."""
        try:
            self._channel.send(kind, body, fds)
        except ChannelError:
            self.kill()
        self._watch()

    def _watch(self) -> None:
        if self._channel.ended:
            return
        self._loop.watch(self._channel, self._read, self._write if self._channel.waiting else None)

    def _write(self) -> None:
        self._channel.flush()
        self._watch()

    def _read(self) -> None:
        try:
            messages = self._channel.receive()
        except ChannelError as error:
            sys.stderr.write(f"headgate: process {self.pid} is stopped: {error}\n")
            self._loop.unwatch(self._channel)
            self.kill()
            return
        if self._channel.ended:
            self._loop.unwatch(self._channel)
            self._loop.later(_ORPHANED_SECONDS, self.kill)
        for message in messages:
            self._on_message(message)
            message.close()

    def kill(self) -> None:
        """SIGKILL, unless it was reaped already."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    def reap(self) -> bool:
        """Whether it has ended; its last messages are handled first, then `on_exit` is called."""
        if not self.pid:
            return True
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return False
        self.pid = 0
        if not self._channel.ended:
            self._read()
        self._loop.unwatch(self._channel)
        self._channel.close()
        self._on_exit(_reason(status))
        return True


def _spawn(module: str, channel: int) -> int:
    command = [sys.executable, "-m", module, str(channel)]
    return os.posix_spawn(
        sys.executable,
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
        setsigmask=_BLOCKED,
        setsigdef=(signal.SIGTERM, signal.SIGCHLD, *_BLOCKED),
    )


def _reason(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
