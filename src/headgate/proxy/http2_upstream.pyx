"""The endpoint's side of exchanges over HTTP/2: one connection carries many of them."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.math cimport INFINITY

from headgate.core.events cimport RESPONSE_HEAD, Data, Event, Reset, new_data
from headgate.core.head cimport (
    CONTENT_LENGTH, DROPPED, METHOD_CONNECT, METHOD_HEAD, OTHER, Field, Head, Span, release_head,
)
from headgate.core.http2 cimport Http2Client
from headgate.core.http2_frames cimport CANCEL, NO_ERROR
from headgate.proxy.connection cimport Register
from headgate.proxy.context cimport Context
from headgate.proxy.exchange cimport Exchange, Leg, Source
from headgate.proxy.http2 cimport Http2Connection, Http2Stream
from headgate.proxy.patience cimport answer_deadline, answer_overdue
from headgate.proxy import replies, websocket


cdef extern from "scan.h" nogil:
    bint hg_equal_lower(const char* name, const char* lower, size_t size)

# An endpoint that says nothing for so long, although it has something to do, is asked whether it lives,
# and has so long to answer.
cdef double PING_SECONDS = 15.0
cdef double ANSWER_SECONDS = 5.0


cdef class Http2Upstream(Http2Connection):
    """A connection to an endpoint."""

    def __init__(self, Context context, Register register, Source pool, bytes scheme, object options):
        self.context = context
        self.register = register
        self.pool = pool
        self.most_streams = options.streams
        self.http2 = self.client = Http2Client()
        self.client.scheme = scheme
        self.born = self.heard_at = context.now
        self.pinged_at = INFINITY
        self.fault_status = 502
        self.fault = b"connection_terminated"
        # It is of use when the endpoint's settings came: how many streams it takes, and which kinds.
        self.deadline = context.now + options.connect_timeout

    # --- Lending ---

    cdef Py_ssize_t room(self) noexcept:
        """Streams that may be opened now."""
        if not self.ready or self.leaving or self.doubted or self.closed or self.lingering:
            return 0
        return min(self.most_streams - <Py_ssize_t>len(self.streams), self.client.capacity)

    cdef bint takes(self, Head request) noexcept:
        """Whether it can carry this request: a WebSocket only where the endpoint allows the method
        for it (RFC 8441 section 3)."""
        return self.client.connect_protocol or not asks_websocket(request)

    cdef UpstreamStream new_stream(self):
        cdef UpstreamStream stream = UpstreamStream.__new__(UpstreamStream)
        stream.connection = self
        stream.number = self.client.open_stream()
        stream.started = self.context.now
        stream.reused = self.used
        stream.refusable = True
        self.used = True
        if not self.streams:
            self.heard_at = self.context.now    # what is waited for begins now
            if not self.write_blocked:
                self.deadline = INFINITY
        self.streams[stream.number] = stream
        return stream

    cdef int retire(self) except -1:
        """Take no new streams; close when there are none."""
        cdef bint known = self.leaving
        self.leaving = True
        if not known:
            self.pool.changed(self)
        if self.streams or self.closed or self.lingering:
            return 0
        self.prepare()
        self.client.close(NO_ERROR, b"")
        return self.close()

    # --- What came ---

    cdef int received(self, const char* data, Py_ssize_t size) except -1:
        cdef Py_ssize_t limit = self.client.capacity + self.client.open_streams
        self.heard_at = self.context.now
        self.pinged_at = INFINITY
        self.doubted = False
        Http2Connection.received(self, data, size)
        if self.closed or self.lingering:
            return 0
        if not self.ready:
            if self.client.settled:
                self.ready = True
                self.deadline = INFINITY
                return self.pool.opened(self)
        elif self.client.capacity + self.client.open_streams != limit:
            return self.pool.changed(self)
        return 0

    cdef int peer_closing(self) except -1:
        return self.retire()

    cdef int broken(self, int status, str reason) except -1:
        cdef UpstreamStream stream
        self.fault = b"http_protocol_error"
        for stream in self.streams.values():
            if stream.exchange is not None:
                stream.exchange.detail = reason.encode()
        self.give_up(502, b"http_protocol_error")
        return self.close()

    cdef int stream_left(self, Http2Stream stream) except -1:
        if self.closed:
            return 0
        if self.tls is not None and not self.session_kept:
            self.session_kept = True
            self.pool.keep_session(self.tls)    # its tickets came by now
        return self.retire() if self.leaving else self.pool.release(stream)

    cdef int end_streams(self, bytes reason) except -1:
        return self.give_up(0, reason)

    cdef int give_up(self, int status, bytes reason) except -1:
        """The connection is of no use any more: its exchanges end, or try elsewhere."""
        cdef list streams = list(self.streams.values())
        cdef UpstreamStream stream
        cdef Exchange exchange
        self.leaving = True
        self.streams.clear()
        for stream in streams:
            stream.over = True
            stream.deadline = INFINITY
        for stream in streams:
            exchange = stream.exchange
            if exchange is None:
                continue
            try:
                stream.lost(exchange, status, reason)
            except Exception:
                self.context.own_error("an exchange could not be told that its connection is over")
                exchange.break_off(b"proxy_internal_error")
        return 0

    cdef int left(self) except -1:
        self.leaving = True
        return self.pool.left(self)

    # --- Time ---

    cdef void watch(self) noexcept:
        """Streams have their own deadlines, an idle connection has the pool's."""
        if self.streams and not self.write_blocked and not self.closed and not self.lingering:
            self.deadline = INFINITY

    cdef int sweep(self, double now, double elapsed) except -1:
        if self.pinged_at < INFINITY and now - self.pinged_at > ANSWER_SECONDS and not self.closed:
            self.give_up(504, b"connection_read_timeout")
            return self.close_hard()
        if self.streams and not self.closed and now - self.heard_at > PING_SECONDS:
            self.probe(now)
        return Http2Connection.sweep(self, now, elapsed)

    cdef int probe(self, double now) except -1:
        """A host that vanished says nothing, and new exchanges must not be sent to it for long."""
        if self.pinged_at < INFINITY:
            return 0
        self.pinged_at = now
        self.prepare()
        self.client.ping(b"headgate")
        return self.send_soon()

    cdef int doubt(self, double since) except -1:
        """An exchange that began then got no answer."""
        if self.heard_at > since or self.doubted:
            return 0
        self.doubted = True
        return self.probe(self.context.now)

    cdef int expire(self) except -1:
        if self.write_blocked:
            self.give_up(504, b"connection_write_timeout")
            return self.close_hard()
        if not self.ready:
            self.fault_status, self.fault = 504, b"connection_timeout"
            return self.close_hard()
        return self.retire()


@cython.final
cdef class UpstreamStream(Http2Stream):
    """One request and its response."""

    # --- What came ---

    cdef int receive(self, Event event) except -1:
        cdef Exchange exchange = self.exchange
        if event.kind != RESPONSE_HEAD:
            return Http2Stream.receive(self, event)
        if event.last:
            self.input_over = True
        if exchange is None:
            release_head(<Head>event)
            return 0
        return self.response(exchange, <Head>event)

    cdef int response(self, Exchange exchange, Head head) except -1:
        if self.asked_tunnel and 200 <= head.status < 300:
            self.answer_tunnel(head)
            exchange.response_head(head)
            if self.input_over and exchange.tunnel:
                return exchange.tunnel_data(self, new_data(self.number, NULL, 0, True))
            return 0
        if exchange.request.version != 20:
            self.frame(exchange, head)
        return exchange.response_head(head)

    cdef int frame(self, Exchange exchange, Head head) except -1:
        """Say what HTTP/1.1 must have said: the reason, and that nothing follows a head that ended the
        stream."""
        cdef bytes phrase = replies.phrase(head.status)
        head.reason = Span(PyBytes_AS_STRING(phrase), PyBytes_GET_SIZE(phrase))
        if (head.last and head.content_length < 0 and exchange.request.method != METHOD_HEAD
                and head.status >= 200 and head.status != 204 and head.status != 304):
            head.content_length = 0
            head.add_line(b"Content-Length", 14, b"0", 1, CONTENT_LENGTH)
        return 0

    cdef int body(self, Exchange exchange, Data data) except -1:
        return exchange.response_data(data)

    cdef int trailers(self, Exchange exchange, Head head) except -1:
        return exchange.response_trailers(head)

    cdef int was_reset(self, Reset event) except -1:
        cdef Exchange exchange = self.exchange
        self.leave()
        if exchange is None:
            return 0
        if event.unprocessed:
            return exchange.upstream_refused(b"connection_terminated")
        exchange.detail = event.reason.encode()
        if event.ours:
            return exchange.upstream_closed(502, b"http_protocol_error")
        return self.lost(exchange, 502, b"connection_terminated")

    cdef int lost(self, Exchange exchange, int status, bytes reason) except -1:
        """No more comes of this response. Status 0: the request may be tried again where that is safe."""
        if exchange.tunnel:
            return exchange.fail(502, reason)
        if exchange.response_started:
            return exchange.upstream_closed(status or 502, b"http_response_incomplete")
        return exchange.upstream_closed(status, reason)

    # --- The leg of an exchange ---

    cdef int send_head(self, Head head) except -1:
        if self.over:
            return 0
        self.connection.prepare()
        if asks_websocket(head):
            return self.ask_tunnel(head)
        if head.last:
            self.output_over = True
        return self.connection.http2.send_head(self.number, head, head.last)

    cdef int ask_tunnel(self, Head head) except -1:
        """An upgrade to WebSocket as an extended CONNECT (RFC 8441 section 5), which needs no key."""
        cdef Field* key = head.find_name(b"sec-websocket-key", 17, 0)
        cdef Span method_text = head.method_text
        cdef int method = head.method
        self.asked_tunnel = True
        if key != NULL:
            self.accept = websocket.accept_of(head.bytes[key.value_start:key.value_start + key.value_size])
            key.flags |= DROPPED
        head.method = METHOD_CONNECT
        head.method_text = Span(b"CONNECT", 7)
        self.connection.http2.send_head(self.number, head, False)
        # Another attempt may be one over HTTP/1.1.
        head.method = method
        head.method_text = method_text
        if key != NULL:
            key.flags &= ~<int>DROPPED
        return 0

    cdef int answer_tunnel(self, Head head) except -1:
        """Success is what HTTP/1.1 calls switching protocols."""
        head.status = 101
        head.reason = Span(b"Switching Protocols", 19)
        head.upgrade = Span(b"websocket", 9)
        head.last = False
        head.content_length = -1
        if self.accept is not None:
            head.add_line(b"Sec-WebSocket-Accept", 20, PyBytes_AS_STRING(self.accept),
                          PyBytes_GET_SIZE(self.accept), OTHER)
        return 0

    cdef int finish(self) except -1:
        if not self.over and not (self.input_over and self.output_over):
            self.reset(CANCEL)
        return self.leave()

    cdef int abort(self) except -1:
        if not self.over:
            self.reset(CANCEL)
        return self.leave()

    # --- Time ---

    cdef void watch(self) noexcept:
        """Set the deadline that fits what is waited for now."""
        cdef Exchange exchange = self.exchange
        cdef double now = self.connection.context.now
        if self.over or self.write_blocked:
            return
        self.deadline = INFINITY if exchange is None else answer_deadline(exchange, self.read_paused, now)

    cdef int expire(self) except -1:
        cdef Exchange exchange = self.exchange
        if exchange is None:
            return self.abort()
        (<Http2Upstream>self.connection).doubt(self.started)
        return answer_overdue(exchange, self.write_blocked)


cdef bint asks_websocket(Head head) noexcept:
    """Whether the request is for a WebSocket. Other upgrades are offers that an endpoint of HTTP/2
    cannot take (RFC 9113 section 8.6)."""
    return (head.upgrade.data != NULL and head.upgrade.size == 9
            and hg_equal_lower(head.upgrade.data, b"websocket", 9))
