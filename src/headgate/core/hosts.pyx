"""Hosts of a routing table: exact names and wildcards in one hash table.

The hash of wildcards runs from the last byte to the first, so that one pass over a host gives those of all
its suffixes.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t
from libc.string cimport memcmp, memcpy

from headgate.core.places cimport Places, hash_of


cdef inline uint64_t mix(uint64_t hash, char byte) noexcept nogil:
    return (hash ^ <uint8_t>byte) * <uint64_t>0x100000001B3       # FNV-1a

cdef enum:
    MOST_BYTES = 255

cdef uint64_t START = <uint64_t>0xCBF29CE484222325


cdef uint64_t hash_of_suffix(const char* text, Py_ssize_t size) noexcept nogil:
    cdef uint64_t hash = START
    while size > 0:
        size -= 1
        hash = mix(hash, text[size])
    return hash


cdef class Hosts:
    """Maps each host, exact or wildcard, to a number from 0 up and to its paths."""

    def __init__(self, hosts, Arena arena not None):
        """`hosts` as in a configuration, "example.com" or "*.example.com", with their Places; numbered in this
        order."""
        cdef uint64_t size = 8
        cdef int32_t value
        cdef Places places
        self.none = not hosts
        while size < 3 * <uint64_t>len(hosts):
            size *= 2
        self.arena = arena
        self.places = <HostKey*>self.arena.take_lines(size * sizeof(HostKey))
        self.mask = size - 1
        for value, (host, places) in enumerate(hosts.items()):
            wildcard = host.startswith("*.")
            self.insert(host[1:].encode() if wildcard else host.encode(), wildcard, value, &places.paths)

    cdef int insert(self, bytes text, bint wildcard, int32_t value, const Paths* paths) except -1:
        cdef Py_ssize_t size = PyBytes_GET_SIZE(text)
        cdef const char* copy = PyBytes_AS_STRING(text)
        cdef uint64_t hash = hash_of_suffix(copy, size) if wildcard else hash_of(copy, size)
        cdef HostKey* place = self.place(copy, size, hash, wildcard)
        place.hash = hash
        place.value = value
        place.paths = paths[0]
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
        cdef uint64_t at = self.first(hash)
        cdef HostKey* place
        while True:
            place = &self.places[at]
            if place.text == NULL:
                return place
            if (place.hash == hash and place.size == size and place.wildcard == wildcard
                    and memcmp(place.text, text, size) == 0):
                return place
            at = (at + 1) & self.mask

    cdef const HostKey* exact(self, const char* host, Py_ssize_t size) noexcept nogil:
        cdef const HostKey* key
        if size == 0 or size > MOST_BYTES or self.none:
            return NULL
        key = self.place(host, size, hash_of(host, size), False)
        return key if key.text != NULL else NULL

    cdef int suffixes(self, const char* host, Py_ssize_t size, const HostKey** keys) noexcept nogil:
        cdef uint64_t hashes[MOST_LEVELS]
        cdef Py_ssize_t starts[MOST_LEVELS]
        cdef uint64_t hash = START
        cdef Py_ssize_t at = size
        cdef int suffixes = 0
        cdef int found = 0
        cdef const HostKey* key
        if not self.wildcards or size > MOST_BYTES:
            return 0
        while at > 1 and suffixes < MOST_LEVELS:        # a wildcard stands for at least one byte
            at -= 1
            hash = mix(hash, host[at])
            if host[at] == c".":
                hashes[suffixes] = hash
                starts[suffixes] = at
                suffixes += 1
        while suffixes > 0:
            suffixes -= 1
            at = starts[suffixes]
            key = self.place(host + at, size - at, hashes[suffixes], True)
            if key.text != NULL:
                keys[found] = key
                found += 1
        return found

    def levels(self, bytes host) -> list[int]:
        """The numbers of the keys that take this host, in matching order."""
        cdef const HostKey* keys[MOST_LEVELS]
        cdef const HostKey* exact = self.exact(PyBytes_AS_STRING(host), PyBytes_GET_SIZE(host))
        cdef int count = self.suffixes(PyBytes_AS_STRING(host), PyBytes_GET_SIZE(host), keys)
        return [exact.value for _ in range(exact != NULL)] + [keys[number].value for number in range(count)]
