from libc.stdint cimport int32_t, uint8_t

from headgate.core.arena cimport Arena
from headgate.core.conditions cimport Conditions
from headgate.core.head cimport Head
from headgate.core.hosts cimport HostKey, Hosts
from headgate.core.level cimport Level


cdef class RoutingTable:
    cdef readonly tuple listeners
    cdef tuple routes           # as given
    cdef list own               # entries by route
    cdef list levels            # Level by value in `hosts`
    cdef list conditions        # Conditions by route
    cdef Hosts hosts
    cdef Level any_host

    # The key of the request's host, for `match`; what that reads next is on its way from memory then. With
    # thousands of routes it takes a while.
    cdef const HostKey* approach(self, Head head) noexcept

    # Index of the route that takes the request, or -1. `host` is what `approach` said; `listener` is an index
    # into the names given to the constructor; `client` is 16 bytes (IPv4 mapped into IPv6), or NULL for a unix
    # peer.
    cdef Py_ssize_t match(self, Head head, const HostKey* host, int listener, const uint8_t* client) noexcept

    # For a 404: (index of the route that came nearest or -1, what failed in it).
    cdef tuple nearest(self, Head head, int listener, const uint8_t* client)

    # Named groups of the regular expression by which the route takes `path`; for redirect templates.
    cpdef dict captures(self, Py_ssize_t route, bytes path)

    cdef Py_ssize_t find(self, Head head, const HostKey* host, int listener, const uint8_t* client) except -2
    cdef list levels_of(self, Head head)
    cdef str failure_of(self, entry, Head head, int listener, const uint8_t* client, question)
