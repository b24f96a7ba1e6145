from libc.stdint cimport int32_t, uint8_t

from headgate.core.arena cimport Arena
from headgate.core.conditions cimport Conditions
from headgate.core.head cimport Head, Span
from headgate.core.radix cimport Node, Radix


# Ranks of entries of a level, lowest first.
cdef struct Ranks:
    int32_t* ranks
    int count


# Regular expressions that are matched together.
cdef class Bucket:
    cdef list matchers          # one nearly always: (number of its first pattern, matcher)
    cdef Ranks ranks            # of the patterns

    cdef list matching(self, Span path)


# What ends at one node of the tree of paths.
cdef struct Place:
    Ranks exact
    Ranks prefix


# The routes of one host in matching order; the rank of an entry is its place in that order.
cdef class Level:
    cdef Arena arena
    cdef list conditions        # Conditions by route
    cdef readonly str host      # "api.example.com", "*.example.com", or "" for any host
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
    cdef int search(self, Head head, int listener, const uint8_t* client) except -2
    cdef int first(self, Ranks ranks, int best, Head head, int listener, const uint8_t* client) except -1
    cdef int first_regex(self, Bucket bucket, int best, Head head, int listener,
                         const uint8_t* client) except -1
    cdef Conditions conditions_of(self, int rank)
