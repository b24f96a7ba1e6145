"""Hashes that are the same on every machine and in every process."""

from libc.string cimport memcpy


cdef uint64_t hash_bytes(const char* data, Py_ssize_t size, uint64_t seed) noexcept nogil:
    """A hash of these bytes, the same on every machine. Not for tables that an attacker could fill."""
    cdef uint64_t hash = mix(seed ^ (<uint64_t>size + 1) * <uint64_t>0x9E3779B97F4A7C15)
    cdef uint64_t word
    while size >= 8:
        memcpy(&word, data, 8)
        hash = mix(hash ^ word)
        data += 8
        size -= 8
    if size:
        word = 0
        memcpy(&word, data, size)
        hash = mix(hash ^ word)
    return hash
