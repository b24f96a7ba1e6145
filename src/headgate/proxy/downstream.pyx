"""The client's side of an exchange over HTTP/1.1: one exchange after the other on a connection."""

from libc.math cimport INFINITY

from headgate.core.cells cimport (
    CONNECTIONS, OPEN, REJECTED, WORKER_CLIENT_LIMIT, WORKER_CONNECTIONS, WORKER_VIOLATIONS,
)
from headgate.core.events cimport (
    CLOSING, DATA, REQUEST_HEAD, RESET, TRAILERS, VIOLATION, Data, Event, Violation,
)
from headgate.core.head cimport Head
from headgate.core.http1 cimport READ_HEAD, READ_HELD, WRITE_TO_END, WRITE_TUNNEL, Http1Server
from headgate.proxy.connection cimport Connection, Register
from headgate.proxy.context cimport Context
from headgate.proxy.exchange cimport Exchange, new_exchange
from headgate.proxy.forwarding cimport Peer
from headgate.proxy.snapshot cimport Listener

cdef enum:
    HELD_BYTES = 16384          # pipelined input that is kept before reading stops

cdef double LINGER_SECONDS = 2.0


cdef class Http1Downstream(Connection):
    """A client's connection. `port` is told when it opens and closes."""

    def __init__(self, Context context, Register register, object port):
        self.context = context
        self.register = register
        self.port = port

    def connection_made(self, transport: object) -> None:
        Connection.connection_made(self, transport)
        self.context.tick()
        self.listener = self.port.listener
        self.server = Http1Server(None, self.listener.head_bytes, self.listener.head_fields,
                                  self.context.snapshot.path_policy)
        self.server.out = None
        self.codec = self.server
        self.peer = Peer(transport.get_extra_info("peername"))
        self.listener.block.add(CONNECTIONS, 1)
        self.listener.block.add(OPEN, 1)
        self.context.block.add(WORKER_CONNECTIONS, 1)
        # A browser opens connections ahead of need: one that has sent nothing yet is only idle.
        self.deadline = self.context.now + self.listener.keep_alive_timeout
        if not self.port.opened(self.peer.text):
            self.context.block.add(WORKER_CLIENT_LIMIT, 1)
            self.listener.block.add(REJECTED, 1)
            self.refuse(429, "too many connections from this address")

    # --- Events ---

    cdef int received(self, const char* data, Py_ssize_t size) except -1:
        if self.lingering or self.closed:
            return 0
        self.context.tick()
        self.dispatch(self.server.feed(data, size))
        if self.server.held_size > HELD_BYTES:
            self.pause()
        return 0

    cdef int dispatch(self, list events) except -1:
        """Handle events, and those of the messages behind them as each exchange ends. Not by
        recursion: a client may send a thousand requests at once."""
        cdef Event event
        if self.dispatching:
            raise RuntimeError("events came while events were handled")
        self.dispatching = True
        try:
            while True:
                self.again = False
                for event in events:
                    self.handle(event)
                if self.exchange is not None and self.exchange.up is not None:
                    self.exchange.up.flush()
                if not self.again or self.closed or self.lingering:
                    break
                events = self.server.next_message()
        finally:
            self.dispatching = False
        if not self.closed and not self.lingering:
            self.watch()
        return 0

    cdef int handle(self, Event event) except -1:
        cdef Exchange exchange = self.exchange
        if event.kind == REQUEST_HEAD:
            return self.start_exchange(<Head>event)
        if event.kind == DATA:
            if exchange is None:
                return 0            # of a request that was answered already
            if exchange.tunnel:
                return exchange.tunnel_data(self, <Data>event)
            return exchange.request_data(<Data>event)
        if event.kind == TRAILERS:
            if exchange is not None:
                return exchange.request_trailers(<Head>event)
            return 0
        if event.kind == VIOLATION:
            self.context.block.add(WORKER_VIOLATIONS, 1)
            return self.refuse((<Violation>event).status, (<Violation>event).reason)
        if event.kind == CLOSING and exchange is not None and not exchange.snapshot.cancel_on_half_close:
            self.server.closing = True
            return 0
        if event.kind == CLOSING or event.kind == RESET:
            return self.input_over(b"connection_terminated")
        return 0

    cdef int start_exchange(self, Head head) except -1:
        self.in_head = False
        self.slow_seconds = 0
        self.deadline = INFINITY
        self.listener = self.port.listener
        cdef Exchange exchange = new_exchange(self.context, self.listener, self, self.peer)
        self.exchange = exchange
        return exchange.begin(head)

    cdef int refuse(self, int status, str reason) except -1:
        """Answer a request that cannot be read further, and close."""
        cdef Exchange exchange = self.exchange
        self.server.closing = True
        if exchange is not None:
            return exchange.fail(status, b"http_request_error")
        self.exchange = exchange = new_exchange(self.context, self.listener, self, self.peer)
        return exchange.refuse(status, b"http_request_error", reason)

    cdef int input_over(self, bytes reason) except -1:
        # Held here: an exchange that ends lets go of itself.
        cdef Exchange exchange = self.exchange
        if exchange is not None:
            exchange.client_gone(reason)
        return self.close()

    cdef int ended(self) except -1:
        if self.closed:
            return 0
        if self.lingering:
            return self.close()
        self.context.tick()
        return self.dispatch(self.server.feed_end())

    cdef int lost(self, object error) except -1:
        cdef Exchange exchange = self.exchange
        if exchange is not None:
            self.context.tick()
            exchange.client_gone(b"connection_terminated")
        self.listener.block.subtract(OPEN, 1)
        self.context.block.subtract(WORKER_CONNECTIONS, 1)
        self.port.closed(self.peer.text)
        self.server = None
        return 0

    cdef int lost_while_paused(self) except -1:
        cdef Exchange exchange = self.exchange
        if exchange is not None and (exchange.snapshot.cancel_on_half_close
                                     or not exchange.request_read):
            exchange.client_gone(b"connection_terminated")
            return self.close_hard()
        return 0

    # --- The leg of an exchange ---

    cdef int send_head(self, Head head) except -1:
        if self.closed:
            return 0
        self.open_output()
        return self.server.send_response(head)

    cdef int begin_tunnel(self) except -1:
        self.resume()
        if self.dispatching:
            self.again = True
            return 0
        return self.dispatch(self.server.next_message())

    cdef void close_after(self) noexcept:
        self.server.closing = True

    cdef bint input_complete(self) noexcept:
        return self.server.reading == READ_HELD

    cdef int finish(self) except -1:
        """The response is out: the next exchange begins, or the connection ends."""
        if self.closed:
            return 0
        if self.server.writing == WRITE_TUNNEL:
            return self.close()
        if self.server.reading == READ_HELD and not self.server.closing:
            return self.next_exchange()
        if self.server.reading == READ_HELD and self.server.held_size == 0 and not self.read_paused:
            return self.close()
        return self.linger()

    cdef int next_exchange(self) except -1:
        self.deadline = self.context.now + self.listener.keep_alive_timeout
        self.resume()
        if self.dispatching:
            self.again = True
            return 0
        if self.server.held_size or self.server.input_ended:
            return self.dispatch(self.server.next_message())
        self.server.next_message()
        return 0

    cdef int linger(self) except -1:
        """Close the sending side and read what still comes, for a moment: closing at once would
        reset the connection and could take the response with it (RFC 9112 section 9.6)."""
        self.flush()
        if self.closed:
            return 0
        self.lingering = True
        self.deadline = self.context.now + LINGER_SECONDS
        self.resume()
        if self.server.input_ended or not self.transport.can_write_eof():
            return self.close()
        self.transport.write_eof()
        return 0

    cdef int abort(self) except -1:
        """Break off a response that has begun. Where its end is the end of the connection, only
        a reset shows that something is missing."""
        if self.closed:
            return 0
        if self.server.writing == WRITE_TO_END:
            return self.close_hard()
        return self.close()

    # --- Time ---

    cdef void watch(self) noexcept:
        """Set the deadline that fits what is waited for now."""
        cdef Exchange exchange = self.exchange
        if exchange is None:
            if self.server.reading == READ_HEAD and self.server.head is not None and not self.in_head:
                self.in_head = True
                self.deadline = self.context.now + self.listener.head_timeout
        elif not exchange.request_read and not self.write_blocked and exchange.route is not None:
            self.deadline = self.context.now + exchange.route.limits.body_idle_timeout

    cdef int sweep(self, double now, double elapsed) except -1:
        cdef Exchange exchange = self.exchange
        if exchange is not None and not self.lingering:
            if exchange.deadline <= now:
                if exchange.tunnel:
                    return self.input_over(b"connection_read_timeout")
                return exchange.expire()
            self.check_rate(elapsed)
            if self.closed:
                return 0
        return Connection.sweep(self, now, elapsed)

    cdef int check_rate(self, double elapsed) except -1:
        """A client that sends or reads by drops holds an exchange for little: the minimum average
        rate counts only time that was spent waiting for it."""
        cdef Exchange exchange = self.exchange
        cdef double rate
        if exchange.route is None or exchange.tunnel or exchange.route.limits.minimum_rate <= 0:
            return 0
        rate = exchange.route.limits.minimum_rate
        if self.write_blocked:
            self.slow_seconds += elapsed
            if (self.slow_seconds > exchange.route.limits.minimum_rate_grace
                    and exchange.bytes_out - self.backlog() < rate * self.slow_seconds):
                exchange.client_gone(b"connection_write_timeout")
                return self.close_hard()
        elif not exchange.request_read and not self.read_paused:
            self.slow_seconds += elapsed
            if (self.slow_seconds > exchange.route.limits.minimum_rate_grace
                    and exchange.bytes_in < rate * self.slow_seconds):
                return exchange.fail(408, b"http_request_error")
        return 0

    cdef int expire(self) except -1:
        cdef Exchange exchange = self.exchange
        if self.lingering:
            return self.close_hard()
        if exchange is None:
            if self.in_head:
                return self.refuse(408, "the head did not arrive in time")
            return self.close()
        if self.write_blocked:
            exchange.client_gone(b"connection_write_timeout")
            return self.close_hard()
        return exchange.fail(408, b"http_request_error")

    # --- Draining ---

    def drain(self) -> None:
        """Take no further exchange; an idle connection is closed now."""
        if self.exchange is None:
            if not self.lingering and self.server is not None and not self.in_head:
                self.close()
        elif not self.exchange.tunnel:
            self.server.closing = True

    def break_off(self) -> None:
        cdef Exchange exchange = self.exchange
        if exchange is not None:
            exchange.client_gone(b"proxy_internal_response")
        self.close_hard()
