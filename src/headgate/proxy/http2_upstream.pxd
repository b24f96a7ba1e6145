from headgate.core.events cimport Reset
from headgate.core.head cimport Head
from headgate.core.http2 cimport Http2Client
from headgate.proxy.exchange cimport Exchange, Source
from headgate.proxy.http2 cimport Http2Connection, Http2Stream


cdef class Http2Upstream(Http2Connection):
    cdef Http2Client client             # the codec
    cdef Source pool
    cdef Py_ssize_t most_streams        # as the pool says
    cdef double born
    cdef double heard_at
    cdef double pinged_at               # when an answer is waited for; infinity for never
    cdef bint ready                     # the endpoint's settings came
    cdef bint leaving                   # takes no new streams, ends with the last one
    cdef bint doubted                   # an exchange got no answer, and nothing else came since
    cdef bint used                      # it carried an exchange before
    cdef bint session_kept              # of TLS
    cdef int fault_status               # why it could not be used
    cdef bytes fault

    cdef Py_ssize_t room(self) noexcept
    cdef bint takes(self, Head request) noexcept
    cdef UpstreamStream new_stream(self)
    cdef int retire(self) except -1
    cdef int give_up(self, int status, bytes reason) except -1
    cdef int probe(self, double now) except -1
    cdef int doubt(self, double since) except -1


cdef class UpstreamStream(Http2Stream):
    cdef double started
    cdef bint asked_tunnel
    cdef bytes accept                   # Sec-WebSocket-Accept for a client of HTTP/1.1

    cdef int response(self, Exchange exchange, Head head) except -1
    cdef int frame(self, Exchange exchange, Head head) except -1
    cdef int ask_tunnel(self, Head head) except -1
    cdef int answer_tunnel(self, Head head) except -1
    cdef int lost(self, Exchange exchange, int status, bytes reason) except -1


cdef bint asks_websocket(Head head) noexcept
