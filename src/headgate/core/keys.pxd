from libc.stdint cimport uint8_t, uint64_t

from headgate.core.head cimport Head, Span


cdef enum KeyKind:
    CLIENT
    PATH
    HEADER
    COOKIE_VALUE
    QUERY


# What of a request decides its endpoint.
cdef class KeySource:
    cdef int kind
    cdef bytes name

    # `otherwise`: for a request that does not have it.
    cdef uint64_t key_of(self, Head head, const uint8_t* client, uint64_t otherwise) noexcept


cdef Span cookie_value(Head head, const char* name, Py_ssize_t size) noexcept
# The value of the first pair of this name in a text; absent has no data.
cdef Span pair_value(const char* text, Py_ssize_t left, char separator, const char* name, Py_ssize_t size) noexcept
cdef Span query_value(Head head, const char* name, Py_ssize_t size) noexcept
