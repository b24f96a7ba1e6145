"""The connections of one worker to one endpoint: lent out last in, first out."""

import asyncio
import errno as _errno
import socket as _socket
from collections import deque

from headgate.core.cells cimport CONNECTIONS, OPEN, REJECTED
from headgate.proxy.connection cimport Register
from headgate.proxy.context cimport Context
from headgate.proxy.exchange cimport Exchange, Leg, Source
from headgate.proxy.snapshot cimport Endpoint
from headgate.proxy.upstream cimport Http1Upstream


def connect_fault(error: BaseException) -> tuple[int, bytes]:
    """The status and the error type (RFC 9209 section 2.3) of a failed connect."""
    if isinstance(error, TimeoutError):
        return 504, b"connection_timeout"
    code = getattr(error, "errno", None)
    if code in (_errno.EHOSTUNREACH, _errno.ENETUNREACH, _errno.EADDRNOTAVAIL):
        return 502, b"destination_ip_unroutable"
    if code in (_errno.EMFILE, _errno.ENFILE):
        return 503, b"connection_limit_reached"
    if isinstance(error, _socket.gaierror):
        return 502, b"dns_error"
    return 502, b"connection_refused"


cdef class Pool(Source):
    """Connections to one endpoint, idle ones and exchanges that wait for one."""

    def __init__(self, Context context, Register register, Endpoint endpoint, object service):
        self.context = context
        self.register = register
        self.endpoint = endpoint
        self.waiting = deque()
        self.tasks = set()
        self.configure(service)

    def configure(self, object service) -> None:
        """Take the options of a newer snapshot."""
        self.service = service
        self.options = service.pool
        self.idle_timeout = service.pool.idle_timeout
        self.age = service.pool.age

    # --- Lending ---

    cdef Leg acquire(self, Exchange exchange):
        cdef Http1Upstream leg
        if not exchange.fresh:
            leg = self.take()
            if leg is not None:
                return leg
        if len(self.waiting) >= self.options.waiting:
            self.endpoint.block.add(REJECTED, 1)
            exchange.connect_failed(503, b"connection_limit_reached")
            return None
        self.waiting.append((exchange, self.context.now + self.options.wait_timeout))
        if self.may_open():
            self._open()
        return None

    cdef bint may_open(self) except -1:
        """Whether one more connection should be opened: somebody waits for it and the limit allows."""
        cdef Py_ssize_t most = self.options.connections
        return (self.connecting < <Py_ssize_t>len(self.waiting)
                and (most == 0 or self.open_count + self.connecting < most))

    cdef Http1Upstream take(self):
        """The connection that was used last and is not too old, or None."""
        cdef Http1Upstream leg = self.newest
        while leg is not None:
            self.unlink(leg)
            if self.age <= 0 or self.context.now - leg.born < self.age:
                return leg
            leg.close()
            leg = self.newest
        return None

    cdef int forget(self, Exchange exchange) except -1:
        for entry in self.waiting:
            if entry[0] is exchange:
                self.waiting.remove(entry)
                break
        return 0

    def release(self, Http1Upstream leg) -> None:
        """A connection whose exchange is over: to whoever waits, else it rests."""
        if self.age > 0 and self.context.now - leg.born >= self.age:
            leg.close()
        elif not self.serve(leg):
            if self.idle_count >= self.options.idle_connections:
                leg.close()
                return
            leg.deadline = self.context.now + self.idle_timeout
            leg.idle = True
            leg.older = self.newest
            if self.newest is not None:
                self.newest.newer = leg
            else:
                self.oldest = leg
            self.newest = leg
            self.idle_count += 1

    cdef int serve(self, Http1Upstream leg) except -1:
        """Give the connection to the exchange that waits longest. Whether one did."""
        cdef Exchange exchange
        if not self.waiting:
            return False
        exchange = self.waiting[0][0]
        if exchange.fresh and leg.reused:
            return False
        self.waiting.popleft()
        exchange.connected(leg)
        return True

    cdef int unlink(self, Http1Upstream leg) except -1:
        if not leg.idle:
            return 0
        if leg.newer is not None:
            leg.newer.older = leg.older
        else:
            self.newest = leg.older
        if leg.older is not None:
            leg.older.newer = leg.newer
        else:
            self.oldest = leg.newer
        leg.newer = leg.older = None
        leg.idle = False
        self.idle_count -= 1
        return 0

    def left(self, Http1Upstream leg) -> None:
        """A connection is gone."""
        self.unlink(leg)
        self.open_count -= 1
        self.endpoint.block.subtract(OPEN, 1)
        while self.may_open():
            self._open()

    # --- Opening ---

    def _open(self) -> None:
        self.connecting += 1
        task = self.context.loop.create_task(self._connect())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _connect(self) -> None:
        cdef Http1Upstream leg
        try:
            async with asyncio.timeout(self.options.connect_timeout):
                fd = await self._connected()
        except (OSError, TimeoutError) as error:
            self.connecting -= 1
            self._failed(*connect_fault(error))
            return
        self.connecting -= 1
        self.context.tick()
        leg = Http1Upstream(self.context, self.register, self)
        leg.start(fd)
        self.open_count += 1
        self.endpoint.block.add(OPEN, 1)
        self.endpoint.block.add(CONNECTIONS, 1)
        try:
            self.release(leg)
        except Exception:
            self.context.own_error("a new connection could not be used")
            leg.close_hard()

    async def _connected(self) -> int:
        """A connected socket that does not block."""
        address = self.endpoint.address
        target: object
        if address.unix:
            family = _socket.AF_UNIX
            target = address.unix if not address.unix.startswith("@") else "\0" + address.unix[1:]
        else:
            family = _socket.AF_INET6 if ":" in address.host else _socket.AF_INET
            target = (address.host, address.port)
        sock = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK)
        try:
            if family != _socket.AF_UNIX:
                sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, self.service.nodelay)
                sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, self.service.keepalive)
            await self.context.loop.sock_connect(sock, target)
        except BaseException:
            sock.close()
            raise
        return sock.detach()

    def _failed(self, status: int, reason: bytes) -> None:
        """The exchange that waits longest learns that there is no connection."""
        cdef Exchange exchange
        if not self.waiting:
            return
        exchange = self.waiting.popleft()[0]
        self.context.tick()
        try:
            exchange.connect_failed(status, reason)
        except Exception:
            self.context.own_error("a failed connect could not be handled")

    # --- Time ---

    def sweep(self) -> None:
        """Exchanges that waited too long give up. Called a few times a second."""
        cdef Exchange exchange
        while self.waiting and self.waiting[0][1] <= self.context.now:
            exchange = self.waiting.popleft()[0]
            self.endpoint.block.add(REJECTED, 1)
            exchange.connect_failed(503, b"connection_limit_reached")

    def close_idle(self) -> None:
        """Nobody will ask for this endpoint again."""
        while self.newest is not None:
            leg = self.newest
            self.unlink(leg)
            leg.drop()

    def cancel(self) -> None:
        for task in list(self.tasks):
            task.cancel()

    @property
    def idle(self) -> int:
        return self.idle_count

    @property
    def opened(self) -> int:
        return self.open_count
