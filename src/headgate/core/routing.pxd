from libc.stdint cimport uint8_t

from headgate.core.head cimport Head


cdef class RoutingTable:
    # Index of the route that takes the request, or -1. `listener` is an index into the names given
    # to the constructor; `client` is 16 bytes (IPv4 mapped into IPv6), or NULL for a unix peer.
    cdef Py_ssize_t match(self, Head head, int listener, const uint8_t* client) noexcept

    # For a 404: (index of the route that came nearest or -1, what failed in it).
    cdef tuple nearest(self, Head head, int listener, const uint8_t* client)

    # Named groups of the regular expression by which the route takes `path`; for redirect templates.
    cpdef dict captures(self, Py_ssize_t route, bytes path)
