"""Where access records go: a stream, a file, or a syslog receiver.

A destination sends as much as it can without waiting and says how far it came. Only the thread of a
Sink uses it once it is open.
"""

from __future__ import annotations

import errno
import os
import pwd
import select
import socket
import stat
import time
from pathlib import Path
from typing import Protocol

SYSLOG_PREFIX = "syslog:"
SYSLOG_PORT = 514
LOCAL0_INFORMATIONAL = 16 * 8 + 6  # RFC 5424 6.2.1


class SinkError(Exception):
    """The access log cannot be written. The message says where, why, and what to write instead."""


class Destination(Protocol):
    """What a Sink writes to."""

    @property
    def name(self) -> str:
        """What people call it."""

    def open(self) -> None:
        """Open it, or open it again after its file was moved away. Raises SinkError; the old one stays."""

    def send(self, records: bytes, start: int) -> int:
        """Send from `start` on; returns where it stopped, maybe in the middle of a record.

        Raises BlockingIOError when nothing can be sent now, another OSError when sending fails.
        """

    def wait(self, seconds: float) -> None:
        """Return when sending may be possible again, or after `seconds`."""

    def close(self) -> None:
        """Give the descriptor back."""


class Stream:
    """A descriptor that is open already, such as standard output. It is duplicated, never closed itself."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self._original = descriptor
        self._descriptor = -1
        self._regular = False

    def open(self) -> None:
        """Take the descriptor as it is now."""
        try:
            self._adopt(os.dup(self._original))
        except OSError as error:
            raise SinkError(
                f"access log: {self.name} is closed ({error.strerror}); set access_log.path to a file"
            ) from None

    def send(self, records: bytes, start: int) -> int:
        """As `Destination` says. Pipes get whole records up to PIPE_BUF: other writers cannot split them."""
        if self._regular:
            return start + os.write(self._descriptor, memoryview(records)[start:])
        end = records.rfind(b"\n", start, start + select.PIPE_BUF) + 1
        if not end:
            end = start + select.PIPE_BUF
        if not self._poll(0.0):
            raise BlockingIOError(errno.EAGAIN, "full")
        return start + os.write(self._descriptor, memoryview(records)[start:end])

    def wait(self, seconds: float) -> None:
        """As `Destination` says."""
        self._poll(seconds)

    def close(self) -> None:
        """As `Destination` says."""
        self._adopt(-1)

    def _adopt(self, descriptor: int) -> None:
        old, self._descriptor = self._descriptor, descriptor
        self._regular = descriptor >= 0 and stat.S_ISREG(os.fstat(descriptor).st_mode)
        if old >= 0:
            os.close(old)

    def _poll(self, seconds: float) -> bool:
        return _writable(self._descriptor, seconds)


class File(Stream):
    """A file that grows at its end; made with mode 0640 when there is none. A FIFO with a reader will do."""

    def __init__(self, path: str) -> None:
        super().__init__(path, -1)

    def open(self) -> None:
        """Open what the path names now. Raises SinkError when it cannot be written."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        try:
            self._adopt(os.open(self.name, flags, 0o640))
        except OSError as error:
            raise SinkError(f"access log: cannot write {self.name}: {self._reason(error)}") from None

    def _reason(self, error: OSError) -> str:
        other = ", or set access_log.path to another file"
        if error.errno in {errno.EACCES, errno.EPERM}:
            return f"{_user()} has no right to write there; give it the right{other}"
        if error.errno == errno.ENOENT:
            return f"there is no folder {Path(self.name).parent}; make it{other}"
        if error.errno == errno.EISDIR:
            return "it is a folder; set access_log.path to a file in it"
        if error.errno == errno.ENXIO:
            return "it is a FIFO or socket that nobody reads; start the reader first"
        return f"{error.strerror}; mend it{other}"


class Syslog:
    """A syslog receiver of datagrams: one RFC 5424 message for each record, facility local0, severity info.

    It is connected to when the first record is sent and again after each failure: a receiver that is
    restarted, or a name that does not resolve for a while, never keeps a worker from starting.
    """

    def __init__(self, name: str, path: str = "", host: str = "", port: int = 0) -> None:
        self.name = name
        self._path = path
        self._host = host
        self._port = port
        self._socket: socket.socket | None = None
        self._second = -1
        self._head = b""

    def open(self) -> None:
        """Forget the connection, so that the next record makes a new one."""
        self.close()

    def send(self, records: bytes, start: int) -> int:
        """As `Destination` says; sends one record."""
        end = records.find(b"\n", start)
        end = len(records) if end < 0 else end
        try:
            if self._socket is None:
                self._socket = self._connect()
            self._socket.send(self._message_head() + records[start:end])
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                self.close()
            raise
        return end + 1

    def wait(self, seconds: float) -> None:
        """As `Destination` says."""
        if self._socket is not None:
            _writable(self._socket.fileno(), seconds)

    def close(self) -> None:
        """As `Destination` says."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        address: str | tuple[object, ...]
        if self._path:
            family, address = socket.AF_UNIX, self._path
        else:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
            family, address = found[0][0], found[0][4]
        sender = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sender.setblocking(False)
            sender.connect(address)
        except OSError:
            sender.close()
            raise
        return sender

    def _message_head(self) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second = now
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
            # HOSTNAME is printable ASCII of at most 255 characters; "-" is none (RFC 5424 6).
            host = "".join(c for c in socket.gethostname() if "!" <= c <= "~")[:255] or "-"
            self._head = f"<{LOCAL0_INFORMATIONAL}>1 {stamp} {host} headgate {os.getpid()} access - ".encode()
        return self._head


def destination(path: str) -> Destination:
    """The destination that access_log.path names. Raises SinkError when it names none."""
    if path == "stdout":
        return Stream(path, 1)
    if path == "stderr":
        return Stream(path, 2)
    if path.startswith(SYSLOG_PREFIX):
        return _syslog(path)
    if not path:
        raise SinkError("access log: no access_log.path; write stdout, stderr, a file, or syslog:/dev/log")
    return File(path)


def _syslog(path: str) -> Syslog:
    """`syslog:/path/of/socket` or `syslog:udp:host:port`."""
    where = path.removeprefix(SYSLOG_PREFIX)
    if where.startswith("/"):
        return Syslog(path, path=where)
    kind, _, address = where.partition(":")
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        host, port = address, str(SYSLOG_PORT)
    bare = host.removeprefix("[").removesuffix("]")
    named = kind == "udp" and _is_host(bare) and (":" not in bare or bare != host)
    if not named or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise SinkError(
            f"access log: {path} names no syslog receiver; "
            "write syslog:/dev/log, syslog:udp:host:port or syslog:udp:[address]:port"
        )
    return Syslog(path, host=bare, port=int(port))


def _is_host(host: str) -> bool:
    """Whether a resolver takes the text at all."""
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False


def _writable(descriptor: int, seconds: float) -> bool:
    """Whether a write would do something: take bytes, or fail."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))


def _user() -> str:
    """The user that this process is now, whatever the environment says."""
    number = os.geteuid()
    try:
        return f"user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user {number}"
