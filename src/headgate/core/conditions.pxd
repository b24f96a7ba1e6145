from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from headgate.core.arena cimport Arena
from headgate.core.head cimport Head, Span


cdef enum FieldKind:
    EXACT
    REGEX
    PRESENT
    ABSENT


# A condition on a header field, a query parameter or a fact of TLS.
cdef struct FieldCondition:
    int kind
    int token
    Span name
    Span value                  # EXACT
    PyObject* matcher           # REGEX; kept alive by the Conditions


# The further conditions of one route. What is 0 or NULL takes everything. What a request is compared
# with first fills one cache line, with the object's own count and type: with thousands of routes each
# request finds others cold in the caches. CPython puts objects of one size behind each other in a page,
# behind 48 bytes of its own, and the collector's 16 before each: with a size of 192 for both, an object
# begins where a line begins.
cdef class Conditions:
    cdef bint none              # there are no conditions
    cdef int total              # how many conditions there can be to hold or fail
    cdef uint8_t* listeners     # a truth value by listener
    cdef uint32_t methods       # a bit for each well-known method
    cdef int method_count
    cdef int range_count
    cdef int header_count
    cdef FieldCondition* headers
    cdef int listener_count
    cdef int query_count
    cdef int tls_count
    cdef Span* method_texts     # those that are not well-known
    cdef uint8_t* ranges        # pairs of 16-byte addresses, first and last, sorted and disjoint
    cdef FieldCondition* query
    cdef FieldCondition* tls    # token: a Fact
    cdef Arena arena
    cdef list matchers
    cdef uint64_t[6] rest       # to the next cache line

    # Number of the first condition that fails, or -1: listener, method, client, headers, query, tls.
    cdef int failing(self, Head head, int listener, const uint8_t* client) except -2
    # How many hold.
    cdef int holding(self, Head head, int listener, const uint8_t* client) except -2
    cdef bint holds(self, int number, Head head, int listener, const uint8_t* client) except -1
    cdef bint takes_method(self, Head head) noexcept
    cdef bint takes_client(self, const uint8_t* client) noexcept
    cdef FieldCondition* compile_fields(self, fields, bint header) except NULL


cdef enum Number:
    LISTENER = 0
    METHOD = 1
    CLIENT = 2
    FIRST_FIELD = 3
