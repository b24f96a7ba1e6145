"""The client's side of exchanges over HTTP/2: many at a time on a connection."""

cimport cython
from libc.math cimport INFINITY
from libc.stdint cimport int64_t

from headgate.core.cells cimport REJECTED, WORKER_ABUSES, WORKER_CLIENT_LIMIT, WORKER_VIOLATIONS
from headgate.core.events cimport RESET, VIOLATION, Data, Event, Reset, Violation
from headgate.core.head cimport METHOD_CONNECT, METHOD_GET, Head, Span
from headgate.core.hosts cimport HostKey
from headgate.core.http2 cimport Http2Server
from headgate.core.http2_frames cimport CANCEL, ENHANCE_YOUR_CALM, INTERNAL_ERROR, NO_ERROR
from headgate.proxy.connection cimport Connection
from headgate.proxy.exchange cimport Exchange, new_exchange
from headgate.proxy.forwarding cimport Peer
from headgate.proxy.http2 cimport Http2Connection, Http2Stream
from headgate.proxy.port cimport Port
from headgate.proxy.snapshot cimport LiveSnapshot

cdef enum:
    # Of one connection in one turn of the event loop, so that others have theirs: requests that begin, and
    # exchanges that end when it is cut off.
    MOST_HEADS = 50
    MOST_ENDS = 1
    # Until so many of its exchanges came to their end: who floods is cut off, comes again and is new again.
    TRUSTED_FROM = 20
    NEW_HEADS = 1
    NEW_BYTES = 16384           # received at once

# Between the first word of a GOAWAY and the last: requests that are on their way arrive meanwhile.
cdef double DRAIN_SECONDS = 1.0
# Between the GOAWAY to a flood and the reset; and what is read meanwhile, to see that the other side closed.
cdef double CUT_SECONDS = 0.2
cdef int CUT_BYTES = 262144


cdef int begin_http2(Port port, Peer peer, Connection old, bint wanted, const char* data,
                     Py_ssize_t size) except -1:
    """Let a client's connection, counted as open already, go on with HTTP/2. `data` came of it; not
    `wanted` is one too many of its client."""
    cdef Http2Downstream connection = Http2Downstream.__new__(Http2Downstream)
    cdef Http2Server server
    connection.context = port.context
    connection.register = port.register
    connection.port = port
    connection.listener = port.listener
    connection.peer = peer
    server = Http2Server(max_streams=port.listener.streams, window_bytes=port.listener.window_bytes,
                         budget_bytes=port.listener.budget_bytes, head_bytes=port.listener.head_bytes,
                         head_fields=port.listener.head_fields,
                         path_policy=port.context.snapshot.path_policy)
    server.most_heads = NEW_HEADS
    connection.read_bytes = NEW_BYTES
    connection.http2 = connection.server = server
    old.pass_to(connection)
    try:
        connection.greet()
        connection.rest()
        connection.watch()
        if not wanted:
            return connection.refuse_client()
        if size:
            connection.received(data, size)
    except Exception:
        connection.own_error("a connection could not begin with HTTP/2", None)
    return 0


cdef class Http2Downstream(Http2Connection):
    """A client's connection."""

    cdef int refuse_client(self) except -1:
        """The client has too many connections."""
        self.context.block.add(WORKER_CLIENT_LIMIT, 1)
        self.listener.block.add(REJECTED, 1)
        self.prepare()
        self.server.close(ENHANCE_YOUR_CALM, b"too many connections from this address")
        return self.linger()

    # --- What came ---

    cdef int head_came(self, Event event) except -1:
        if event.kind == VIOLATION:
            return self.refuse(event)
        if self.taken_back is not None and event.stream in self.taken_back:
            return self.dismiss(<Head>event)
        return self.start_exchange(<Head>event)

    cdef int dispatch(self, list events) except -1:
        self.taken_back = _taken_back(events) if len(events) > 1 else None
        return Http2Connection.dispatch(self, events)

    cdef int dismiss(self, Head head) except -1:
        """A request that is taken back already: no endpoint has to hear of it."""
        cdef Exchange exchange = new_exchange(self.context, self.listener, None, self.peer)
        return exchange.dismiss(head, b"connection_terminated")

    cdef int start_exchange(self, Head head) except -1:
        cdef DownstreamStream stream = new_stream(self, head.stream)
        cdef LiveSnapshot snapshot = self.port.snapshot()
        cdef const HostKey* host
        cdef Exchange exchange
        stream.input_over = head.last
        if head.method == METHOD_CONNECT and head.upgrade.data != NULL:
            stream.asks_tunnel = True
            self.become_upgrade(head)
        self.listener = self.port.listener
        host = snapshot.table.approach(head)
        exchange = new_exchange(self.context, self.listener, stream, self.peer)
        exchange.snapshot = snapshot
        stream.exchange = exchange
        if self.context.draining or self.port.retired is not None:
            self.begin_drain()
        try:
            exchange.begin(head, host)
        except Exception:
            return stream.own_error(exchange)
        return stream.after_input()

    cdef int become_upgrade(self, Head head) except -1:
        """An extended CONNECT (RFC 8441) is to everything behind this place what an upgrade is in
        HTTP/1.1: one kind of tunnel for routes, logs and endpoints."""
        head.method = METHOD_GET
        head.method_text = Span(b"GET", 3)
        head.last = True
        head.chunked = False
        return 0

    cdef int refuse(self, Event event) except -1:
        """A request that cannot be understood: only its stream suffers."""
        cdef Violation violation = <Violation>event
        cdef DownstreamStream stream
        cdef Exchange exchange
        self.context.block.add(WORKER_VIOLATIONS, 1)
        found = self.streams.get(event.stream)
        stream = <DownstreamStream>found if found is not None else new_stream(self, event.stream)
        exchange = stream.exchange
        if exchange is not None:
            return exchange.fail(violation.status, b"http_request_error")
        exchange = new_exchange(self.context, self.listener, stream, self.peer)
        stream.exchange = exchange
        try:
            return exchange.refuse(violation.status, b"http_request_error", violation.reason)
        except Exception:
            return stream.own_error(exchange)

    cdef int peer_closing(self) except -1:
        """The client opens no more streams, which it need not say; those that are open end first."""
        if not self.streams:
            return self.linger()
        return 0

    cdef int broken(self, int status, str reason) except -1:
        self.context.block.add(WORKER_VIOLATIONS, 1)
        if self.server.tolerance.exceeded >= 0:
            self.context.block.add(<int>WORKER_ABUSES + self.server.tolerance.exceeded, 1)
            self.suspect = True
            self.peer.suspect(self.context)
            self.end_streams(b"http_request_error")
            return self.cut_off()
        self.end_streams(b"http_request_error")
        return self.linger()

    cdef int cut_off(self) except -1:
        """Say why, and read little more: a flood could go on for as long as it is listened to. The reset that
        ends it comes when the GOAWAY had time to arrive."""
        self.flush_now()
        if self.closed:
            return 0
        self.lingering = True
        self.patience = CUT_BYTES
        self.deadline = self.context.now + CUT_SECONDS
        return self.half_close()

    cdef int stream_left(self, Http2Stream stream) except -1:
        if self.streams or self.closed or self.lingering or self.server.over:
            return 0                    # when it is over, its violation comes next
        if self.server.closing and not self.draining or self.draining and self.drain_at == INFINITY:
            return self.linger()
        self.rest()
        return 0

    cdef int end_streams(self, bytes reason) except -1:
        """Nothing more goes in or out of any of them. Their exchanges end some at a time: a client that is
        cut off has a hundred, each with something to give up at its endpoint."""
        cdef list streams = list(self.streams.values())
        cdef DownstreamStream stream
        for stream in streams:
            stream.over = True
            stream.deadline = INFINITY
        self.streams.clear()
        self._end_some(streams, reason)
        return 0

    def _end_some(self, list streams, bytes reason) -> None:
        cdef DownstreamStream stream
        cdef Exchange exchange
        cdef int count
        cdef double start = self.context.tick()
        for count in range(min(MOST_ENDS, <int>len(streams))):
            stream = streams.pop()
            exchange = stream.exchange
            try:
                if exchange is not None:
                    exchange.client_gone(reason)
            except Exception:
                self.context.own_error("an exchange could not be told that its connection is over")
        if self.suspect:
            self.charge(start)
        if streams:
            self.context.loop.call_soon(self._end_some, streams, reason)

    cdef void trust(self) noexcept:
        """One more exchange came to its end."""
        if self.finished < TRUSTED_FROM:
            self.finished += 1
            if self.finished == TRUSTED_FROM:
                self.suspect = False
                self.server.most_heads = MOST_HEADS
                self.read_bytes = 0

    cdef bint may_read(self) except -1:
        return self.finished >= TRUSTED_FROM or self.context.newcomer_may()

    cdef int received(self, const char* data, Py_ssize_t size) except -1:
        if self.patience:
            self.patience = max(self.patience - <int>size, 0)
            return 0 if self.patience else self.pause()
        Http2Connection.received(self, data, size)
        if self.finished < TRUSTED_FROM:
            self.read_bytes = 0 if self.server.in_body() else NEW_BYTES
        return 0

    cdef int left(self) except -1:
        self.port.leave(self.peer.text)
        return self.port.closed()

    # --- Time ---

    cdef void rest(self) noexcept:
        """No stream is open: wait for the next request."""
        self.in_head = False
        if not self.write_blocked:
            self.deadline = self.context.now + self.listener.keep_alive_timeout

    cdef void watch(self) noexcept:
        """Set the deadline that fits what is waited for now: streams have their own."""
        if self.closed or self.lingering or self.write_blocked:
            return
        if self.server.in_head:
            if not self.in_head:
                self.in_head = True
                self.deadline = self.context.now + self.listener.head_timeout
        elif self.streams:
            self.in_head = False
            self.deadline = INFINITY
        elif self.in_head or self.deadline == INFINITY:
            self.rest()

    cdef int sweep(self, double now, double elapsed) except -1:
        if self.draining and self.drain_at <= now and not self.closed and not self.lingering:
            self.end_drain()
        return Http2Connection.sweep(self, now, elapsed)

    cdef int expire(self) except -1:
        if self.lingering:
            return self.close_hard()
        if self.write_blocked:
            self.end_streams(b"connection_write_timeout")
            return self.close_hard()
        if self.in_head:
            self.context.block.add(WORKER_VIOLATIONS, 1)
            self.prepare()
            self.server.close(NO_ERROR, b"a head did not arrive in time")
            self.end_streams(b"http_request_error")
            return self.linger()
        return self.begin_drain()

    # --- Draining ---

    def drain(self) -> None:
        """Take no more requests but those that are on their way."""
        if not self.closed and not self.lingering:
            self.context.tick()
            self.begin_drain()

    cdef int begin_drain(self) except -1:
        """RFC 9113 section 6.8: first say that there will be an end, then, when all that the client
        sent before it knew has come, what the last request was."""
        if self.draining:
            return 0
        self.draining = True
        self.drain_at = self.context.now + DRAIN_SECONDS
        self.prepare()
        self.server.drain()
        return self.send_soon()

    cdef int end_drain(self) except -1:
        self.drain_at = INFINITY
        self.prepare()
        self.server.finish_drain()
        if not self.streams:
            return self.linger()
        return self.send_soon()

    def break_off(self) -> None:
        cdef Http2Stream stream
        cdef Exchange exchange
        for stream in list(self.streams.values()):
            exchange = stream.exchange
            if exchange is not None:
                exchange.break_off(b"proxy_internal_response")
        self.close_hard()


cdef set _taken_back(list events):
    """The streams that the client ends in the same breath, or None. Where it broke the rules of one, the exchange
    says so."""
    cdef Event event
    cdef set streams = None
    for event in events:
        if event.kind == RESET and not (<Reset>event).ours:
            if streams is None:
                streams = set()
            streams.add(event.stream)
    return streams


cdef DownstreamStream new_stream(Http2Downstream connection, int64_t number):
    cdef DownstreamStream stream = DownstreamStream.__new__(DownstreamStream)
    stream.connection = connection
    stream.number = number
    connection.streams[number] = stream
    return stream


@cython.final
cdef class DownstreamStream(Http2Stream):
    """One request and its response."""

    cdef int body(self, Exchange exchange, Data data) except -1:
        return exchange.request_data(data)

    cdef int trailers(self, Exchange exchange, Head head) except -1:
        return exchange.request_trailers(head)

    cdef int was_reset(self, Reset event) except -1:
        """The client wants no answer any more, or broke the rules on this stream."""
        cdef Exchange exchange = self.exchange
        self.leave()
        if exchange is None:
            return 0
        if event.ours:
            exchange.detail = event.reason.encode()
            return exchange.client_gone(b"http_request_error")
        return exchange.client_gone(b"connection_terminated")

    cdef int send_head(self, Head head) except -1:
        if self.over:
            return 0
        if head.status == 101:
            self.open_tunnel(head)
        if head.last:
            self.output_over = True
        self.connection.prepare()
        return self.connection.http2.send_head(self.number, head, head.last)

    cdef int open_tunnel(self, Head head) except -1:
        """What switching protocols is in HTTP/1.1, success is here (RFC 8441 section 5)."""
        head.status = 200
        head.last = False
        head.drop_name(b"sec-websocket-accept", 20)
        return 0

    cdef bint input_complete(self) noexcept:
        return self.input_over

    cdef int finish(self) except -1:
        """The response is out. A request that is not complete need not come to its end (RFC 9113
        section 8.1)."""
        if self.over:
            return 0
        if not self.output_over:
            self.reset(CANCEL)
        elif not self.input_over:
            self.reset(NO_ERROR)
        (<Http2Downstream>self.connection).trust()
        return self.leave()

    cdef int abort(self) except -1:
        if self.over:
            return 0
        self.reset(INTERNAL_ERROR)
        return self.leave()

    # --- Time ---

    cdef void watch(self) noexcept:
        """Set the deadline that fits what is waited for now."""
        cdef Exchange exchange = self.exchange
        if self.over or self.write_blocked:
            return
        if (exchange is None or exchange.request_read or self.input_over or self.read_paused
                or exchange.facts == NULL or exchange.tunnel or exchange.expects()):
            self.deadline = INFINITY
        else:
            self.deadline = self.connection.context.now + exchange.limits.body_idle_timeout

    cdef int sweep(self, double now, double elapsed) except -1:
        cdef Exchange exchange = self.exchange
        if exchange is not None:
            if exchange.deadline <= now:
                if exchange.tunnel:
                    self.reset(CANCEL)
                    self.leave()
                    return exchange.client_gone(b"connection_read_timeout")
                return exchange.expire()
            self.check_rate(elapsed)
        return Http2Stream.sweep(self, now, elapsed)

    cdef int check_rate(self, double elapsed) except -1:
        """The minimum average rate, as on a connection of HTTP/1."""
        cdef Exchange exchange = self.exchange
        cdef double rate
        if exchange.facts == NULL or exchange.tunnel or exchange.limits.minimum_rate <= 0:
            return 0
        rate = exchange.limits.minimum_rate
        if self.write_blocked:
            self.slow_seconds += elapsed
            if (self.slow_seconds > exchange.limits.minimum_rate_grace
                    and self.handed_over() - self.alone_under_way() < rate * self.slow_seconds):
                self.reset(CANCEL)
                self.leave()
                return exchange.client_gone(b"connection_write_timeout")
        elif not (exchange.request_read or self.input_over or self.read_paused or exchange.expects()):
            self.slow_seconds += elapsed
            if (self.slow_seconds > exchange.limits.minimum_rate_grace
                    and exchange.bytes_in < rate * self.slow_seconds):
                return exchange.fail(408, b"http_request_error")
        return 0

    cdef Py_ssize_t alone_under_way(self) except -1:
        """Bytes that the kernel has; of which stream they are is known when there is only one."""
        if self.connection.write_blocked and len(self.connection.streams) == 1:
            return self.connection.under_way()
        return 0

    cdef int expire(self) except -1:
        cdef Exchange exchange = self.exchange
        if exchange is None:
            return self.abort()
        if self.write_blocked:
            self.reset(CANCEL)
            self.leave()
            return exchange.client_gone(b"connection_write_timeout")
        return exchange.fail(408, b"http_request_error")
