from libc.stdint cimport uint64_t

# The key of a hash: whoever does not know it cannot choose texts that fall on one place.
cdef struct Seed:
    uint64_t first
    uint64_t second

cdef Seed seed_of(bytes secret) except *
cdef uint64_t sip_hash(const char* data, Py_ssize_t size, Seed seed) noexcept nogil
