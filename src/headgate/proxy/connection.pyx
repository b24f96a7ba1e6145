"""A connection: transport, codec and deadline. What both sides of the proxy share.

Bytes are received into one buffer for the whole worker and sent straight to the socket; the
transport of the event loop takes over what the socket does not take at once. So a connection that
waits holds no buffer.
"""

import socket as _socket
import struct

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport EAGAIN, EINTR, errno
from libc.math cimport INFINITY
from libc.stdlib cimport free, malloc, realloc

from headgate.core.head cimport Head
from headgate.core.http1 cimport Http1
from headgate.core.output cimport Output, Piece
from headgate.proxy.context cimport Context
from headgate.proxy.exchange cimport Exchange, Leg


cdef extern from "../proxy/socket.h" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len
    struct msghdr:
        iovec* msg_iov
        size_t msg_iovlen
    struct pollfd:
        int fd
        short events
        short revents
    ssize_t send(int fd, const void* data, size_t size, int flags)
    ssize_t sendmsg(int fd, const msghdr* message, int flags)
    int poll(pollfd* fds, unsigned long count, int timeout)
    int MSG_NOSIGNAL
    int MSG_DONTWAIT
    short POLLERR
    short POLLHUP
    short POLLRDHUP

cdef enum:
    RECEIVE_BYTES = 65536       # bounds what one exchange holds in each direction
    MOST_PIECES = 64

_LINGER_RESET = struct.pack("ii", 1, 0)

# Every read of a worker goes here; what must live longer is copied before the next read.
cdef object _receive_buffer = bytearray(RECEIVE_BYTES)
cdef object _receive_view = memoryview(_receive_buffer)
cdef char* _receive_bytes = PyByteArray_AS_STRING(_receive_buffer)


cdef class Register:
    """The open connections of a worker; each knows its place, so that leaving costs nothing."""

    def __init__(self, Context context):
        self.context = context
        self.capacity = 64
        self.entries = <void**>malloc(self.capacity * sizeof(void*))
        if self.entries == NULL:
            raise MemoryError()

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.count):
            Py_DECREF(<object>self.entries[i])
        free(self.entries)

    def __len__(self) -> int:
        return self.count

    cdef int add(self, Connection connection) except -1:
        cdef void** grown
        if self.count == self.capacity:
            grown = <void**>realloc(self.entries, 2 * self.capacity * sizeof(void*))
            if grown == NULL:
                raise MemoryError()
            self.entries = grown
            self.capacity *= 2
        Py_INCREF(connection)
        self.entries[self.count] = <void*>connection
        connection.place = self.count
        self.count += 1
        return 0

    cdef void remove(self, Connection connection) noexcept:
        cdef Py_ssize_t place = connection.place
        if place < 0:
            return
        self.count -= 1
        self.entries[place] = self.entries[self.count]
        (<Connection>self.entries[place]).place = place
        connection.place = -1
        Py_DECREF(connection)

    def sweep(self, double elapsed) -> None:
        """Look at every deadline. `elapsed`: seconds since the last sweep."""
        cdef double now = self.context.tick()
        cdef Py_ssize_t i = self.count - 1
        cdef Connection connection
        while i >= 0:
            if i < self.count:
                connection = <Connection>self.entries[i]
                try:
                    connection.sweep(now, elapsed)
                except Exception:
                    self.context.own_error("a deadline could not be handled")
                    connection.close_hard()
            i -= 1

    def connections(self) -> list[Connection]:
        return [<Connection>self.entries[i] for i in range(self.count)]


cdef class Connection(Leg):
    """One TCP or unix connection that speaks HTTP/1. A buffered protocol of asyncio."""

    def __cinit__(self):
        self.place = -1
        self.fd = -1
        self.deadline = INFINITY

    # --- What the event loop calls ---

    def connection_made(self, transport: object) -> None:
        self.transport = transport
        self.fd = transport.get_extra_info("socket").fileno()
        # Whatever the socket does not take at once stops the other side.
        transport.set_write_buffer_limits(0)
        self.register.add(self)

    def get_buffer(self, size_hint: int) -> memoryview:
        return _receive_view

    def buffer_updated(self, Py_ssize_t size) -> None:
        try:
            self.received(_receive_bytes, size)
        except Exception:
            self._own_error("received bytes could not be handled")

    def data_received(self, bytes data) -> None:
        """For asyncio's own loop, which knows buffered protocols by a base class that this cannot have."""
        try:
            self.received(PyBytes_AS_STRING(data), len(data))
        except Exception:
            self._own_error("received bytes could not be handled")

    def eof_received(self) -> bool:
        """The peer sends no more; the connection stays open until this side decides."""
        try:
            self.ended()
        except Exception:
            self._own_error("an end of input could not be handled")
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.register.remove(self)
        self.closed = True
        self.transport = None
        self.fd = -1
        try:
            self.lost(error)
        except Exception:
            self.context.own_error("a lost connection could not be handled")
        self.codec = None

    def pause_writing(self) -> None:
        cdef Exchange exchange
        self.write_blocked = True
        self.last_backlog = self.backlog()
        exchange = self.exchange
        if exchange is not None:
            if exchange.route is not None:
                self.deadline = self.context.now + exchange.route.limits.response_idle_timeout
            try:
                exchange.writable(self, False)
            except Exception:
                self._own_error("a full socket could not be handled")

    def resume_writing(self) -> None:
        cdef Exchange exchange = self.exchange
        self.write_blocked = False
        self.deadline = INFINITY
        if exchange is None:
            return
        self.context.tick()
        try:
            exchange.writable(self, True)
        except Exception:
            self._own_error("a socket that drained could not be handled")

    def _own_error(self, what: str) -> None:
        cdef Exchange exchange = self.exchange
        self.context.own_error(what)
        if exchange is not None:
            exchange.client_gone(b"proxy_internal_error")
        self.close_hard()

    # --- What the exchange calls ---

    cdef int open_output(self) except -1:
        if self.codec.out is None:
            self.codec.out = self.context.take_output()
        return 0

    cdef int send_data(self, const char* data, Py_ssize_t size, bint last) except -1:
        if self.closed:
            return 0
        self.open_output()
        return self.codec.send_data(data, size, last)

    cdef int send_trailers(self, Head head) except -1:
        if self.closed:
            return 0
        self.open_output()
        return self.codec.send_trailers(head)

    cdef int flush(self) except -1:
        """Send what is queued; borrowed bytes are not needed afterwards."""
        cdef Output out
        cdef Py_ssize_t sent
        if self.closed or self.codec is None or self.codec.out is None:
            return 0
        out = self.codec.out
        self.codec.out = None
        if out.total:
            if self.write_blocked:
                self.transport.write(out.rest(0))
            else:
                sent = _send(self.fd, out)
                if 0 <= sent < <Py_ssize_t>out.total:
                    self.transport.write(out.rest(sent))
        self.context.give_output(out)
        return 0

    cdef Py_ssize_t backlog(self) except -1:
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    cdef int pause(self) except -1:
        if not self.read_paused and not self.closed:
            self.read_paused = True
            self.transport.pause_reading()
        return 0

    cdef int resume(self) except -1:
        if self.read_paused and not self.closed:
            self.read_paused = False
            self.transport.resume_reading()
        return 0

    cdef int end_tunnel(self) except -1:
        self.flush()
        if not self.closed and self.transport.can_write_eof():
            self.transport.write_eof()
        return 0

    # --- Closing ---

    cdef int close(self) except -1:
        """Send what is queued, then close."""
        if self.closed:
            return 0
        self.flush()
        self.closed = True
        self.deadline = INFINITY
        self.transport.close()
        return 0

    cdef int close_hard(self) except -1:
        """Reset: the peer must not take what it has for everything."""
        if self.transport is None:
            return 0
        self.closed = True
        self.deadline = INFINITY
        sock = self.transport.get_extra_info("socket")
        if sock is not None and self.fd >= 0:
            try:
                sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, _LINGER_RESET)
            except OSError:
                pass        # already disconnected: there is nothing to reset
        self.transport.abort()
        return 0

    # --- What each side fills in ---

    cdef int received(self, const char* data, Py_ssize_t size) except -1:
        raise NotImplementedError

    cdef int ended(self) except -1:
        raise NotImplementedError

    cdef int lost(self, object error) except -1:
        raise NotImplementedError

    cdef int expire(self) except -1:
        raise NotImplementedError

    cdef int sweep(self, double now, double elapsed) except -1:
        """Called a few times a second."""
        cdef Py_ssize_t backlog
        if self.read_paused and not self.closed and _hung_up(self.fd, not self.tunnelled()):
            return self.lost_while_paused()
        if self.deadline > now:
            return 0
        if self.write_blocked:
            backlog = self.backlog()
            if backlog < self.last_backlog and self.exchange is not None:
                # Slow, but it takes bytes: the idle time begins anew.
                self.last_backlog = backlog
                self.deadline = now + self.exchange.route.limits.response_idle_timeout
                return 0
        self.deadline = INFINITY
        return self.expire()

    cdef bint tunnelled(self) noexcept:
        return self.exchange is not None and self.exchange.tunnel

    cdef int lost_while_paused(self) except -1:
        """The peer left while nothing was read from it."""
        self.close_hard()
        return 0


cdef bint _hung_up(int fd, bint half) noexcept:
    """Whether the peer reset the connection, or with `half` closed its sending side."""
    cdef pollfd entry
    entry.fd = fd
    entry.events = POLLRDHUP if half else 0
    entry.revents = 0
    if poll(&entry, 1, 0) <= 0:
        return False
    return entry.revents & (POLLERR | POLLHUP | POLLRDHUP) != 0


cdef Py_ssize_t _send(int fd, Output out) except -2:
    """Bytes that the socket took at once. After a hard error everything counts as taken: what the
    peer still had to say, and that it is gone, comes from reading."""
    cdef iovec parts[MOST_PIECES]
    cdef msghdr message
    cdef int count = 0
    cdef int i
    cdef Piece* piece
    cdef ssize_t sent
    if out.piece_count == 0:
        sent = send(fd, out.buffer, out.size, MSG_NOSIGNAL | MSG_DONTWAIT)
    else:
        for i in range(out.piece_count if out.piece_count < MOST_PIECES else MOST_PIECES):
            piece = &out.pieces[i]
            parts[i].iov_base = <void*>(piece.data if piece.data != NULL else out.buffer + piece.start)
            parts[i].iov_len = piece.size
            count += 1
        if out.size > out.tail and count < MOST_PIECES:
            parts[count].iov_base = out.buffer + out.tail
            parts[count].iov_len = out.size - out.tail
            count += 1
        _clear(&message)
        message.msg_iov = parts
        message.msg_iovlen = count
        sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT)
    if sent < 0:
        return 0 if errno in (EAGAIN, EINTR) else <Py_ssize_t>out.total
    return sent


cdef inline void _clear(msghdr* message) noexcept:
    cdef char* p = <char*>message
    cdef size_t i
    for i in range(sizeof(msghdr)):
        p[i] = 0
