from headgate.core.events cimport Event
from headgate.core.head cimport Head
from headgate.core.http1 cimport Http1Server
from headgate.proxy.connection cimport Connection
from headgate.proxy.forwarding cimport Peer
from headgate.proxy.port cimport Port
from headgate.proxy.snapshot cimport Listener


cdef class Http1Downstream(Connection):
    cdef Listener listener
    cdef Http1Server server             # the codec
    cdef Peer peer
    cdef readonly Port port
    cdef bint dispatching
    cdef bint again                     # a message ended while its events were dispatched
    cdef bint in_head
    cdef bint unopened                  # nothing of a first request was read yet
    cdef bytes opening                  # bytes that may be the beginning of HTTP/2's preface
    cdef double slow_seconds            # spent waiting for this client's body, or for it to read

    cdef bint read_preface(self, const char* data, Py_ssize_t size) except -1
    cdef int dispatch(self, list events) except -1
    cdef int dispatch_held(self) except -1
    cdef int handle(self, Event event) except -1
    cdef int start_exchange(self, Head head) except -1
    cdef int refuse(self, int status, str reason) except -1
    cdef int accept(self, int fd) except -1
    cdef int welcome(self, bint wanted) except -1
    cdef int give_up(self, bytes reason) except -1
    cdef int next_exchange(self) except -1
    cdef int linger(self) except -1
    cdef void rest(self) noexcept
    cdef int check_rate(self, double elapsed) except -1


cdef Http1Downstream new_downstream(Port port, Peer peer)
