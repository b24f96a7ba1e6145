"""One end of a TCP connection, driven byte by byte from a test."""

from __future__ import annotations

import select
import socket
import struct
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Self

from support import messages
from support.messages import MalformedError, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 5.0  # seconds that a test waits for something that should come at once
PACE = 0.001  # seconds between the parts of a split message, so that they are read apart


def readable(end: socket.socket, seconds: float | None = None) -> bool:
    """Wait until there is something to read or to accept, or an end; False when the time is over."""
    poll = select.poll()
    poll.register(end, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


class DeadlineError(AssertionError):
    """What a test waited for did not come in time."""


class Wire:
    """A connected socket. Everything that came in is in `received`; what no read took yet in `rest`."""

    def __init__(self, connection: socket.socket, patience: float = PATIENCE) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self.patience = patience
        self.received = bytearray()
        self.taken = 0
        self.ended = False  # the peer sent its end, or reset
        self.was_reset = False

    # Saying

    def send(self, *parts: bytes, pace: float = PACE) -> None:
        """Send the parts one by one, each in its own segment. A peer that hung up is no error: what
        it answered is still to be read.
        """
        self.socket.settimeout(self.patience)
        for number, part in enumerate(parts):
            if number and pace:
                time.sleep(pace)
            try:
                self.socket.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                return
            except TimeoutError:
                raise DeadlineError(f"the peer did not take {len(part)} bytes in {self.patience} s") from None

    def send_bytewise(self, data: bytes, pace: float = PACE) -> None:
        """Send `data` one byte at a time."""
        self.send(*(data[at : at + 1] for at in range(len(data))), pace=pace)

    def half_close(self) -> None:
        """Say that nothing more will be sent, and go on reading. A peer that reset is no error."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close in order: FIN, when everything received was read."""
        self.socket.close()

    def reset(self) -> None:
        """Close with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # Hearing

    @property
    def rest(self) -> bytes:
        return bytes(self.received[self.taken :])

    def take(self, size: int) -> bytes:
        """Take `size` of the received bytes out of `rest`."""
        data = bytes(self.received[self.taken : self.taken + size])
        self.taken += size
        return data

    def wait(self, condition: Callable[[], object], what: str, patience: float | None = None) -> None:
        """Read until the condition holds. Raises DeadlineError when it does not in time, or the peer ends."""
        limit = time.monotonic() + (self.patience if patience is None else patience)
        while not condition():
            left = limit - time.monotonic()
            if left <= 0:
                raise DeadlineError(f"no {what} in time; received {self.rest[-2000:]!r}, ended: {self.ended}")
            if self.ended:
                raise DeadlineError(f"the peer ended before {what}; received {self.rest[-2000:]!r}")
            self._fill(left)

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        self.wait(lambda: len(self.received) - self.taken >= size, f"{size} bytes")
        return self.take(size)

    def read_until(self, mark: bytes) -> bytes:
        """Everything up to and including `mark`."""
        self.wait(lambda: mark in self.rest, repr(mark))
        return self.take(self.rest.index(mark) + len(mark))

    def read_to_end(self) -> bytes:
        """Everything up to the end of the connection, FIN or RST."""
        self.wait(lambda: self.ended, "end of the connection")
        return self.take(len(self.rest))

    def silent(self, seconds: float) -> bool:
        """True when for that long neither bytes nor an end came."""
        limit = time.monotonic() + seconds
        while not self.ended and not self.rest and (left := limit - time.monotonic()) > 0:
            self._fill(left)
        return not self.ended and not self.rest

    def expect(self, data: bytes) -> None:
        """The next bytes are exactly these."""
        came = self.read(len(data))
        assert came == data, f"expected {data!r}, came {came!r}"

    def expect_end(self) -> None:
        """The connection ends with no further byte."""
        rest = self.read_to_end()
        assert rest == b"", f"before the end came {rest!r}"

    def request(self) -> Message:
        """The next request, read strictly."""
        return self._message("request", "GET")

    def request_head(self) -> Message:
        """The next request's head; its body stays in `rest`."""
        return self._head("request")

    def response(self, to: str = "GET") -> Message:
        """The next response, a 1xx one too, read strictly; `to` is the method that it answers."""
        return self._message("response", to)

    def response_head(self) -> Message:
        """The next response's head; its body stays in `rest`."""
        return self._head("response")

    def final(self, to: str = "GET") -> Message:
        """The next response that is not 1xx."""
        while (response := self.response(to)).status < 200:
            pass
        return response

    def exchange(self, *parts: bytes, to: str = "GET") -> Message:
        """Send and read the final answer."""
        self.send(*parts)
        return self.final(to)

    def _message(self, side: str, to: str) -> Message:
        found: list[Message] = []

        def complete() -> bool:
            message = messages.parse(self.rest, side, to=to, eof=self.ended)
            if message is not None:
                found.append(message)
            return bool(found)

        self.wait(complete, f"complete {side}")
        self.taken += found[0].size
        return found[0]

    def _head(self, side: str) -> Message:
        self.wait(lambda: b"\r\n\r\n" in self.rest, f"head of a {side}")
        message = messages.parse_head(self.rest, side)
        if message is None:
            raise MalformedError(f"no head in {self.rest!r}")
        self.taken += message.size
        return message

    def _fill(self, seconds: float) -> None:
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(262144)
        except TimeoutError:
            return
        except ConnectionResetError:
            self.ended = self.was_reset = True
            return
        if not data:
            self.ended = True
        self.received += data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RawClient(Wire):
    """A client's connection to `port`."""

    def __init__(self, port: int, host: str = "127.0.0.1", patience: float = PATIENCE) -> None:
        super().__init__(socket.create_connection((host, port), patience), patience)


@contextmanager
def crowd(port: int, count: int, patience: float = PATIENCE) -> Iterator[list[RawClient]]:
    """Many clients' connections, closed together."""
    with ExitStack() as stack:
        yield [stack.enter_context(RawClient(port, patience=patience)) for _ in range(count)]
