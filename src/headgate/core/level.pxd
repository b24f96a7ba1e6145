from cpython.object cimport PyObject
from libc.stdint cimport uint8_t

from headgate.core.arena cimport Arena
from headgate.core.head cimport Head, Span
from headgate.core.places cimport Bucket, Paths, Places, Queue, Turn


# The routes of one host in matching order; the rank of an entry is its place in that order.
cdef class Level(Places):
    cdef Queue pathless
    cdef PyObject** conditions  # Conditions by route, or NULL: nothing further; the table keeps them alive
    cdef Bucket* loose          # regular expressions that may match any path, or NULL
    cdef list matchers          # of all buckets
    cdef readonly str host      # "api.example.com", "*.example.com", or "" for any host
    cdef readonly list entries
    cdef list keys              # sorted
    cdef list key_ranks         # rank of an entry of each key

    @staticmethod
    cdef Level of_entries(str host, list entries, PyObject** conditions, dict sets, Arena arena)
    cdef int compile_paths(self, dict sets) except -1
    cdef Queue pack(self, list ranks) except *
    cdef int fill(self, Bucket* bucket, list ranks, Py_ssize_t literal, dict sets) except -1
    cdef const Turn* first_further(self, Span path, const Turn* best, Head head, int listener,
                                   const uint8_t* client) except NULL
    cdef list candidates(self, Head head)
    cdef object neighbour(self, Head head)


# Index of the first route of a level that takes the request, or -1.
cdef int search(const Paths* paths, Head head, int listener, const uint8_t* client) except -2
