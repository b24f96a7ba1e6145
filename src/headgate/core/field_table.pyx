"""The tables of HPACK (RFC 7541 section 2.3): 61 fields that everybody knows, and those that came lately.

The lately ones lie in one run of bytes, and what is known of them in a ring: no memory is taken or given
back for a field.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memmove

from headgate.core.head cimport token_of

cdef enum:
    FIRST_ENTRIES = 8           # what a table begins with: most connections never fill theirs

# RFC 7541 appendix A.
STATIC = (
    (b":authority", b""), (b":method", b"GET"), (b":method", b"POST"), (b":path", b"/"),
    (b":path", b"/index.html"), (b":scheme", b"http"), (b":scheme", b"https"), (b":status", b"200"),
    (b":status", b"204"), (b":status", b"206"), (b":status", b"304"), (b":status", b"400"),
    (b":status", b"404"), (b":status", b"500"), (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"), (b"accept-language", b""), (b"accept-ranges", b""),
    (b"accept", b""), (b"access-control-allow-origin", b""), (b"age", b""), (b"allow", b""),
    (b"authorization", b""), (b"cache-control", b""), (b"content-disposition", b""),
    (b"content-encoding", b""), (b"content-language", b""), (b"content-length", b""),
    (b"content-location", b""), (b"content-range", b""), (b"content-type", b""), (b"cookie", b""),
    (b"date", b""), (b"etag", b""), (b"expect", b""), (b"expires", b""), (b"from", b""), (b"host", b""),
    (b"if-match", b""), (b"if-modified-since", b""), (b"if-none-match", b""), (b"if-range", b""),
    (b"if-unmodified-since", b""), (b"last-modified", b""), (b"link", b""), (b"location", b""),
    (b"max-forwards", b""), (b"proxy-authenticate", b""), (b"proxy-authorization", b""), (b"range", b""),
    (b"referer", b""), (b"refresh", b""), (b"retry-after", b""), (b"server", b""), (b"set-cookie", b""),
    (b"strict-transport-security", b""), (b"transfer-encoding", b""), (b"user-agent", b""), (b"vary", b""),
    (b"via", b""), (b"www-authenticate", b""),
)


cdef int _fill() except -1:
    cdef bytes name, value
    cdef list names = [name for name, _ in STATIC]
    cdef int index
    for index, (name, value) in enumerate(STATIC, 1):
        static_fields[index].name = PyBytes_AS_STRING(name)
        static_fields[index].name_size = <uint16_t>PyBytes_GET_SIZE(name)
        static_fields[index].value = PyBytes_AS_STRING(value)
        static_fields[index].value_size = <uint16_t>PyBytes_GET_SIZE(value)
        static_fields[index].token = <uint16_t>token_of(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
        static_fields[index].values = names[index - 1:].count(name)
    return 0


_fill()


cdef class FieldTable:
    """The dynamic table. `most`: bytes that it may have, counted as RFC 7541 section 4.1 does."""

    def __cinit__(self, uint32_t most):
        self.most = self.limit = most

    def __dealloc__(self):
        free(self.bytes)
        free(self.entries)

    cdef void evict(self, uint32_t most) noexcept:
        """Forget the oldest until the size is `most` or less."""
        cdef Entry* entry
        while self.size > most:
            entry = self.at(self.first)
            self.size -= entry.name_size + entry.value_size + FIELD_OVERHEAD
            self.first += 1

    cdef int resize(self, uint32_t limit) noexcept:
        """-1 when that is more than the table may have."""
        if limit > self.most:
            return -1
        self.limit = limit
        self.evict(limit)
        return 0

    cdef int insert(self, const char* name, Py_ssize_t name_size, const char* value, Py_ssize_t value_size,
                    int token) except -1:
        """Add a field, which lies elsewhere; one that is larger than the table empties it (section 4.4)."""
        cdef Py_ssize_t size = name_size + value_size
        cdef Entry* entry
        if size + FIELD_OVERHEAD > self.limit:
            self.evict(0)
            return 0
        self.evict(self.limit - <uint32_t>size - FIELD_OVERHEAD)
        if self.end + size > self.capacity:
            self._make_room(size)
        if self.count() == self.places:
            self._more_entries()
        entry = self.at(self.next)
        entry.start = self.end
        entry.name_size = <uint32_t>name_size
        entry.value_size = <uint32_t>value_size
        entry.token = <uint16_t>token
        memcpy(self.bytes + self.end, name, name_size)
        memcpy(self.bytes + self.end + name_size, value, value_size)
        self.end += <uint32_t>size
        self.size += <uint32_t>size + FIELD_OVERHEAD
        self.next += 1
        return 0

    cdef int _make_room(self, Py_ssize_t size) except -1:
        """Move what is left to the front, where that leaves a third of the room; else take more."""
        cdef uint32_t shift = self.end if self.first == self.next else self.at(self.first).start
        cdef uint32_t number = self.first
        cdef uint32_t left = self.end - shift
        cdef uint32_t wanted = left + <uint32_t>size + (left + <uint32_t>size) // 2
        cdef char* grown
        if left:
            memmove(self.bytes, self.bytes + shift, left)
        self.end = left
        while number != self.next:
            self.at(number).start -= shift
            number += 1
        if wanted > self.capacity:
            grown = <char*>realloc(self.bytes, wanted)
            if grown == NULL:
                raise MemoryError()
            self.bytes = grown
            self.capacity = wanted
        return 0

    cdef int _more_entries(self) except -1:
        cdef uint32_t places = 2 * self.places if self.places else FIRST_ENTRIES
        cdef uint32_t mask = places - 1
        cdef Entry* grown = <Entry*>malloc(places * sizeof(Entry))
        cdef uint32_t number = self.first
        if grown == NULL:
            raise MemoryError()
        while number != self.next:
            grown[number & mask] = self.at(number)[0]
            number += 1
        free(self.entries)
        self.entries = grown
        self.places = places
        self.mask = mask
        return 0
