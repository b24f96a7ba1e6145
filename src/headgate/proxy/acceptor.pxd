from headgate.proxy.forwarding cimport Peer
from headgate.proxy.port cimport Port


# One listening socket that is accepted on.
cdef class Acceptor:
    cdef Port port
    cdef int fd
    cdef bint stopped

    cdef int begin(self, int fd, Peer peer) except -1
