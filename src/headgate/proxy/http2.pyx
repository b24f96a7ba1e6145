"""HTTP/2 connections and their streams: what both sides of the proxy share.

A stream is the leg of an exchange; the connection has only the socket and the codec. Three things
differ from HTTP/1, where both are one:

- Sending. System calls are what costs, so that flush() of a stream does not send: the connection
  sends once, when all that the event loop had is handled. Only large pieces, which are borrowed, go
  out at once.
- Blocking. What a window, or the socket, does not let out waits in the stream's queue inside the
  codec; a stream whose queue is not empty is blocked, and its exchange stops the other side. The
  codec decides whose bytes go next (RFC 9218), as the socket takes them.
- Reading. A stream that is paused is not credited for what it got, so that its peer stops when the
  window is used up; the others go on.
"""

from cpython.bytearray cimport PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint32_t

from headgate.core.events cimport (
    CLOSING, CREDIT, DATA, REQUEST_HEAD, RESET, RESPONSE_HEAD, TRAILERS, VIOLATION, Data, Event, Reset,
    Violation, new_data,
)
from headgate.core.head cimport Head, release_head
from headgate.core.http2 cimport Http2
from headgate.core.output cimport Output
from headgate.proxy.connection cimport Connection
from headgate.proxy.exchange cimport Exchange, Leg

cdef enum:
    COPY_BELOW = 16384          # a smaller piece of a body is copied and sent with all others
    OUTPUT_BYTES = 49152        # so much is sent without waiting for more
    ROOM_BYTES = 57344          # of bodies in one go: what lies in the socket obeys no priority
    UNSENT_BYTES = 262144       # answers and frames that wait; whoever takes none is not read either

cdef double LINGER_SECONDS = 2.0
cdef double CLOSING_SECONDS = 30.0


cdef class Http2Connection(Connection):
    """One connection that speaks HTTP/2."""

    def __cinit__(self):
        self.streams = {}

    cdef int greet(self) except -1:
        """Send the connection preface, or our half of it."""
        self.prepare()
        self.http2.start()
        return self.send_soon()

    # --- Sending ---

    cdef int prepare(self) except -1:
        """Have an output: the codec may write with any call."""
        cdef Output out
        if self.http2.out is None:
            out = self.context.take_output()
            out.copy_below = COPY_BELOW
            self.http2.out = out
        return 0

    cdef int send_soon(self) except -1:
        cdef Output out = self.http2.out
        if out is not None and not self.flush_due:
            return self.register.flush_soon(self)
        return 0

    cdef int flush(self) except -1:
        """Send, now where bytes are borrowed or many, else with all others."""
        cdef Output out = self.http2.out
        if out is None:
            return 0
        if out.piece_count or out.total > OUTPUT_BYTES:
            return self.flush_now()
        return self.send_soon()

    cdef int flush_now(self) except -1:
        cdef Output out = self.http2.out
        if out is not None:
            self.http2.out = None
            self.deliver(out)
        if not self.closed:
            self.http2.room = 0 if self.write_blocked else ROOM_BYTES
            if self.http2.wants_pump():
                return self.pump()
        return 0

    cdef int pump(self) except -1:
        """Send what waits in the streams' queues, as far as the socket takes it."""
        cdef list events
        cdef Output out
        if self.pumping:
            return 0            # the loop below comes to it
        self.pumping = True
        try:
            while not self.closed and not self.write_blocked and self.http2.wants_pump():
                events = []
                self.prepare()
                self.http2.pump(events, ROOM_BYTES)
                out = self.http2.out
                self.http2.out = None
                self.deliver(out)
                self.dispatch(events)
        finally:
            self.pumping = False
        return 0

    cdef int blocked(self) except -1:
        Connection.blocked(self)
        self.http2.room = 0
        if self.unsent_bytes > UNSENT_BYTES:
            self.pause()
        return 0

    cdef int unblocked(self) except -1:
        cdef bint ending = self.closed
        Connection.unblocked(self)
        if ending or self.fd < 0:
            return 0
        self.resume()
        return self.flush_now()

    cdef double write_seconds(self) noexcept:
        """As long as the most patient of the exchanges waits."""
        cdef double seconds = CLOSING_SECONDS
        cdef Http2Stream stream
        if not self.closed:
            for stream in self.streams.values():
                if stream.exchange is not None and stream.exchange.facts != NULL:
                    seconds = max(seconds, stream.exchange.limits.response_idle_timeout)
        return seconds

    # --- Receiving ---

    cdef bint read_once(self) except -1:
        return self.held is None and self.may_read() and Connection.read_once(self)

    cdef bint may_read(self) except -1:
        """Whether it is its turn."""
        return True

    def _go_on(self) -> None:
        if not self.suspect or self.may_go_on(self._go_on_held):
            self._go_on_held()

    def _go_on_held(self) -> None:
        cdef bytes held = self.held
        cdef double start = self.context.tick()
        try:
            if not self.may_read():
                self.context.loop.call_soon(self._go_on)
                return
            self.held = None
            self.received(PyBytes_AS_STRING(held), PyBytes_GET_SIZE(held))
            if self.delayed and self.held is None:
                self.undelay()
        except Exception:
            self.own_error("bytes that were held could not be handled", None)
        if self.suspect:
            self.charge(start)

    cdef int received(self, const char* data, Py_ssize_t size) except -1:
        cdef Http2Connection alive = self
        cdef list events
        if self.lingering or self.closed:
            return 0
        self.context.tick()
        self.prepare()
        self.http2.now = self.context.now
        events = self.http2.feed(data, size)
        if self.http2.unread:
            # A thousand requests fit into one read, and other connections would wait for them all.
            self.held = data[size - self.http2.unread:size]
            self.context.loop.call_soon(self._go_on)
            if self.suspect and not self.delayed:
                self.delay()
        self.dispatch(events)
        if self.closed:
            return 0
        if self.http2.wants_pump():
            self.pump()
        if not self.closed:
            self.watch()
        return self.send_soon()

    cdef int dispatch(self, list events) except -1:
        cdef Event event
        for event in events:
            self.handle(event)
            if self.closed or self.lingering:
                break
        return self.flush_touched()

    cdef int handle(self, Event event) except -1:
        cdef int kind = event.kind
        if kind == REQUEST_HEAD or (kind == VIOLATION and event.stream):
            return self.head_came(event)
        found = self.streams.get(event.stream)
        if found is not None:
            return self.tell(<Http2Stream>found, event)
        if kind == DATA:
            self.prepare()
            return self.http2.consumed(event.stream, (<Data>event).size)
        if kind == VIOLATION:
            return self.broken((<Violation>event).status, (<Violation>event).reason)
        if kind == CLOSING:
            return self.peer_closing()
        if kind == TRAILERS or kind == RESPONSE_HEAD:
            release_head(<Head>event)
        return 0

    cdef int tell(self, Http2Stream stream, Event event) except -1:
        """Hand an event to its stream. What goes wrong with one does not end the others."""
        cdef Exchange exchange = stream.exchange
        try:
            stream.receive(event)
        except Exception:
            return stream.own_error(exchange)
        if not stream.touched and not stream.over:
            stream.touched = True
            if self.touched is None:
                self.touched = []
            self.touched.append(stream)
        return 0

    cdef int flush_touched(self) except -1:
        """Received bytes are borrowed until now."""
        cdef list streams = self.touched
        cdef Http2Stream stream
        cdef Exchange exchange
        cdef Leg other
        if streams is None:
            return 0
        self.touched = None
        for stream in streams:
            stream.touched = False
            exchange = stream.exchange
            if exchange is not None:
                other = exchange.up if exchange.down is stream else exchange.down
                if other is not None:
                    other.flush()
        return 0

    cdef int ended(self) except -1:
        """The peer's side is over, and so are all streams."""
        if self.closed:
            return 0
        if not self.lingering:
            self.context.tick()
            self.end_streams(b"connection_terminated")
        return self.close()

    cdef int gone(self) except -1:
        self.context.tick()
        return self.end_streams(b"connection_terminated")

    cdef int hung_up(self, bint reset) except -1:
        return self.failed() if reset else 0

    # --- Closing ---

    cdef int close(self) except -1:
        """Send what is queued, then close."""
        if self.closed:
            return 0
        self.flush_now()
        return Connection.close(self)

    cdef int linger(self) except -1:
        """Close the sending side and read what still comes, for a moment: closing at once would reset
        the connection, and could take the GOAWAY with it that says why."""
        self.flush_now()
        if self.closed:
            return 0
        self.lingering = True
        self.deadline = self.context.now + LINGER_SECONDS
        self.resume()
        return self.close() if self.input_over else self.half_close()

    cdef int own_error(self, str what, Exchange exchange) except -1:
        """Where this connection stands is not known any more: end all its exchanges."""
        self.context.own_error(what)
        try:
            self.end_streams(b"proxy_internal_error")
        finally:
            self.close_hard()
        return 0

    cdef int dispose(self) except -1:
        cdef Http2Connection alive = self
        cdef Output out = self.http2.out
        if out is not None:
            self.http2.out = None
            self.context.give_output(out)
        return Connection.dispose(self)

    # --- Time ---

    cdef int sweep(self, double now, double elapsed) except -1:
        cdef Http2Stream stream
        cdef Exchange exchange
        if self.streams:
            for stream in list(self.streams.values()):
                exchange = stream.exchange
                try:
                    stream.sweep(now, elapsed)
                except Exception:
                    stream.own_error(exchange)
                if self.fd < 0:
                    return 0
        return Connection.sweep(self, now, elapsed)

    # --- What each side fills in ---

    cdef int head_came(self, Event event) except -1:
        """The head of a request, or the reason why it is none."""
        raise NotImplementedError

    cdef int peer_closing(self) except -1:
        """GOAWAY came: no new streams."""
        raise NotImplementedError

    cdef int broken(self, int status, str reason) except -1:
        """The peer broke the protocol; GOAWAY is in the output."""
        raise NotImplementedError

    cdef int stream_left(self, Http2Stream stream) except -1:
        """One stream less is open."""
        raise NotImplementedError

    cdef int end_streams(self, bytes reason) except -1:
        """The connection is over: tell all exchanges."""
        raise NotImplementedError


cdef class Http2Stream(Leg):
    """One stream, as the leg of its exchange."""

    def __cinit__(self):
        self.deadline = INFINITY

    # --- What came ---

    cdef int receive(self, Event event) except -1:
        cdef Exchange exchange = self.exchange
        if event.kind == DATA:
            return self.receive_data(<Data>event)
        if event.kind == CREDIT:
            return self.unblock()
        if event.kind == RESET:
            return self.was_reset(<Reset>event)
        if event.kind == TRAILERS:
            self.input_over = True
            if exchange is None:
                release_head(<Head>event)
                return 0
            self.trailers(exchange, <Head>event)
            return self.after_input()
        return 0

    cdef int receive_data(self, Data data) except -1:
        cdef Exchange exchange = self.exchange
        if data.last:
            self.input_over = True
        if exchange is None:
            self.credit(data.size)      # of an exchange that is over already
        elif exchange.tunnel:
            exchange.tunnel_data(self, data)
            self.credit(data.size)
        elif self.asks_tunnel:
            return self.keep_early(data)
        else:
            self.body(exchange, data)
            self.credit(data.size)
        return self.after_input()

    cdef int after_input(self) except -1:
        if not self.over:
            self.watch()
        return 0

    cdef int keep_early(self, Data data) except -1:
        """A tunnel's bytes before it began. Not credited, so that they fit into the first window."""
        if self.early is None:
            self.early = bytearray()
        self.early += data.data[:data.size]
        self.owed += data.size
        return 0

    cdef int credit(self, Py_ssize_t size) except -1:
        """The other side has these bytes, or nobody wants them: let the peer send more."""
        if size == 0:
            return 0
        if self.read_paused and not self.over:
            self.owed += size
            return 0
        self.connection.prepare()
        return self.connection.http2.consumed(self.number, size)

    # --- The leg of an exchange ---

    cdef int send_data(self, const char* data, Py_ssize_t size, bint last) except -1:
        if self.over:
            return 0
        if last:
            self.output_over = True
        self.connection.prepare()
        return self.connection.http2.send_data(self.number, data, size, last)

    cdef int send_trailers(self, Head head) except -1:
        if self.over:
            return 0
        self.output_over = True
        self.connection.prepare()
        return self.connection.http2.send_trailers(self.number, head)

    cdef int flush(self) except -1:
        self.connection.flush()
        if not self.over and not self.write_blocked and self.connection.http2.queued(self.number):
            return self.block()
        return 0

    cdef Py_ssize_t backlog(self) except -1:
        return self.connection.http2.queued(self.number)

    cdef int block(self) except -1:
        """Bytes wait in the queue: the other side is to stop until they are gone."""
        cdef Exchange exchange = self.exchange
        self.write_blocked = True
        self.await_progress()
        if exchange is not None:
            exchange.writable(self, False)
        return 0

    cdef int unblock(self) except -1:
        cdef Exchange exchange = self.exchange
        if not self.write_blocked:
            return 0
        self.write_blocked = False
        self.watch()
        if exchange is not None:
            exchange.writable(self, True)
        return 0

    cdef int pause(self) except -1:
        if not self.read_paused and not self.over:
            self.read_paused = True
            self.watch()
        return 0

    cdef int resume(self) except -1:
        cdef Py_ssize_t owed = self.owed
        if not self.read_paused or self.over:
            return 0
        self.read_paused = False
        self.owed = 0
        self.credit(owed)
        self.connection.send_soon()
        self.watch()
        return 0

    cdef int begin_tunnel(self) except -1:
        cdef Exchange exchange = self.exchange
        cdef Py_ssize_t owed = self.owed
        cdef bytes early = bytes(self.early) if self.early is not None else b""
        cdef Leg other = exchange.up
        self.early = None
        self.owed = 0
        self.watch()
        if PyBytes_GET_SIZE(early) or self.input_over:
            exchange.tunnel_data(self, new_data(self.number, PyBytes_AS_STRING(early),
                                                PyBytes_GET_SIZE(early), self.input_over))
            other.flush()
        self.credit(owed)
        return self.connection.send_soon()

    cdef int end_tunnel(self) except -1:
        if not self.output_over:
            self.send_data(NULL, 0, True)
        return self.flush()

    # --- The end ---

    cdef int reset(self, uint32_t code) except -1:
        self.connection.prepare()
        self.connection.http2.send_reset(self.number, code)
        return self.connection.send_soon()

    cdef int leave(self) except -1:
        """Nothing more goes in or out."""
        cdef Http2Connection connection = self.connection
        cdef Py_ssize_t owed = self.owed
        if self.over:
            return 0
        self.over = True
        self.deadline = INFINITY
        self.early = None
        self.owed = 0
        connection.streams.pop(self.number, None)
        if not connection.streams:
            connection.streams.clear()  # which gives its memory back: the connection may rest now
        self.credit(owed)
        return connection.stream_left(self)

    cdef int own_error(self, Exchange exchange) except -1:
        """An exception: where this stream and its exchange stand is not known any more."""
        self.connection.context.own_error("an event of a stream could not be handled")
        if exchange is not None:
            exchange.break_off(b"proxy_internal_error")
        return self.abort()

    # --- Time ---

    cdef int64_t handed_over(self) except -1:
        """Bytes of this exchange that went out into this stream."""
        cdef Exchange exchange = self.exchange
        if exchange is None:
            return 0
        return ((exchange.bytes_out if exchange.down is self else exchange.bytes_in)
                - self.connection.http2.queued(self.number))

    cdef int await_progress(self) except -1:
        """Set the deadline for bytes to go out."""
        cdef Exchange exchange = self.exchange
        cdef double seconds = CLOSING_SECONDS
        if exchange is not None and exchange.tunnel:
            seconds = INFINITY          # the tunnel's own idle time counts
        elif exchange is not None and exchange.facts != NULL:
            seconds = exchange.limits.response_idle_timeout
        self.taken = self.handed_over()
        self.deadline = self.connection.context.now + seconds
        return 0

    cdef int sweep(self, double now, double elapsed) except -1:
        if self.deadline > now or self.over:
            return 0
        if self.write_blocked and (self.connection.write_blocked or self.handed_over() > self.taken):
            return self.await_progress()    # or the socket is waited for, which has a deadline itself
        self.deadline = INFINITY
        return self.expire()

    # --- What each side fills in ---

    cdef int body(self, Exchange exchange, Data data) except -1:
        raise NotImplementedError

    cdef int trailers(self, Exchange exchange, Head head) except -1:
        raise NotImplementedError

    cdef int was_reset(self, Reset event) except -1:
        """The stream is over before its end."""
        raise NotImplementedError

    cdef int expire(self) except -1:
        raise NotImplementedError
