from libc.stdint cimport int64_t, uint32_t

from headgate.core.events cimport Data, Event, Reset
from headgate.core.head cimport Head
from headgate.core.http2 cimport Http2
from headgate.proxy.connection cimport Connection
from headgate.proxy.exchange cimport Exchange, Leg


# A connection that carries many exchanges: no leg itself, its streams are.
cdef class Http2Connection(Connection):
    cdef Http2 http2                    # the codec
    cdef dict streams                   # open ones, by number
    cdef list touched                   # those whose other side was told something and not flushed, or None
    cdef bint pumping
    cdef bytes held                     # what came and is looked at in the next turn of the event loop

    cdef int greet(self) except -1
    cdef int prepare(self) except -1
    cdef bint may_read(self) except -1
    cdef int send_soon(self) except -1
    cdef int pump(self) except -1
    cdef int dispatch(self, list events) except -1
    cdef int handle(self, Event event) except -1
    cdef int tell(self, Http2Stream stream, Event event) except -1
    cdef int flush_touched(self) except -1
    cdef int linger(self) except -1

    cdef int head_came(self, Event event) except -1
    cdef int peer_closing(self) except -1
    cdef int broken(self, int status, str reason) except -1
    cdef int stream_left(self, Http2Stream stream) except -1
    cdef int end_streams(self, bytes reason) except -1


cdef class Http2Stream(Leg):
    cdef Http2Connection connection
    cdef int64_t number
    cdef Py_ssize_t owed                # bytes that came and are not credited to the peer yet
    cdef bint input_over                # the peer's side came to its end
    cdef bint output_over               # and ours
    cdef bint over                      # the codec knows this stream no more
    cdef bint touched
    cdef bint asks_tunnel               # an extended CONNECT (RFC 8441)
    cdef bytearray early                # what came of a tunnel before it began
    cdef int64_t taken                  # bytes that the peer had taken when the deadline was set

    cdef int receive(self, Event event) except -1
    cdef int receive_data(self, Data data) except -1
    cdef int after_input(self) except -1
    cdef int keep_early(self, Data data) except -1
    cdef int body(self, Exchange exchange, Data data) except -1
    cdef int trailers(self, Exchange exchange, Head head) except -1
    cdef int was_reset(self, Reset event) except -1
    cdef int credit(self, Py_ssize_t size) except -1
    cdef int block(self) except -1
    cdef int unblock(self) except -1
    cdef int64_t handed_over(self) except -1
    cdef int await_progress(self) except -1
    cdef int reset(self, uint32_t code) except -1
    cdef int leave(self) except -1
    cdef int own_error(self, Exchange exchange) except -1
    cdef int sweep(self, double now, double elapsed) except -1
    cdef int expire(self) except -1
