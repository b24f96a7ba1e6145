from headgate.core.events cimport Event
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

    cdef int handle(self, Event event) except -1
