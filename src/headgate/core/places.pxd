from cpython.object cimport PyObject
from libc.stdint cimport int32_t, uint32_t, uint64_t

from headgate.core.arena cimport Arena


# An entry's turn: the lower its rank, the sooner.
cdef struct Turn:
    int32_t rank
    int32_t route
    PyObject* conditions        # Conditions; NULL: nothing further


cdef union Text:
    char near[24]
    const char* far             # of more bytes than these


cdef union Turns:
    Turn only                   # when it is one
    const Turn* all             # of the exact path, then of the prefix


# A key and what is there to do for it: one cache line. The text comes first, for memcmp() reads 32 bytes at a
# time, of what lies behind it too.
cdef struct Place:
    Text text
    uint32_t hash               # 0: an empty place
    uint32_t size
    int32_t up                  # place of the longest key that this one begins with, or -1
    int32_t bucket              # regular expressions of which this is the literal prefix, or -1
    int32_t exact
    int32_t prefix
    Turns turns


# Turns of entries of a level, lowest rank first.
cdef struct Queue:
    const Turn* turns
    int count


# Regular expressions that are matched together, in one call: one cache line.
cdef struct Bucket:
    PyObject* matchers          # a list, of one nearly always: (number of its first pattern, matcher)
    Queue queue                 # of the patterns
    Py_ssize_t skipped          # bytes of the path that are known to match
    Turn only                   # room for the queue, when it is one
    uint64_t[2] rest            # to the next cache line


# What a request needs of a table of paths; it lies beside the host that leads to it (core/hosts).
cdef struct Paths:
    Place* places
    uint64_t sizes              # a bit for each size of a key, the last for all from FAR up
    uint64_t literal_sizes      # those of literal prefixes
    uint32_t mask
    uint32_t longest            # size of the longest key
    Bucket* buckets             # by Place.bucket
    PyObject* level             # core/level: the rest
    bint further                # there are routes that no place leads to


# Makes a table of paths.
cdef class Places:
    cdef Paths paths
    cdef int32_t last           # place of the key that was inserted last
    cdef Arena arena

    cdef int reserve(self, Py_ssize_t count) except -1
    cdef Place* insert(self, bytes key, const Turn* turns, int32_t exact, int32_t prefix, int32_t bucket) except NULL
    cdef Place* claim(self, const char* text, Py_ssize_t size) noexcept


# Hash of a key; never 0.
cdef uint32_t hash_of(const char* text, Py_ssize_t size) noexcept nogil

# The place of the longest key with which `text` begins, or NULL. A key that is no literal prefix counts only
# where it ends a segment of the text.
cdef const Place* deepest(const Paths* paths, const char* text, Py_ssize_t size) noexcept nogil

# Have what `deepest` will read first on its way from memory.
cdef void expect_place(const Paths* paths, const char* text, Py_ssize_t size) noexcept nogil


cdef inline const Place* above(const Paths* paths, const Place* place) noexcept nogil:
    """The place of the next shorter key."""
    return &paths.places[place.up] if place.up >= 0 else NULL


cdef inline const Turn* turns_of(const Place* place) noexcept nogil:
    return &place.turns.only if place.exact + place.prefix == 1 else place.turns.all


cdef inline bint ends_segment(const char* text, Py_ssize_t size, Py_ssize_t depth) noexcept nogil:
    """Whether a prefix of `depth` bytes takes the path: /v1/* takes /v1 and /v1/x, not /v1x."""
    return depth == size or text[depth] == c"/"
