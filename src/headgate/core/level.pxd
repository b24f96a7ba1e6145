from cpython.object cimport PyObject
from libc.stdint cimport int32_t, uint8_t, uint64_t

from headgate.core.arena cimport Arena
from headgate.core.head cimport Head, Span
from headgate.core.places cimport Place, Places, Turn


# Turns of entries of a level, lowest rank first.
cdef struct Turns:
    Turn* turns
    int count


# Regular expressions that are matched together.
cdef class Bucket:
    cdef list matchers          # one nearly always: (number of its first pattern, matcher)
    cdef Turns turns            # of the patterns
    cdef Py_ssize_t skipped     # bytes of the path that are known to match

    cdef list matching(self, Span path)


# The routes of one host in matching order; the rank of an entry is its place in that order.
cdef class Level(Places):
    cdef Turns pathless
    cdef PyObject** conditions  # Conditions by route; the table keeps them alive
    cdef Bucket loose           # regular expressions that may match any path
    cdef list buckets
    cdef readonly str host      # "api.example.com", "*.example.com", or "" for any host
    cdef readonly list entries
    cdef list keys              # sorted
    cdef list key_ranks         # rank of an entry of each key
    cdef uint64_t[4] rest       # to the next cache line

    @staticmethod
    cdef Level of_entries(str host, list entries, PyObject** conditions, dict sets, Arena arena)
    cdef int compile_paths(self, dict sets) except -1
    cdef list turns_of(self, list ranks)
    cdef Turns pack(self, list ranks) except *
    cdef inline bint takes(self, Turn* turn, Head head, int listener, const uint8_t* client) except -1
    cdef list candidates(self, Head head)
    cdef object neighbour(self, Head head)
    cdef int search(self, Head head, int listener, const uint8_t* client) except -2
    cdef Turn* first(self, Turns turns, Turn* best, Head head, int listener,
                     const uint8_t* client) except NULL
    cdef Turn* first_regex(self, Bucket bucket, Span path, Turn* best, Head head, int listener,
                           const uint8_t* client) except NULL
