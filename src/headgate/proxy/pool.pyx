"""The connections of one worker to one endpoint.

Those of HTTP/1 are lent out whole, last in, first out. Those of HTTP/2 carry many exchanges each; a
further one is opened when all are full.
"""

import asyncio
import errno as _errno
import os
import socket as _socket
from collections import deque

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from headgate.core.cells cimport CONNECTIONS, OPEN, REJECTED
from headgate.core.output cimport Output
from headgate.core.tls cimport Tls
from headgate.core.tls import TlsFault
from headgate.proxy.connection cimport Connection, Register
from headgate.proxy.context cimport Context
from headgate.proxy.exchange cimport Exchange, Leg, Source
from headgate.proxy.snapshot cimport Endpoint
from headgate.proxy.http2 cimport Http2Stream
from headgate.proxy.http2_upstream cimport Http2Upstream, UpstreamStream
from headgate.proxy.upstream cimport Http1Upstream

from headgate.proxy.introduction import introduction


cdef extern from "../proxy/socket.h" nogil:
    bint hg_quiet(int fd)

cdef enum:
    HANDSHAKE_BYTES = 16384
    BEGUN_IN_A_TURN = 1         # connections, at some 100 us each


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
    if isinstance(error, CertificateFault):
        return 502, b"tls_certificate_error"
    if isinstance(error, TlsFault):
        return 502, b"tls_protocol_error"
    if isinstance(error, OSError):
        return 502, b"connection_refused"
    return 502, b"proxy_internal_error"


class CertificateFault(TlsFault):
    """The endpoint's certificate is not one to trust."""


cdef class Pool(Source):
    """Connections to one endpoint, idle ones and exchanges that wait for one."""

    def __init__(self, Context context, Register register, Endpoint endpoint, object service):
        self.context = context
        self.register = register
        self.endpoint = endpoint
        self.waiting = deque()
        self.tasks = set()
        self.introduced = set()
        self.shared = []
        self.multiplexed = endpoint.scheme == "h2c"
        self.known = endpoint.scheme != "https"
        self.configure(service, None)

    def configure(self, object service, object kept) -> None:
        """Take the options of a newer snapshot. `kept`: what connections to an endpoint with TLS are
        made with; None for a plain one, or when it is broken."""
        self.service = service
        self.kept = kept
        self.options = service.pool
        self.idle_timeout = service.pool.idle_timeout
        self.age = service.pool.age
        for connection in self.shared:
            (<Http2Upstream>connection).most_streams = service.pool.streams

    # --- Lending ---

    cdef Leg acquire(self, Exchange exchange):
        cdef Http1Upstream leg
        cdef Http2Upstream connection
        cdef Py_ssize_t most = self.options.connections
        if self.shared:
            connection = self.roomy()
            if connection is not None:
                if connection.takes(exchange.request):
                    return connection.new_stream()
                exchange.connect_failed(502, b"http_upgrade_failed")
                return None
        if not exchange.fresh:
            leg = self.take(not exchange.idempotent)
            if leg is not None:
                if self.service.proxy_protocol is not None:
                    self.introduce(leg, exchange)
                return leg
        if (most and self.open_count - self.idle_count + self.connecting >= most
                and <Py_ssize_t>len(self.waiting) - self.coming() >= self.options.waiting):
            self.endpoint.block.add(REJECTED, 1)
            exchange.connect_failed(503, b"connection_limit_reached")
            return None
        self.waiting.append((exchange, self.context.now + self.options.wait_timeout))
        self.open_more()
        return None

    cdef Http1Upstream take(self, bint once):
        """The connection that was used last and is not too old, or None. `once`: what it is for
        cannot be sent a second time, so that it had better not be one that the endpoint closed."""
        cdef Http1Upstream leg = self.newest
        while leg is not None:
            self.unlink(leg)
            if ((self.age <= 0 or self.context.now - leg.born < self.age)
                    and (not once or hg_quiet(leg.fd))):
                return leg
            leg.close()
            leg = self.newest
        return None

    cdef int forget(self, Exchange exchange) except -1:
        for place, entry in enumerate(self.waiting):
            if entry[0] is exchange:
                del self.waiting[place]
                break
        return 0

    cdef int release(self, Leg leg) except -1:
        """A connection that can carry an exchange: to whoever waits, else it rests."""
        cdef Http1Upstream mine
        if isinstance(leg, UpstreamStream):
            return self.release_shared(<Http2Upstream>(<UpstreamStream>leg).connection)
        mine = <Http1Upstream>leg
        if mine.reused and self.service.proxy_protocol is not None:
            return mine.close()
        if self.age > 0 and self.context.now - mine.born >= self.age:
            return mine.close()
        if self.serve(mine):
            return 0
        if self.retired or self.idle_count >= self.options.idle_connections:
            return mine.close()
        self.rest(mine)
        return self.open_more()

    cdef int keep_session(self, Tls tls) except -1:
        self.session = tls.session
        return 0

    cdef int rest(self, Http1Upstream leg) except -1:
        leg.deadline = self.context.now + self.idle_timeout
        leg.idle = True
        leg.older = self.newest
        if self.newest is not None:
            self.newest.newer = leg
        else:
            self.oldest = leg
        self.newest = leg
        self.idle_count += 1
        return 0

    cdef int serve(self, Http1Upstream leg) except -1:
        """Give the connection to the exchange that waits longest of those that take it. Whether one
        did."""
        cdef Exchange exchange
        for place, entry in enumerate(self.waiting):
            exchange = entry[0]
            if not (exchange.fresh and leg.reused):
                del self.waiting[place]
                if self.service.proxy_protocol is not None:
                    self.introduce(leg, exchange)
                exchange.connected(leg)
                return True
        return False

    cdef bytes introduction_of(self, Exchange exchange):
        """What the PROXY protocol says of this client."""
        cdef Leg down = exchange.down
        cdef int fd = (<Connection>down).fd if isinstance(down, Connection) else (<Http2Stream>down).connection.fd
        return introduction(self.service.proxy_protocol, exchange.peer, fd)

    cdef int introduce(self, Http1Upstream leg, Exchange exchange) except -1:
        """Begin a connection with the PROXY protocol: it serves this client and nobody else. With TLS that was
        said before hands were shaken."""
        if leg.tls is not None:
            return 0
        cdef bytes header = self.introduction_of(exchange)
        leg.open_output()
        return leg.codec.out.append(PyBytes_AS_STRING(header), PyBytes_GET_SIZE(header))

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

    cdef int left(self, Leg connection) except -1:
        """A connection is gone."""
        if isinstance(connection, Http2Upstream):
            self.unshare(<Http2Upstream>connection)
        else:
            self.unlink(<Http1Upstream>connection)
        self.open_count -= 1
        self.endpoint.block.subtract(OPEN, 1)
        return self.open_more()

    # --- Connections that carry many exchanges ---

    cdef Http2Upstream roomy(self):
        """The first connection that takes one more exchange: few full ones are cheaper than many."""
        cdef Http2Upstream connection
        for connection in self.shared:
            if connection.room() > 0 and not self.too_old(connection):
                return connection
        return None

    cdef bint too_old(self, Http2Upstream connection) noexcept:
        return self.age > 0 and self.context.now - connection.born >= self.age

    cdef int lend(self, Http2Upstream connection, Exchange exchange) except -1:
        """Let an exchange that waited have a stream."""
        cdef UpstreamStream stream
        if not connection.takes(exchange.request):
            return exchange.connect_failed(502, b"http_upgrade_failed")
        stream = connection.new_stream()
        try:
            return exchange.connected(stream)
        except Exception:
            return stream.own_error(exchange)

    cdef int serve_shared(self) except -1:
        """Give streams to those who wait, as long as there are any."""
        cdef Http2Upstream connection
        while self.waiting:
            connection = self.roomy()
            if connection is None:
                return self.open_more()
            self.lend(connection, self.waiting.popleft()[0])
        return 0

    cdef int opened(self, Leg connection) except -1:
        self.greeting -= 1
        self.serve_shared()
        return self.release_shared(<Http2Upstream>connection)

    cdef int changed(self, Leg connection) except -1:
        return self.serve_shared()

    cdef int release_shared(self, Http2Upstream connection) except -1:
        """A stream is free again: for whoever waits; else the connection may rest."""
        cdef Http2Upstream other
        cdef Py_ssize_t idle = 0
        if self.waiting:
            self.serve_shared()
        if connection.streams or connection.leaving:
            return 0
        for other in self.shared:
            idle += not other.streams and other.ready
        if self.retired or idle > self.options.idle_connections or self.too_old(connection):
            return connection.retire()
        if not connection.write_blocked:
            connection.deadline = self.context.now + self.idle_timeout
        return 0

    cdef int unshare(self, Http2Upstream connection) except -1:
        self.shared.remove(connection)
        if not connection.ready:
            self.greeting -= 1
            self.refuse_unserved(connection.fault_status, connection.fault)
        return 0

    cdef int refuse_unserved(self, int status, bytes reason) except -1:
        """A connection for many came to nothing: tell those for whom no other is on its way."""
        cdef Py_ssize_t count = len(self.waiting) - self.coming()
        while count > 0 and self.waiting:
            self.refuse(len(self.waiting) - count, status, reason)
            count -= 1
        return 0

    # --- Opening ---

    cdef Py_ssize_t coming(self) noexcept:
        """Exchanges that the connections will carry which are being opened."""
        if not self.multiplexed:
            return self.connecting
        return (self.connecting + self.greeting) * <Py_ssize_t>self.options.streams

    cdef int open_more(self) except -1:
        """Open a connection for everybody who waits, as far as the limit allows. An idle one that is
        not fresh enough for any of them makes room."""
        cdef Py_ssize_t most = self.options.connections
        cdef Http1Upstream leg
        while self.coming() < <Py_ssize_t>len(self.waiting):
            if not self.known and self.connecting:
                return 0                # one of HTTP/2 may do for all
            if most and self.open_count + self.connecting >= most:
                leg = self.oldest
                if leg is None:
                    return 0
                self.unlink(leg)
                return leg.close()      # left() goes on here
            self.connecting += 1
            self.deferred += 1
        return self._begin_some()

    cdef int _begin_some(self) except -1:
        """Begin connections in this turn of the event loop, as many as it may bear: one client may want a
        hundred at once, and others would wait for them all."""
        cdef Exchange exchange = None
        cdef bytes header = b""
        while self.deferred and self.begun < BEGUN_IN_A_TURN:
            self.deferred -= 1
            if not self.multiplexed and self.connecting > <Py_ssize_t>len(self.waiting):
                self.connecting -= 1        # whoever wanted it has left
                continue
            if self.endpoint.scheme == "https" and self.service.proxy_protocol is not None:
                exchange = self._next_introduced()
                if exchange is None:
                    self.connecting -= 1
                    continue
                header = self.introduction_of(exchange)
            if not self.begun:
                self.context.loop.call_soon(self._next_turn)
            self.begun += 1
            task = self.context.loop.create_task(self._connect(exchange, header))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return 0

    def _next_turn(self) -> None:
        self.begun = 0
        self._begin_some()

    cdef Exchange _next_introduced(self):
        """The exchange that a new connection is for, whose client has to be told before hands are shaken."""
        cdef Exchange exchange
        for entry in self.waiting:
            exchange = entry[0]
            if exchange not in self.introduced:
                self.introduced.add(exchange)
                return exchange
        return None

    async def _connect(self, Exchange exchange, bytes header) -> None:
        """Open a connection for whoever waits longest, or for `exchange` alone, introduced with `header`."""
        fault = None
        opened = None
        try:
            async with asyncio.timeout(self.options.connect_timeout):
                opened = await self._opened(header)
        except (OSError, TimeoutError, TlsFault) as error:
            fault = connect_fault(error)
        except Exception as error:
            self.context.own_error("a connection could not be opened")
            fault = connect_fault(error)
        finally:
            self.connecting -= 1
            self.introduced.discard(exchange)
        self.context.tick()
        try:
            if exchange is not None:
                self._introduced(exchange, fault, opened)
            elif fault is None:
                self.begin(opened[0], <Tls>opened[1], <bytes>opened[2])
            elif self.multiplexed:
                self.refuse_unserved(fault[0], fault[1])
            elif self.waiting:
                self.refuse(0, fault[0], fault[1])
            self.open_more()
        except Exception:
            self.context.own_error("a new connection, or the want of one, could not be handled")

    cdef int _introduced(self, Exchange exchange, tuple fault, tuple opened) except -1:
        """A connection came about, or did not, that is for this exchange and for no other."""
        for place, entry in enumerate(self.waiting):
            if entry[0] is exchange:
                break
        else:
            if fault is None:
                os.close(opened[0])     # it left meanwhile
            return 0
        if fault is not None:
            return self.refuse(place, fault[0], fault[1])
        del self.waiting[place]
        self.waiting.appendleft(entry)      # a new connection is given to the first one
        return self.begin(opened[0], <Tls>opened[1], <bytes>opened[2])

    async def _opened(self, header: bytes) -> tuple[int, object, bytes]:
        """A connected descriptor; the TLS on it, or None, and what the endpoint said first. `header`: what is
        said before everything else."""
        sock = await self._connected()
        secured = (None, b"")
        try:
            if header:
                await self.context.loop.sock_sendall(sock, header)
            if self.endpoint.scheme == "https":
                secured = await self._secured(sock)
        except BaseException:
            sock.close()
            raise
        return sock.detach(), *secured

    async def _connected(self) -> _socket.socket:
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
                await self._reach(sock, target)
            else:
                await self.context.loop.sock_connect(sock, target)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _reach(self, sock: _socket.socket, target: tuple[str, int]) -> None:
        """Connect to an IP address, which the loop's own way would look up in a thread as if it were a name.
        Raises OSError."""
        error = sock.connect_ex(target)
        if error == _errno.EINPROGRESS:
            await self._writable(sock.fileno())
            error = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))

    async def _writable(self, fd: int) -> None:
        loop = self.context.loop
        ready = loop.create_future()
        loop.add_writer(fd, lambda: ready.done() or ready.set_result(None))
        try:
            await ready
        finally:
            loop.remove_writer(fd)

    async def _secured(self, sock: _socket.socket) -> tuple[Tls, bytes]:
        """Shake hands. What the connection speaks TLS with, and what the endpoint said behind it.
        Raises TlsFault and OSError."""
        cdef Tls tls
        cdef Output out = Output()
        if self.kept is None:
            raise CertificateFault("the certificates for this service cannot be used")
        tls = Tls(self.kept.context, server=False, session=self.session,
                  server_name=self.service.tls.server_name or self.endpoint.host)
        data = b""
        early = None
        while early is None:
            try:
                if tls.shake(data, out):
                    early = tls.receive(b"", out)
            except TlsFault as error:
                self.context.log.debug("endpoint %s: %s", self.endpoint.name.decode(), error)
                raise (CertificateFault if tls.verify_error else TlsFault)(str(error)) from None
            finally:
                said = out.take()
                if said:
                    await self.context.loop.sock_sendall(sock, said)
            if early is None:
                data = await self.context.loop.sock_recv(sock, HANDSHAKE_BYTES)
                if not data:
                    raise TlsFault("the endpoint closed the connection while hands were shaken")
        return tls, early

    cdef int begin(self, int fd, Tls tls, bytes early) except -1:
        """Use a new connection. `early`: what came behind the handshake."""
        cdef Http1Upstream leg
        self.known = True
        if tls is not None:
            self.multiplexed = tls.alpn == b"h2"
        if self.multiplexed:
            return self.begin_shared(fd, tls, early)
        leg = Http1Upstream(self.context, self.register, self)
        leg.tls = tls
        self.open_count += 1
        self.endpoint.block.add(OPEN, 1)
        self.endpoint.block.add(CONNECTIONS, 1)
        try:
            leg.open(fd)
            if early:
                return leg.close_hard()     # nobody asked
            return self.release(leg)
        except Exception:
            return leg.own_error("a new connection could not be used", None)

    cdef int begin_shared(self, int fd, Tls tls, bytes early) except -1:
        """Greet the endpoint; opened() follows, or left()."""
        cdef Http2Upstream connection = Http2Upstream(
            self.context, self.register, self, b"http" if tls is None else b"https", self.options)
        connection.tls = tls
        self.open_count += 1
        self.greeting += 1
        self.shared.append(connection)
        self.endpoint.block.add(OPEN, 1)
        self.endpoint.block.add(CONNECTIONS, 1)
        try:
            connection.open(fd)
            connection.greet()
            if early:
                return connection.received(PyBytes_AS_STRING(early), PyBytes_GET_SIZE(early))
            return 0
        except Exception:
            return connection.own_error("a new connection could not be used", None)

    cdef int refuse(self, Py_ssize_t place, int status, bytes reason) except -1:
        """Tell an exchange that waits that there is no connection."""
        cdef Exchange exchange = self.waiting[place][0]
        del self.waiting[place]
        try:
            return exchange.connect_failed(status, reason)
        except Exception:
            self.context.own_error("an exchange could not be told that there is no connection")
        return exchange.break_off(b"proxy_internal_error")

    # --- Time ---

    def sweep(self) -> None:
        """Exchanges for which no connection is being opened give up in time. Called a few times a
        second."""
        cdef Py_ssize_t coming = self.coming()
        while len(self.waiting) > coming and self.waiting[coming][1] <= self.context.now:
            self.endpoint.block.add(REJECTED, 1)
            self.refuse(coming, 503, b"connection_limit_reached")
            coming = self.coming()

    def retire(self) -> None:
        """No new exchange will come: who waits is still served, then connections are closed."""
        self.retired = True
        self.close_idle()

    def close_idle(self) -> None:
        cdef Http1Upstream leg = self.newest
        cdef Http2Upstream connection
        for connection in list(self.shared):
            if connection.ready and not connection.streams:
                connection.retire()
        while leg is not None:
            self.unlink(leg)
            leg.close()
            leg = self.newest

    def cancel(self) -> None:
        """Stop opening connections."""
        self.connecting -= self.deferred
        self.deferred = 0
        for task in list(self.tasks):
            task.cancel()

    @property
    def busy(self) -> bool:
        """Whether connections are open, being opened or waited for."""
        return bool(self.open_count or self.connecting or self.waiting)

    @property
    def idle(self) -> int:
        return self.idle_count + sum(
            (<Http2Upstream>connection).ready and not (<Http2Upstream>connection).streams
            for connection in self.shared)

    @property
    def opened(self) -> int:
        return self.open_count
