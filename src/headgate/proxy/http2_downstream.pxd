from headgate.core.events cimport Event
from headgate.core.head cimport Head
from headgate.core.http2 cimport Http2Server
from headgate.proxy.connection cimport Connection
from headgate.proxy.exchange cimport Exchange
from headgate.proxy.forwarding cimport Peer
from headgate.proxy.http2 cimport Http2Connection, Http2Stream
from headgate.proxy.port cimport Port
from headgate.proxy.snapshot cimport Listener


cdef class Http2Downstream(Http2Connection):
    cdef set taken_back                 # streams whose requests came together with their end
    cdef Http2Server server             # the codec
    cdef readonly Port port
    cdef int patience                   # bytes that are still read of a flood, and 0 before and after
    cdef int finished                   # exchanges that came to their end, as far as they count
    cdef Listener listener
    cdef Peer peer
    cdef bint in_head                   # the preface or a header block is under way
    cdef bint draining
    cdef double drain_at                # when the last word on the number of streams is said

    cdef int refuse_client(self) except -1
    cdef int start_exchange(self, Head head) except -1
    cdef int refuse(self, Event event) except -1
    cdef int dismiss(self, Head head) except -1
    cdef int become_upgrade(self, Head head) except -1
    cdef int begin_drain(self) except -1
    cdef int end_drain(self) except -1
    cdef void rest(self) noexcept
    cdef void trust(self) noexcept
    cdef int cut_off(self) except -1


cdef class DownstreamStream(Http2Stream):
    cdef double slow_seconds            # spent waiting for this client's body, or for it to read

    cdef int open_tunnel(self, Head head) except -1
    cdef int check_rate(self, double elapsed) except -1
    cdef Py_ssize_t alone_under_way(self) except -1


cdef int begin_http2(Port port, Peer peer, Connection old, bint wanted, const char* data,
                     Py_ssize_t size) except -1
