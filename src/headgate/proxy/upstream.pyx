"""The endpoint's side of an exchange over HTTP/1.1: a connection that pools lend out."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from headgate.core.cells cimport CONNECTIONS, OPEN
from headgate.core.events cimport (
    CLOSING, DATA, RESET, RESPONSE_HEAD, TRAILERS, VIOLATION, Data, Event, Violation,
)
from headgate.core.head cimport OTHER, Field, Head
from headgate.core.http1 cimport READ_LENGTH, READ_TO_END, WRITE_TUNNEL, Http1Client
from headgate.proxy.connection cimport Connection, Register
from headgate.proxy.context cimport Context
from headgate.proxy.exchange cimport Exchange, Leg
from headgate.proxy.patience cimport answer_deadline, answer_overdue
from headgate.proxy import websocket

cdef enum:
    MOVE_AHEAD = 65536          # what a pipe holds: whoever wants more read ahead gets no pipe
    MOST_SKIPPED = 65536        # to read more costs more than a new connection

cdef double SKIP_SECONDS = 1.0


cdef class Http1Upstream(Connection):
    """A connection to an endpoint."""

    def __init__(self, Context context, Register register, Source pool):
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
        cdef Leg down
        if self.closed:
            return 0
        if self.exchange is None and not self.skipping:
            # RFC 9112 section 9.2: nobody asked, so nobody gets it.
            return self.close_hard()
        self.context.tick()
        for event in self.client.feed(data, size):
            self.handle(event)
        exchange = self.exchange
        if exchange is not None:
            down = exchange.down
            down.flush()
            if self.client.reading == READ_LENGTH and exchange.limits.buffer_response <= MOVE_AHEAD:
                if isinstance(down, Connection):
                    self.move_to(<Connection>down)
        return 0

    cdef int handle(self, Event event) except -1:
        cdef Exchange exchange = self.exchange
        if exchange is None:
            return self.skip_over(event) if self.skipping else 0
        if event.kind == RESPONSE_HEAD:
            if self.accept is not None and not self.granted(<Head>event):
                exchange.detail = b"the endpoint's answer does not belong to this WebSocket"
                return exchange.upstream_closed(502, b"http_upgrade_failed")
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

    cdef int skip_over(self, Event event) except -1:
        if event.kind != DATA:
            return self.close_hard()
        if not (<Data>event).last:
            return 0
        self.skipping = False
        return self.finish()

    cdef int ended(self) except -1:
        cdef Event event
        cdef Exchange exchange
        cdef Leg down
        if self.closed:
            return 0
        if self.exchange is None:
            return self.close()
        self.context.tick()
        if self.cut_short() and self.client.reading == READ_TO_END:
            # Anybody on the way could end it so: not the endpoint said that the body is complete.
            return self.gone()
        for event in self.client.feed_end():
            self.handle(event)
        exchange = self.exchange
        if exchange is not None:
            if not exchange.tunnel:
                return exchange.upstream_closed(0, b"connection_terminated")
            down = exchange.down
            down.flush()
        return 0

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
        return self.pool.left(self)

    cdef int moved(self, Py_ssize_t size, bint last) except -1:
        cdef Exchange exchange = self.exchange
        if exchange is not None:
            return exchange.response_moved(size, last)
        return 0

    # --- The leg of an exchange ---

    cdef int send_head(self, Head head) except -1:
        if self.closed:
            return 0
        self.open_output()
        self.accept = None
        if head.version == 20 and head.upgrade.data != NULL:
            self.ask_websocket(head)
        return self.client.send_request(head)

    cdef int ask_websocket(self, Head head) except -1:
        """The handshake that a client of HTTP/2 does not make (RFC 8441 section 5.1)."""
        cdef Field* field = head.find_name(b"sec-websocket-key", 17, 0)
        cdef bytes key
        if field == NULL:
            key = websocket.new_key()
            head.add_line(b"Sec-WebSocket-Key", 17, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), OTHER)
        else:
            key = head.bytes[field.value_start:field.value_start + field.value_size]
        self.accept = websocket.accept_of(key)
        return 0

    cdef bint granted(self, Head head) except -1:
        """Whether a switch to WebSocket shows that the endpoint read the key."""
        cdef Field* field
        if head.status != 101:
            return True
        field = head.find_name(b"sec-websocket-accept", 20, 0)
        return field != NULL and self.accept == head.bytes[field.value_start:field.value_start + field.value_size]

    cdef int finish(self) except -1:
        """The exchange is over: lend the connection out again when both sides ended clean."""
        if self.closed:
            return 0
        if self.client.writing == WRITE_TUNNEL:
            return self.close()
        if self.write_blocked:
            return self.close_hard()    # it did not wait for the end of the request
        self.drop_pipe()
        self.resume()
        self.client.next_message()
        if self.tls is not None and not self.reused:
            self.pool.keep_session(self.tls)        # its tickets came by now
        self.reused = True
        if self.client.persistent:
            return self.pool.release(self)
        return self.close()

    cdef int skip(self, Head head) except -1:
        self.skipping = 0 < head.content_length <= MOST_SKIPPED and not self.write_blocked
        return 0

    cdef int abort(self) except -1:
        if not self.skipping or self.closed:
            return self.close_hard()
        self.resume()
        self.deadline = self.context.now + SKIP_SECONDS
        return 0

    # --- Time ---

    cdef void watch(self) noexcept:
        """Set the deadline that fits what is waited for now; an idle connection has the pool's."""
        cdef Exchange exchange = self.exchange
        if exchange is None or self.write_blocked:
            return                  # it has to take bytes first; that has its own deadline
        self.deadline = answer_deadline(exchange, self.read_paused, self.context.now)

    cdef int expire(self) except -1:
        cdef Exchange exchange = self.exchange
        if exchange is None:
            return self.close()
        return answer_overdue(exchange, self.write_blocked)
