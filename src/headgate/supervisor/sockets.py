"""The listening sockets of all listeners and slots, and how they are bound.

A TCP listener has one SO_REUSEPORT socket for each slot, so that the kernel spreads connections over
workers that share nothing. Unix and inherited sockets, and those of the admin address, are one for all:
they are kept under the slot SHARED. A socket stays open here as long as its address is configured,
since closing the last descriptor of one resets the connections that wait in its queue.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SHARED = -1


class BindError(Exception):
    """Addresses that cannot be bound, each with its reason."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = list(reasons)


@dataclass(frozen=True, slots=True)
class Binding:
    """A named address and the options of its sockets. `admin` ones go to the controller."""

    name: str
    host: str = ""
    port: int = 0
    unix: str = ""
    fd: int = -1
    admin: bool = False
    backlog: int = 1024
    keepalive: bool = True
    keepalive_idle: float = 60.0
    nodelay: bool = True
    v6only: bool = True
    mode: int = 0o666
    scheme: str = "http"  # for people

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Binding:
        """The binding that the controller described."""
        return cls(**fields)

    @property
    def shared(self) -> bool:
        """One socket for all workers."""
        return self.admin or bool(self.unix) or self.fd >= 0

    @property
    def key(self) -> str:
        """Which socket it is: bindings with equal keys use the same one, whatever they are called."""
        if self.fd >= 0:
            return f"fd:{self.fd}"
        if self.unix:
            return f"unix:{self.unix}"
        any_port = f" {self.name}" if self.port == 0 else ""
        both = "" if self.v6only or ":" not in self.host else " and IPv4"
        return f"{'admin' if self.admin else 'tcp'}:{self.address}{both}{any_port}"

    @property
    def address(self) -> str:
        """The address as one writes it."""
        if self.fd >= 0:
            return f"fd:{self.fd}"
        if self.unix:
            return f"unix:{self.unix}"
        return join(self.host, self.port)


def join(host: str, port: int) -> str:
    """`host:port`, IPv6 addresses in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(slots=True)
class Bound:
    """The sockets of one binding by slot."""

    binding: Binding
    sockets: dict[int, socket.socket]

    @property
    def address(self) -> str:
        """Where it listens; tells the port that the kernel chose for port 0."""
        if self.binding.shared and not self.binding.admin:
            return self.binding.address
        if self.binding.unix:
            return self.binding.address
        host, port = next(iter(self.sockets.values())).getsockname()[:2]
        return join(host, port)


Table = dict[str, Bound]


@dataclass(slots=True)
class Change:
    """What a new set of bindings makes of the table: nothing of it counts before `Sockets.commit`."""

    table: Table
    added: list[socket.socket]


class Sockets:
    """The table that is in use, and the steps to another one."""

    def __init__(self) -> None:
        self.table: Table = {}

    def prepare(self, bindings: Iterable[Binding], slots: int) -> Change:
        """Bind what is missing. Raises BindError, with nothing left bound, when anything cannot be."""
        change = Change({}, [])
        reasons = []
        for binding in bindings:
            if binding.key in change.table:
                other = change.table[binding.key].binding.name
                reasons.append(f"{binding.name}: {binding.address} is the address of {other} already")
                continue
            old = self.table.get(binding.key)
            bound = Bound(binding, dict(old.sockets) if old else {})
            change.table[binding.key] = bound
            try:
                for slot, new in _missing(bound, slots):
                    bound.sockets[slot] = new
                    change.added.append(new)
            except OSError as error:
                reasons.append(
                    f"{binding.name}: cannot listen on {binding.address}: {self._explain(binding, error)}"
                )
        if reasons:
            self.abandon(change)
            raise BindError(reasons)
        return change

    def commit(self, change: Change) -> list[Bound]:
        """Use the new table. Returns what is no longer in it, for `close`."""
        gone = [bound for key, bound in self.table.items() if key not in change.table]
        self.table = change.table
        for bound in self.table.values():
            if bound.binding.fd < 0:
                for sock in bound.sockets.values():
                    _set_options(sock, bound.binding)
        return gone

    def abandon(self, change: Change) -> None:
        """Close what `prepare` bound."""
        for bound in change.table.values():
            if bound.binding.key not in self.table:
                _unlink(bound)
        for sock in change.added:
            sock.close()

    @staticmethod
    def close(gone: Iterable[Bound]) -> None:
        """Close sockets that no worker listens on any more."""
        for bound in gone:
            _unlink(bound)
            for sock in bound.sockets.values():
                sock.close()

    def close_all(self) -> None:
        """Stop listening everywhere."""
        self.close(self.table.values())
        self.table = {}

    def _explain(self, binding: Binding, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE and binding.port:
            for bound in self.table.values():
                if bound.address.endswith(f":{binding.port}"):
                    return (
                        f"{bound.binding.name} still listens on {bound.address}; "
                        "a change between overlapping addresses needs a restart"
                    )
        return _reason(binding, error)


def _reason(binding: Binding, error: OSError) -> str:
    """What it means and what to do, for people."""
    where = f"see `ss -ltnp 'sport = :{binding.port}'`" if binding.port else "see `ss -lxp`"
    right = "missing right; ports below 1024 need root or the capability CAP_NET_BIND_SERVICE"
    if binding.unix:
        right = "no right to create a socket in that folder"
    reasons = {
        errno.EADDRINUSE: f"it is in use by another process ({where}); is headgate running already?",
        errno.EACCES: right,
        errno.EPERM: right,
        errno.EADDRNOTAVAIL: "this machine has no such address",
        errno.EAFNOSUPPORT: "this machine has no IPv6",
        errno.EBADF: f"descriptor {binding.fd} was not passed to this process",
        errno.ENOENT: "its folder does not exist",
    }
    return reasons.get(error.errno or 0) or (error.strerror or str(error)).lower()


def _missing(bound: Bound, slots: int) -> Iterator[tuple[int, socket.socket]]:
    binding = bound.binding
    if binding.shared:
        if SHARED not in bound.sockets:
            yield SHARED, _inherited(binding) if binding.fd >= 0 else _shared(binding)
        return
    address = next(iter(bound.sockets.values())).getsockname() if bound.sockets else _claim(binding)
    for slot in range(slots):
        if slot not in bound.sockets:
            first = not bound.sockets
            sock = _tcp(binding, address, reuse_port=True)
            if first:
                # At once, so that a second instance sees it; the others when their worker serves.
                sock.listen(binding.backlog)
            yield slot, sock


def _claim(binding: Binding) -> Any:
    """Bind once without SO_REUSEPORT: another instance would silently share the port. Returns the address."""
    with _tcp(binding, _numeric(binding), reuse_port=False) as sock:
        return sock.getsockname()


def _numeric(binding: Binding) -> Any:
    found = socket.getaddrinfo(
        binding.host, binding.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
    )
    return found[0][4]


def _tcp(binding: Binding, address: Any, *, reuse_port: bool) -> socket.socket:
    family = socket.AF_INET6 if len(address) == 4 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, binding.v6only)
        _set_options(sock, binding)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _set_options(sock: socket.socket, binding: Binding) -> None:
    """What accepted connections inherit from their listening socket."""
    if sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, binding.nodelay)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, binding.keepalive)
    if binding.keepalive and hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, round(binding.keepalive_idle)))


def _shared(binding: Binding) -> socket.socket:
    sock = _tcp(binding, _numeric(binding), reuse_port=False) if not binding.unix else _unix(binding)
    sock.listen(binding.backlog)
    return sock


def _unix(binding: Binding) -> socket.socket:
    abstract = binding.unix.startswith("@")
    path = "\0" + binding.unix[1:] if abstract else binding.unix
    if not abstract:
        _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.bind(path)
        if not abstract:
            os.chmod(path, binding.mode)  # nobody can connect before listen()
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """Remove the socket that a killed process left behind; one that answers stays, and so does any file."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise OSError(errno.EEXIST, "there is a file of that name that is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except BlockingIOError:
            pass  # its queue is full: somebody listens; bind() says so


def _inherited(binding: Binding) -> socket.socket:
    sock = socket.socket(fileno=os.dup(binding.fd))
    try:
        os.set_inheritable(sock.fileno(), False)
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise OSError(errno.EINVAL, f"descriptor {binding.fd} is no listening socket")
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _unlink(bound: Bound) -> None:
    path = bound.binding.unix
    if path and not path.startswith("@") and bound.sockets:
        with contextlib.suppress(OSError):
            os.unlink(path)
