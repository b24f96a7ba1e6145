from libc.stdint cimport int32_t, uint8_t, uint16_t, uint64_t

from headgate.core.arena cimport Arena
from headgate.core.places cimport Paths


cdef enum:
    MOST_LEVELS = 130           # a host has at most 255 bytes, so at most 128 suffixes


# A host and the table of its paths: two cache lines that are read side by side. A wildcard is kept as
# ".example.com".
cdef struct HostKey:
    const char* text            # NULL: an empty place
    uint64_t hash
    int32_t value
    uint16_t size
    uint8_t wildcard
    char near[41]               # the text, when it fits
    Paths paths
    uint64_t rest               # to the end of the second


cdef class Hosts:
    cdef Arena arena
    cdef HostKey* places
    cdef uint64_t mask
    cdef bint none              # no hosts at all
    cdef bint wildcards

    cdef int insert(self, bytes text, bint wildcard, int32_t value, const Paths* paths) except -1
    cdef inline uint64_t first(self, uint64_t hash) noexcept nogil:
        """Where to look first."""
        return (hash ^ (hash >> 32)) & self.mask

    # The key of this very host, or NULL.
    cdef const HostKey* exact(self, const char* host, Py_ssize_t size) noexcept nogil
    # The wildcards that take this host, the longest first; at most MOST_LEVELS.
    cdef int suffixes(self, const char* host, Py_ssize_t size, const HostKey** keys) noexcept nogil
    cdef HostKey* place(self, const char* text, Py_ssize_t size, uint64_t hash, bint wildcard) noexcept nogil
