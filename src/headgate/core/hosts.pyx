"""Hosts of a routing table: exact names and wildcards in one hash table.

The hash runs from the last byte to the first, so that one pass over a host gives those of all its
suffixes too.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t
from libc.string cimport memcmp, memcpy


cdef inline uint64_t mix(uint64_t hash, char byte) noexcept nogil:
    return (hash ^ <uint8_t>byte) * <uint64_t>0x100000001B3       # FNV-1a

cdef enum:
    MOST_BYTES = 255

cdef uint64_t START = <uint64_t>0xCBF29CE484222325


cdef class Hosts:
    """Maps each host, exact or wildcard, to a number from 0 up."""

    def __init__(self, hosts, Arena arena not None):
        """`hosts` as in a configuration: "example.com" or "*.example.com"; numbered in this order."""
        cdef uint64_t size = 8
        cdef int32_t value
        keys = list(hosts)
        self.none = not keys
        while size < 3 * <uint64_t>len(keys):
            size *= 2
        self.arena = arena
        self.places = <HostKey*>self.arena.take_lines(size * sizeof(HostKey))
        self.mask = size - 1
        for value, host in enumerate(keys):
            wildcard = host.startswith("*.")
            self.insert(host[1:].encode() if wildcard else host.encode(), wildcard, value)

    cdef int insert(self, bytes text, bint wildcard, int32_t value) except -1:
        cdef uint64_t hash = START
        cdef Py_ssize_t size = PyBytes_GET_SIZE(text)
        cdef const char* copy = PyBytes_AS_STRING(text)
        cdef Py_ssize_t at = size
        cdef HostKey* place
        while at > 0:
            at -= 1
            hash = mix(hash, copy[at])
        place = self.place(copy, size, hash, wildcard)
        place.hash = hash
        place.value = value
        place.size = <uint16_t>size
        place.wildcard = wildcard
        if size <= <Py_ssize_t>sizeof(place.near):
            memcpy(place.near, copy, size)
            place.text = place.near
        else:
            place.text = self.arena.copy(text)
        self.wildcards |= wildcard
        return 0

    cdef HostKey* place(self, const char* text, Py_ssize_t size, uint64_t hash, bint wildcard) noexcept nogil:
        """Where this key is, or the empty place where it belongs."""
        cdef uint64_t at = (hash ^ (hash >> 32)) & self.mask
        cdef HostKey* place
        while True:
            place = &self.places[at]
            if place.text == NULL:
                return place
            if (place.hash == hash and place.size == size and place.wildcard == wildcard
                    and memcmp(place.text, text, size) == 0):
                return place
            at = (at + 1) & self.mask

    cdef int find(self, const char* host, Py_ssize_t size, int32_t* values) noexcept nogil:
        cdef uint64_t hashes[MOST_LEVELS]
        cdef Py_ssize_t starts[MOST_LEVELS]
        cdef uint64_t hash = START
        cdef Py_ssize_t at = size
        cdef int suffixes = 0
        cdef int found = 0
        cdef HostKey* place
        if size == 0 or size > MOST_BYTES or self.none:
            return 0
        while at > 0:
            at -= 1
            hash = mix(hash, host[at])
            # A wildcard stands for at least one byte, so a leading dot begins no suffix.
            if host[at] == c"." and self.wildcards and at > 0 and suffixes < MOST_LEVELS:
                hashes[suffixes] = hash
                starts[suffixes] = at
                suffixes += 1
        place = self.place(host, size, hash, False)
        if place.text != NULL:
            values[found] = place.value
            found += 1
        while suffixes > 0 and found < MOST_LEVELS:
            suffixes -= 1
            at = starts[suffixes]
            place = self.place(host + at, size - at, hashes[suffixes], True)
            if place.text != NULL:
                values[found] = place.value
                found += 1
        return found

    def levels(self, bytes host) -> list[int]:
        """The numbers of the keys that take this host, in matching order."""
        cdef int32_t values[MOST_LEVELS]
        cdef int count = self.find(PyBytes_AS_STRING(host), PyBytes_GET_SIZE(host), values)
        return [values[number] for number in range(count)]
