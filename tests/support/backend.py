"""Backends that know nothing but sockets."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Self

from support.messages import MalformedError, Message
from support.ports import free_port
from support.wire import PATIENCE, DeadlineError, Wire, readable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Backend:
    """A listening socket whose connections the test plays by hand.

    `accept` gives the next connection that the product opened. `finish` closes what is left and
    waits until the product let go of it too, so that no test sees the connections of another.
    """

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", free_port()), backlog=1024)
        self.port: int = self.socket.getsockname()[1]
        self.wires: list[Wire] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def accept(self, patience: float = PATIENCE) -> Wire:
        """The next connection. Raises DeadlineError when none comes."""
        self.socket.settimeout(patience)
        try:
            connection, _ = self.socket.accept()
        except TimeoutError:
            raise DeadlineError(f"nothing connected to the backend in {patience} s") from None
        wire = Wire(connection)
        self.wires.append(wire)
        return wire

    def untouched(self, seconds: float = 0.0) -> bool:
        """True when no connection is waiting, nor came in that time."""
        self.socket.settimeout(seconds)
        try:
            connection, _ = self.socket.accept()
        except (TimeoutError, BlockingIOError):
            return True
        self.wires.append(Wire(connection))
        return False

    def finish(self) -> None:
        """Close every connection in order and see the product close its end."""
        while not self.untouched():
            pass
        for wire in self.wires:
            if wire.socket.fileno() < 0:
                continue
            with suppress(OSError):
                wire.half_close()
                wire.read_to_end()
            wire.close()
        self.wires.clear()

    def close(self) -> None:
        """Close everything at once, the listening socket too."""
        self.socket.close()
        for wire in self.wires:
            wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Connection(Wire):
    """A connection of a RecordingBackend: what it received stays, with marks between the cases."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self.mark = 0
        self.malformed = ""
        self.lock = threading.Lock()

    def since_mark(self) -> bytes:
        """What came since the last call, with everything that the kernel holds ready."""
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            with self.lock:
                if self.ended or self.socket.fileno() < 0 or not self._waiting():
                    data = bytes(self.received[self.mark :])
                    self.mark += len(data)
                    return data
            time.sleep(0.0005)
        raise DeadlineError("the backend does not read its connection")

    def _waiting(self) -> int:
        found: int = struct.unpack("i", fcntl.ioctl(self.socket, termios.FIONREAD, b"\0" * 4))[0]
        return found

    def _fill(self, seconds: float) -> None:
        if readable(self.socket, seconds):
            with self.lock:
                super()._fill(seconds)


Answer = Callable[[Message, Connection], object]


class RecordingBackend:
    """A backend that records every byte of every connection and answers each request as told.

    `answer` is bytes for every request (HEAD gets the head of them), or a function that gets the
    request and its connection and does what it likes there: send in parts, wait, half_close, close,
    reset. One thread a connection; a request is answered when it was read completely and strictly.
    What is not a strict request is recorded, noted in `Connection.malformed`, and the connection
    closed.
    """

    def __init__(self, answer: bytes | Answer = OK, patience: float = 3600.0) -> None:
        self.answer = answer
        self.patience = patience
        self.lock = threading.Lock()
        self.connections: list[Connection] = []
        self.requests: list[Message] = []
        self.socket = socket.create_server(("127.0.0.1", free_port()), backlog=1024)
        self.port: int = self.socket.getsockname()[1]
        self.threads = [threading.Thread(target=self._accept, name="backend", daemon=True)]
        self.threads[0].start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def seen(self) -> list[bytes]:
        """What came since the last call, for each connection on which something came."""
        limit = time.monotonic() + PATIENCE
        while readable(self.socket, 0):
            if time.monotonic() > limit:
                raise DeadlineError("the backend does not accept")
            time.sleep(0.0005)
        with self.lock:
            connections = list(self.connections)
            self.requests.clear()
        return [part for connection in connections if (part := connection.since_mark())]

    def close(self) -> None:
        """Close everything and end the threads."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.threads[0].join(PATIENCE)
        self.socket.close()
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(PATIENCE)
        for connection in connections:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                readable(self.socket)
                with self.lock:
                    accepted, _ = self.socket.accept()
                    connection = Connection(accepted)
                    connection.patience = self.patience
                    thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                    self.connections.append(connection)
                    self.threads.append(thread)
            except (OSError, ValueError):
                return  # closed
            thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            for request in self._read(connection):
                with self.lock:
                    self.requests.append(request)
                if isinstance(self.answer, bytes):
                    head, end, body = self.answer.partition(b"\r\n\r\n")
                    connection.send(head + end + (b"" if request.method == "HEAD" else body))
                else:
                    self.answer(request, connection)
        except MalformedError as error:
            connection.malformed = str(error)
        except (OSError, DeadlineError):
            pass
        with connection.lock:
            connection.close()

    def _read(self, connection: Connection) -> Iterator[Message]:
        while connection.socket.fileno() >= 0:
            try:
                yield connection.request()
            except DeadlineError:
                return
