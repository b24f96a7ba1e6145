from headgate.core.events cimport Event
from headgate.core.head cimport Head
from headgate.core.http1 cimport Http1Client
from headgate.proxy.connection cimport Connection
from headgate.proxy.exchange cimport Source


cdef class Http1Upstream(Connection):
    cdef Http1Client client             # the codec
    cdef Source pool
    cdef double born
    # Neighbours in the pool's list of idle connections.
    cdef Http1Upstream newer
    cdef Http1Upstream older
    cdef bint idle
    cdef bint skipping                  # the rest of an answer that nobody wants
    cdef bytes accept                   # of a WebSocket that was asked for on behalf of HTTP/2

    cdef int ask_websocket(self, Head head) except -1
    cdef bint granted(self, Head head) except -1
    cdef int handle(self, Event event) except -1
    cdef int skip_over(self, Event event) except -1
