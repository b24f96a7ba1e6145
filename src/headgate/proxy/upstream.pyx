"""The endpoint's side of an exchange over HTTP/1.1: a connection that pools lend out."""

from libc.math cimport INFINITY

from headgate.core.cells cimport CONNECTIONS, OPEN
from headgate.core.events cimport (
    CLOSING, DATA, RESET, RESPONSE_HEAD, TRAILERS, VIOLATION, Data, Event, Violation,
)
from headgate.core.head cimport Head
from headgate.core.http1 cimport READ_LENGTH, Http1Client
from headgate.proxy.connection cimport Connection, Register
from headgate.proxy.context cimport Context
from headgate.proxy.exchange cimport Exchange


cdef class Http1Upstream(Connection):
    """A connection to an endpoint."""

    def __init__(self, Context context, Register register, object pool):
        self.context = context
        self.register = register
        self.pool = pool
        self.client = Http1Client(None)
        self.client.out = None
        self.codec = self.client
        self.born = self.context.now

    cdef int received(self, const char* data, Py_ssize_t size) except -1:
        cdef Event event
        cdef Exchange exchange
        if self.closed:
            return 0
        if self.exchange is None:
            # RFC 9112 section 9.2: nobody asked, so nobody gets it.
            return self.close_hard()
        self.context.tick()
        for event in self.client.feed(data, size):
            self.handle(event)
        exchange = self.exchange
        if exchange is not None:
            exchange.down.flush()
            if self.client.reading == READ_LENGTH and exchange.route.limits.buffer_response == 0:
                self.move_to(<Connection>exchange.down)
        return 0

    cdef int handle(self, Event event) except -1:
        cdef Exchange exchange = self.exchange
        if exchange is None:
            return 0
        if event.kind == RESPONSE_HEAD:
            return exchange.response_head(<Head>event)
        if event.kind == DATA:
            if exchange.tunnel:
                return exchange.tunnel_data(self, <Data>event)
            return exchange.response_data(<Data>event)
        if event.kind == TRAILERS:
            return exchange.response_trailers(<Head>event)
        if event.kind == VIOLATION:
            exchange.detail = (<Violation>event).reason.encode()
            return exchange.upstream_closed(502, b"http_protocol_error")
        if event.kind == RESET:
            return exchange.upstream_closed(502, b"http_response_incomplete")
        if event.kind == CLOSING:
            return exchange.upstream_closed(0, b"connection_terminated")
        return 0

    cdef int ended(self) except -1:
        cdef Event event
        cdef Exchange exchange
        if self.closed:
            return 0
        if self.exchange is None:
            return self.close()
        self.context.tick()
        for event in self.client.feed_end():
            self.handle(event)
        exchange = self.exchange
        if exchange is not None:
            if not exchange.tunnel:
                return exchange.upstream_closed(0, b"connection_terminated")
            exchange.down.flush()
        return 0

    def start(self, int fd) -> None:
        """Take over a connected socket."""
        self.open(fd)

    cdef int gone(self) except -1:
        cdef Exchange exchange = self.exchange
        if exchange is None:
            return 0
        self.context.tick()
        if exchange.tunnel:
            return exchange.fail(502, b"connection_terminated")
        if exchange.response_started or self.client.head is not None:
            return exchange.upstream_closed(502, b"http_response_incomplete")
        return exchange.upstream_closed(0, b"connection_terminated")

    cdef int left(self) except -1:
        self.pool.left(self)
        return 0

    cdef int moved(self, Py_ssize_t size, bint last) except -1:
        cdef Exchange exchange = self.exchange
        if exchange is not None:
            return exchange.response_moved(size, last)
        return 0

    cdef int lost_while_paused(self) except -1:
        """A reset: what it sent before is still to be read, so the end shows when reading goes on."""
        return 0

    # --- The leg of an exchange ---

    cdef int send_head(self, Head head) except -1:
        if self.closed:
            return 0
        self.open_output()
        return self.client.send_request(head)

    cdef int finish(self) except -1:
        """The exchange is over: lend the connection out again when both sides ended clean."""
        if self.closed:
            return 0
        if self.write_blocked:
            return self.close_hard()
        self.resume()
        self.client.next_message()
        self.reused = True
        if self.client.persistent:
            self.pool.release(self)
            return 0
        return self.close()

    cdef int abort(self) except -1:
        return self.close_hard()

    # --- Time ---

    cdef int expire(self) except -1:
        cdef Exchange exchange = self.exchange
        if exchange is None:
            return self.close()
        if self.write_blocked:
            return exchange.upstream_closed(504, b"connection_write_timeout")
        if exchange.response_started:
            return exchange.upstream_closed(504, b"connection_read_timeout")
        return exchange.upstream_closed(504, b"http_response_timeout")

    def drop(self) -> None:
        """Close an idle connection."""
        self.close()
