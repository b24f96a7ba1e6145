"""One end of the stream socket between two roles; never blocks, and knows no event loop."""

from __future__ import annotations

import array
import os
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from headgate.ipc.frames import DESCRIPTORS_PER_CHUNK, FORMAT, ChannelError, Decoder, Message, encode

READ_BYTES = 64 * 1024
WAITING_BYTES = 64 * 1024 * 1024  # a peer that lets more than this wait is stuck
_ANCILLARY_BYTES = socket.CMSG_SPACE(2 * DESCRIPTORS_PER_CHUNK * array.array("i").itemsize)
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Channel:
    """Messages over a connected AF_UNIX stream socket.

    Each side first says which format it speaks; `send` and `receive` do it by themselves. Once the
    peer is gone `ended` is true and what is sent is dropped: the owner learns it from `receive`.
    """

    def __init__(self, sock: socket.socket, role: str) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._decoder = Decoder()
        self._waiting: deque[tuple[bytes, list[int]]] = deque()
        self._waiting_bytes = 0
        self._greeted = False
        self._refused = False  # the peer takes nothing any more
        self.ended = False
        self.send("hello", {"format": FORMAT, "role": role, "pid": os.getpid()})

    @staticmethod
    def pair() -> tuple[socket.socket, socket.socket]:
        """Two connected sockets, one for each end."""
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def fileno(self) -> int:
        """The descriptor, for selectors and event loops; -1 when closed."""
        return self._socket.fileno()

    @property
    def waiting(self) -> bool:
        """Something is queued that the peer did not take yet: call `flush` when writable."""
        return bool(self._waiting)

    def send(self, kind: str, body: Mapping[str, Any] | None = None, fds: Sequence[int] = ()) -> None:
        """Queue a message and write what can be written now.

        Descriptors are duplicated: the caller may close its own at once. Raises ChannelError when
        more than WAITING_BYTES wait for a peer that does not read.
        """
        if self.ended or self._refused:
            return
        pieces = encode(kind, body or {}, fds)
        size = sum(len(data) for data, _ in pieces)
        if self._waiting_bytes + size > WAITING_BYTES:
            raise ChannelError("the peer does not read its messages")
        self._waiting.extend((data, [os.dup(fd) for fd in chunk]) for data, chunk in pieces)
        self._waiting_bytes += size
        self.flush()

    def flush(self) -> None:
        """Write what the peer takes now."""
        while self._waiting:
            data, fds = self._waiting[0]
            try:
                sent = self._write(data, fds)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._drop()  # the peer is gone, but what it said before can still be read
                return
            for fd in fds:
                os.close(fd)
            self._waiting_bytes -= sent
            if sent == len(data):
                self._waiting.popleft()
            else:
                self._waiting[0] = (data[sent:], [])

    def _write(self, data: bytes, fds: list[int]) -> int:
        if not fds:
            return self._socket.send(data)
        return self._socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])

    def receive(self) -> list[Message]:
        """The messages that have come; `ended` tells whether there can be more.

        Raises ChannelError when the peer speaks another format or sends what is no message.
        """
        messages: list[Message] = []
        while not self.ended:
            try:
                data, fds = self._read()
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self._end()
                break
            messages += self._decoder.receive(data, fds)
            if not data:
                self._end()
        if messages and not self._greeted:
            self._check(messages[0])
            self._greeted = True
        return messages

    def _read(self) -> tuple[bytes, list[int]]:
        data, ancillary, flags, _ = self._socket.recvmsg(READ_BYTES, _ANCILLARY_BYTES, _CLOSE_ON_EXEC)
        fds = array.array("i")
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
        if flags & socket.MSG_CTRUNC:
            for fd in fds:
                os.close(fd)
            raise ChannelError("descriptors were lost: too many open files in this process")
        return data, list(fds)

    @staticmethod
    def _check(hello: Message) -> None:
        spoken = hello.body.get("format")
        if hello.kind != "hello" or spoken != FORMAT:
            raise ChannelError(f"the peer speaks format {spoken} of messages, this version speaks {FORMAT}")

    def _end(self) -> None:
        self.ended = True
        self._decoder.close()
        self._drop()

    def _drop(self) -> None:
        self._refused = True
        while self._waiting:
            for fd in self._waiting.popleft()[1]:
                os.close(fd)
        self._waiting_bytes = 0

    def close(self) -> None:
        """Close the socket and every descriptor that still waits."""
        self._end()
        self._socket.close()
