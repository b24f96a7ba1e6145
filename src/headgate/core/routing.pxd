from libc.stdint cimport int32_t, uint8_t

from headgate.core.arena cimport Arena
from headgate.core.conditions cimport Conditions
from headgate.core.head cimport Head
from headgate.core.hosts cimport Hosts
from headgate.core.radix cimport Node, Radix


# Ranks of entries of a level, lowest first.
cdef struct Ranks:
    int32_t* ranks
    int count


# Regular expressions that are matched together.
cdef class Bucket:
    cdef list matchers          # one nearly always: (number of its first pattern, matcher)
    cdef Ranks ranks            # of the patterns


# What ends at one node of the tree of paths.
cdef struct Place:
    Ranks exact
    Ranks prefix


# The routes of one host in matching order; the rank of an entry is its place in that order.
cdef class Level:
    cdef Arena arena
    cdef readonly str host
    cdef readonly list entries
    cdef int count
    cdef int32_t* routes        # route by rank
    cdef Radix paths
    cdef Place* places          # by value of a node
    cdef list buckets           # by value of a node: Bucket or None
    cdef Bucket loose           # regular expressions that may match any path
    cdef Ranks pathless

    cdef Ranks pack(self, numbers)
    cdef int compile_paths(self) except -1
    cdef list candidates(self, Head head)
    cdef object neighbour(self, Head head)


cdef class RoutingTable:
    cdef readonly tuple listeners
    cdef tuple routes           # as given
    cdef list own               # entries by route
    cdef list levels            # Level by value in `hosts`
    cdef list conditions        # Conditions by route
    cdef Hosts hosts
    cdef Level any_host

    # Index of the route that takes the request, or -1. `listener` is an index into the names given
    # to the constructor; `client` is 16 bytes (IPv4 mapped into IPv6), or NULL for a unix peer.
    cdef Py_ssize_t match(self, Head head, int listener, const uint8_t* client) noexcept

    # For a 404: (index of the route that came nearest or -1, what failed in it).
    cdef tuple nearest(self, Head head, int listener, const uint8_t* client)

    # Named groups of the regular expression by which the route takes `path`; for redirect templates.
    cpdef dict captures(self, Py_ssize_t route, bytes path)

    cdef Py_ssize_t find(self, Head head, int listener, const uint8_t* client) except -2
    cdef int search(self, Level level, Head head, int listener, const uint8_t* client) except -2
    cdef int first(self, Level level, Ranks ranks, int best, Head head, int listener,
                   const uint8_t* client) except -1
    cdef int first_regex(self, Level level, Bucket bucket, int best, bytes path, Head head, int listener,
                         const uint8_t* client) except -1
    cdef list levels_of(self, Head head)
    cdef str failure_of(self, entry, Head head, int listener, const uint8_t* client, question)
