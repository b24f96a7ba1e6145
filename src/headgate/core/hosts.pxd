from libc.stdint cimport int32_t, uint8_t, uint16_t, uint64_t

from headgate.core.arena cimport Arena


cdef enum:
    MOST_LEVELS = 130           # a host has at most 255 bytes, so at most 128 suffixes


# One cache line. A wildcard is kept as ".example.com".
cdef struct HostKey:
    const char* text            # NULL: an empty place
    uint64_t hash
    int32_t value
    uint16_t size
    uint8_t wildcard
    char near[41]               # the text, when it fits


cdef class Hosts:
    cdef Arena arena
    cdef HostKey* places
    cdef uint64_t mask
    cdef bint none              # no hosts at all
    cdef bint wildcards

    cdef int insert(self, bytes text, bint wildcard, int32_t value) except -1
    # The values of the keys that take this host, in matching order; at most MOST_LEVELS.
    cdef int find(self, const char* host, Py_ssize_t size, int32_t* values) noexcept nogil
    cdef HostKey* place(self, const char* text, Py_ssize_t size, uint64_t hash, bint wildcard) noexcept nogil
