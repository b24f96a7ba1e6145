"""The client's side of an exchange over HTTP/1.1: one exchange after the other on a connection."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.math cimport INFINITY

from headgate.core.cells cimport REJECTED, WORKER_CLIENT_LIMIT, WORKER_VIOLATIONS
from headgate.core.events cimport (
    CLOSING, DATA, REQUEST_HEAD, RESET, TRAILERS, VIOLATION, Data, Event, Violation,
)
from headgate.core.head cimport Head
from headgate.core.hosts cimport HostKey
from headgate.core.http1 cimport (
    READ_HEAD, READ_HELD, READ_LENGTH, WRITE_TO_END, WRITE_TUNNEL, Http1Server,
)
from headgate.core.output cimport Output
from headgate.proxy.connection cimport Connection
from headgate.proxy.exchange cimport Exchange, Leg, new_exchange
from headgate.proxy.forwarding cimport Peer
from headgate.proxy.http2_downstream cimport begin_http2
from headgate.proxy.port cimport Port
from headgate.proxy.snapshot cimport LiveSnapshot


cdef enum:
    HELD_BYTES = 16384          # pipelined input that is kept before reading stops

cdef double LINGER_SECONDS = 2.0
# While draining: a client that has not asked for so long is not about to.
cdef double QUIET_SECONDS = 1.0

cdef bytes PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
cdef object NO_OUTPUT = Output(1)   # a connection borrows one while it sends


cdef Http1Downstream new_downstream(Port port, Peer peer):
    """A connection without a socket yet."""
    cdef Http1Downstream connection = Http1Downstream.__new__(Http1Downstream)
    connection.context = port.context
    connection.register = port.register
    connection.port = port
    connection.peer = peer
    connection.listener = port.listener
    connection.server = Http1Server.__new__(Http1Server, NO_OUTPUT, port.listener.head_bytes,
                                            port.listener.head_fields)
    connection.server.path_policy = port.context.snapshot.path_policy
    connection.server.out = None
    connection.codec = connection.server
    return connection


cdef class Http1Downstream(Connection):
    """A client's connection."""

    cdef int accept(self, int fd) except -1:
        """Begin with a socket that was just accepted."""
        self.context.tick()
        self.suspect = self.peer.is_suspect(self.context)
        self.port.opened()
        self.open(fd)
        return self.welcome(self.port.enter(self.peer.text))

    cdef int welcome(self, bint wanted) except -1:
        """Take requests from here on; a client that has too many connections is told so."""
        # A browser opens connections ahead of need: one that has sent nothing yet is only idle.
        self.rest()
        self.unopened = self.listener.http2 and self.tls is None
        if wanted:
            return 0
        self.context.block.add(WORKER_CLIENT_LIMIT, 1)
        self.listener.block.add(REJECTED, 1)
        return self.refuse(429, "too many connections from this address")

    # --- Events ---

    cdef int received(self, const char* data, Py_ssize_t size) except -1:
        cdef Exchange exchange
        if self.lingering or self.closed:
            return 0        # behind the last request: read, so that closing does not reset
        self.context.tick()
        if self.unopened and self.read_preface(data, size):
            return 0
        self.dispatch(self.server.feed(data, size))
        if self.server.held_size > HELD_BYTES:
            self.pause()
        exchange = self.exchange
        if exchange is not None and exchange.up is not None and self.server.reading == READ_LENGTH:
            if isinstance(exchange.up, Connection):
                self.move_to(<Connection>exchange.up)
        return 0

    cdef bint read_preface(self, const char* data, Py_ssize_t size) except -1:
        """Whether HTTP/2 begins here, by prior knowledge (RFC 9113 section 3.3), or may begin."""
        cdef bytes opening
        if self.opening is None and (data[0] != c"P" or not self.listener.http2):
            self.unopened = False
            return False
        opening = data[:size] if self.opening is None else self.opening + data[:size]
        if not PREFACE.startswith(opening[:24]):
            self.unopened = False
            if self.opening is None:
                return False
            self.opening = None
            self.dispatch(self.server.feed(PyBytes_AS_STRING(opening), PyBytes_GET_SIZE(opening)))
            return True
        if PyBytes_GET_SIZE(opening) < 24:
            if self.opening is None:
                self.in_head = True
                self.deadline = self.context.now + self.listener.head_timeout
            self.opening = opening
            return True
        begin_http2(self.port, self.peer, self, True, PyBytes_AS_STRING(opening), PyBytes_GET_SIZE(opening))
        return True

    cdef int dispatch(self, list events) except -1:
        """Handle events, and those of the messages behind them as each exchange ends. Not by
        recursion: a client may send a thousand requests at once."""
        cdef Http1Downstream alive = self
        cdef Exchange exchange
        cdef Leg up
        cdef Event event
        if self.dispatching:
            raise RuntimeError("events came while events were handled")
        self.dispatching = True
        try:
            while True:
                self.again = False
                for event in events:
                    self.handle(event)
                    if self.closed or self.lingering:
                        return 0
                exchange = self.exchange
                if exchange is not None:
                    up = exchange.up
                    if up is not None:
                        up.flush()
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
            return self.give_up(b"connection_terminated")
        return 0

    cdef int start_exchange(self, Head head) except -1:
        self.in_head = False
        self.slow_seconds = 0
        self.suspect = False            # floods are a matter of HTTP/2
        self.deadline = INFINITY
        self.listener = self.port.listener
        cdef LiveSnapshot snapshot = self.port.snapshot()
        cdef const HostKey* host = snapshot.table.approach(head)
        cdef Exchange exchange = new_exchange(self.context, self.listener, self, self.peer)
        exchange.snapshot = snapshot
        self.exchange = exchange
        if self.port.retired is not None:
            self.close_after()
        return exchange.begin(head, host)

    cdef int refuse(self, int status, str reason) except -1:
        """Answer a request that cannot be read further, and close."""
        cdef Exchange exchange = self.exchange
        self.server.closing = True
        if exchange is not None:
            return exchange.fail(status, b"http_request_error")
        # No head of it was read: how to answer does not come from the request before.
        self.server.head_only = False
        self.server.version = 11
        self.in_head = False
        self.deadline = INFINITY
        self.exchange = exchange = new_exchange(self.context, self.listener, self, self.peer)
        return exchange.refuse(status, b"http_request_error", reason)

    cdef int give_up(self, bytes reason) except -1:
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

    cdef int gone(self) except -1:
        cdef Exchange exchange = self.exchange
        if exchange is not None:
            self.context.tick()
            exchange.client_gone(b"connection_terminated")
        return 0

    cdef int left(self) except -1:
        self.port.leave(self.peer.text)
        return self.port.closed()

    cdef int hung_up(self, bint reset) except -1:
        cdef Exchange exchange = self.exchange
        if reset:
            return self.failed()
        if (not self.input_over and exchange is not None and not exchange.tunnel
                and exchange.snapshot.cancel_on_half_close):
            exchange.client_gone(b"connection_terminated")
            return self.close_hard()
        return 0

    cdef int moved(self, Py_ssize_t size, bint last) except -1:
        cdef Exchange exchange = self.exchange
        if exchange is None:
            return 0
        exchange.request_moved(size, last)
        self.watch()
        return 0

    # --- The leg of an exchange ---

    cdef int send_head(self, Head head) except -1:
        if self.closed:
            return 0
        self.open_output()
        return self.server.send_response(head)

    cdef int begin_tunnel(self) except -1:
        self.resume()
        return self.dispatch_held()

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
        if (self.server.last_request and self.server.reading == READ_HELD and self.server.held_size == 0
                and not self.read_paused):
            return self.close()
        return self.linger()            # the end is our wish: the next request may be on its way

    cdef int next_exchange(self) except -1:
        self.rest()
        self.resume()
        return self.dispatch_held()

    cdef int dispatch_held(self) except -1:
        """Go on with what came already: now, or when what is handled now is done."""
        cdef list events
        if self.dispatching:
            self.again = True
            return 0
        try:
            events = self.server.next_message()
            if events:
                self.dispatch(events)
        except Exception:
            # No error of whoever made room for it.
            self.own_error("bytes that were held could not be handled", None)
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
        if self.server.input_ended:
            return self.close()
        return self.half_close()

    cdef int abort(self) except -1:
        """Break off a response that has begun. Where its end is the end of the connection, only
        a reset shows that something is missing."""
        if self.closed:
            return 0
        if self.server.writing == WRITE_TO_END:
            return self.close_hard()
        return self.close()

    # --- Time ---

    cdef void rest(self) noexcept:
        """Wait for the next request."""
        cdef double seconds = self.listener.keep_alive_timeout
        if self.context.draining and seconds > QUIET_SECONDS:
            seconds = QUIET_SECONDS
        self.deadline = self.context.now + seconds

    cdef void watch(self) noexcept:
        """Set the deadline that fits what is waited for now."""
        cdef Exchange exchange = self.exchange
        if self.closed or self.lingering:
            return
        if exchange is None:
            if self.server.reading == READ_HEAD and self.server.head is not None and not self.in_head:
                self.in_head = True
                self.deadline = self.context.now + self.listener.head_timeout
        elif self.write_blocked:
            pass                    # it has to take bytes first; that has its own deadline
        elif (exchange.request_read or self.input_complete() or self.read_paused or exchange.facts == NULL
                or exchange.tunnel or exchange.expects()):
            self.deadline = INFINITY
        else:
            self.deadline = self.context.now + exchange.limits.body_idle_timeout

    cdef int sweep(self, double now, double elapsed) except -1:
        cdef Exchange exchange = self.exchange
        if exchange is not None and not self.lingering:
            if exchange.deadline <= now:
                if exchange.tunnel:
                    return self.give_up(b"connection_read_timeout")
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
        if exchange.facts == NULL or exchange.tunnel or exchange.limits.minimum_rate <= 0:
            return 0
        rate = exchange.limits.minimum_rate
        if self.write_blocked:
            self.slow_seconds += elapsed
            if (self.slow_seconds > exchange.limits.minimum_rate_grace
                    and exchange.bytes_out - self.under_way() < rate * self.slow_seconds):
                exchange.client_gone(b"connection_write_timeout")
                return self.close_hard()
        elif not (exchange.request_read or self.input_complete() or self.read_paused or exchange.expects()):
            self.slow_seconds += elapsed
            if (self.slow_seconds > exchange.limits.minimum_rate_grace
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
        """Take one more exchange at most. A client that was not told is about to send its next
        request: it gets an answer, and in it the word that this was the last."""
        cdef Exchange exchange = self.exchange
        if exchange is not None:
            if not exchange.tunnel and not exchange.response_started:
                self.server.closing = True
        elif not self.lingering and not self.in_head:
            self.context.tick()
            self.rest()

    def break_off(self) -> None:
        cdef Exchange exchange = self.exchange
        if exchange is not None:
            exchange.break_off(b"proxy_internal_response")
        self.close_hard()
