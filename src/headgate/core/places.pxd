from libc.stdint cimport int32_t, uint32_t, uint64_t

from headgate.core.arena cimport Arena


# An entry's turn: the lower its rank, the sooner.
cdef struct Turn:
    int32_t rank
    int32_t route               # twice its index, + 1 when it has further conditions


cdef union Text:
    char near[24]
    const char* far             # of more bytes than these


# A key and what is there to do for it: one cache line. The text comes first, for memcmp() reads 32 bytes at a
# time, of what lies behind it too.
cdef struct Place:
    Text text
    Turn* turns                 # of the exact path, then of the prefix; NULL: an empty place
    int32_t exact
    int32_t prefix
    uint32_t hash
    uint32_t size
    int32_t up                  # place of the longest key that this one begins with, or -1
    int32_t bucket              # regular expressions of which this is the literal prefix, or -1
    Turn only                   # room for `turns`, when it is one


# Of a Level, what each request needs is in one cache line: see core/conditions.pxd.
cdef class Places:
    cdef Place* places
    cdef uint64_t sizes         # a bit for each size of a key, the last for all from FAR up
    cdef uint64_t literal_sizes # those of literal prefixes
    cdef uint32_t mask
    cdef uint32_t longest       # size of the longest key
    cdef int32_t last           # place of the key that was inserted last
    cdef bint further           # of a Level: it has routes that no place leads to
    cdef Arena arena

    cdef int reserve(self, Py_ssize_t count) except -1
    cdef Place* insert(self, bytes key, list exact, list prefix, int32_t bucket) except NULL
    cdef Place* deepest(self, const char* text, Py_ssize_t size) noexcept nogil
    cdef Place* find(self, const char* text, Py_ssize_t size) noexcept nogil
    cdef Turn* take_turns(self, list turns) except NULL
    cdef inline Place* above(self, const Place* place) noexcept nogil:
        return &self.places[place.up] if place.up >= 0 else NULL


cdef inline bint ends_segment(const char* text, Py_ssize_t size, Py_ssize_t depth) noexcept nogil:
    """Whether a prefix of `depth` bytes takes the path: /v1/* takes /v1 and /v1/x, not /v1x."""
    return depth == size or text[depth] == c"/"
