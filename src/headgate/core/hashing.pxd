from libc.stdint cimport uint64_t


cdef inline uint64_t mix(uint64_t value) noexcept nogil:
    """The finaliser of splitmix64: every bit depends on every bit."""
    value = (value ^ (value >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    value = (value ^ (value >> 27)) * <uint64_t>0x94D049BB133111EB
    return value ^ (value >> 31)


cdef uint64_t hash_bytes(const char* data, Py_ssize_t size, uint64_t seed) noexcept nogil
