"""Keys of requests: what decides which endpoint a request goes to, where equal ones go to the same."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp

from headgate.core.hashing cimport hash_bytes
from headgate.core.head cimport COOKIE, DROPPED, Field


KINDS = {"client": CLIENT, "path": PATH, "header": HEADER, "cookie": COOKIE_VALUE, "query": QUERY}

cdef enum:
    IPV4_FROM = 12              # the first bytes of a mapped IPv4 address say only that it is one
    IPV6_NETWORK = 8            # whoever has IPv6 has at least a /64 of addresses


cdef class KeySource:
    """`kind`: client, path, header, cookie or query; `name`: of the header, cookie or parameter."""

    def __init__(self, str kind, str name = ""):
        self.kind = KINDS[kind]
        self.name = name.encode()

    cdef uint64_t key_of(self, Head head, const uint8_t* client, uint64_t otherwise) noexcept:
        cdef Span value = Span(NULL, 0)
        cdef const char* name = PyBytes_AS_STRING(self.name)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(self.name)
        cdef Field* field
        if self.kind == CLIENT:
            value = _network(client)
        elif self.kind == PATH:
            value = head.path
        elif self.kind == HEADER:
            field = head.find_name(name, size, 0)
            if field != NULL:
                value = Span(head.bytes + field.value_start, field.value_size)
        elif self.kind == COOKIE_VALUE:
            value = cookie_value(head, name, size)
        else:
            value = query_value(head, name, size)
        return otherwise if value.data == NULL else hash_bytes(value.data, value.size, 0)


cdef inline Span _network(const uint8_t* client) noexcept:
    cdef int i
    if client == NULL:
        return Span(NULL, 0)
    for i in range(10):
        if client[i]:
            return Span(<const char*>client, IPV6_NETWORK)
    if client[10] == 0xff and client[11] == 0xff:
        return Span(<const char*>client + IPV4_FROM, 16 - IPV4_FROM)
    return Span(<const char*>client, 16)


cdef Span cookie_value(Head head, const char* name, Py_ssize_t size) noexcept:
    """The value of the first cookie of this name (RFC 6265 section 4.2), without quotes around it; absent
    has no data."""
    cdef int number
    cdef Field* field
    cdef Span found
    for number in range(max(head.number(COOKIE), 0), head.field_count):
        field = &head.fields[number]
        if field.token == COOKIE and not field.flags & DROPPED:
            found = pair_value(head.bytes + field.value_start, field.value_size, c";", name, size)
            if found.data != NULL:
                return found
    return Span(NULL, 0)


cdef Span query_value(Head head, const char* name, Py_ssize_t size) noexcept:
    """The value of the first parameter of this name, as it stands there."""
    if not head.has_query:
        return Span(NULL, 0)
    return pair_value(head.query.data, head.query.size, c"&", name, size)


cdef Span pair_value(const char* text, Py_ssize_t left, char separator, const char* name, Py_ssize_t size) noexcept:
    """The value of the pair with this name among those that the separator parts."""
    cdef const char* at = text
    cdef const char* end = text + left
    cdef const char* stop
    while at < end:
        while at < end and at[0] == c" ":
            at += 1
        stop = at
        while stop < end and stop[0] != separator:
            stop += 1
        if stop - at > size and at[size] == c"=" and memcmp(at, name, size) == 0:
            return _unquoted(at + size + 1, stop)
        at = stop + 1
    return Span(NULL, 0)


cdef inline Span _unquoted(const char* start, const char* end) noexcept:
    while end > start and (end - 1)[0] == c" ":
        end -= 1
    if end - start >= 2 and start[0] == c'"' and (end - 1)[0] == c'"':
        return Span(start + 1, end - start - 2)
    return Span(start, end - start)


def key_of(KeySource source not None, Head head not None, bytes client=None, uint64_t otherwise=0) -> int:
    """The key of a request; for tests. `client`: 16 bytes."""
    cdef const uint8_t* address = NULL
    if client is not None:
        address = <const uint8_t*>PyBytes_AS_STRING(client)
    return source.key_of(head, address, otherwise)
