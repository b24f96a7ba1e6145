from libc.stdint cimport uint32_t

from headgate.core.field_table cimport FieldTable
from headgate.core.head cimport Head, Span
from headgate.core.output cimport Output


cpdef enum HpackOutcome:
    DECODED = 0
    HPACK_BROKEN            # COMPRESSION_ERROR: the tables of both sides differ from here on
    HPACK_TOO_LARGE         # the field list is over the limit: the table is right, the head has only a part


cdef enum:
    CACHE_PLACES = 256
    # How a literal is written (RFC 7541 section 6.2).
    WITHOUT_INDEXING = 0x00
    NEVER_INDEXED = 0x10
    WITH_INDEXING = 0x40


cdef class HpackDecoder:
    cdef FieldTable table
    cdef uint32_t most_bytes            # of the block that is decoded
    cdef int most_fields
    cdef uint32_t listed                # bytes of its fields so far (RFC 9113 section 6.5.2)
    cdef bint too_large

    cdef int decode(self, const char* data, Py_ssize_t size, Head head, uint32_t most_bytes,
                    int most_fields) except? -99
    cdef const unsigned char* _literal(self, const unsigned char* at, const unsigned char* end, Head head,
                                       int way) except? NULL
    cdef int _indexed(self, Head head, uint32_t index) except -1
    cdef int _line(self, Head head, uint32_t start, uint32_t name_size, uint32_t value_start, int token) except -1


cdef class HpackEncoder:
    cdef FieldTable table
    cdef bint resized                   # an update goes out with the next block
    cdef uint32_t least                 # the smallest limit since the last block
    # The low bits of numbers of insertions: of lines, each in one of two places by its hash, and of names.
    # Which one is meant is found by what is there.
    cdef unsigned char[CACHE_PLACES] lines
    cdef unsigned char[CACHE_PLACES] names

    cdef void resize(self, uint32_t peer_table_bytes) noexcept
    cdef int begin(self, Output out) except -1
    cdef int add(self, Output out, const char* name, Py_ssize_t name_size, const char* value,
                 Py_ssize_t value_size, int token, bint never_indexed) except -1
    cdef inline uint32_t number_of(self, unsigned char low) noexcept:
        """The latest insertion with these low bits."""
        return self.table.next - 1 - <unsigned char>(self.table.next - 1 - low)

    cdef int add_indexed(self, Output out, int index) except -1
    cdef int add_named(self, Output out, int index, Span value, int way) except -1
    cdef int _add_long(self, Output out, const char* name, Py_ssize_t name_size, const char* value,
                       Py_ssize_t value_size, int way) except -1
    cdef uint32_t _find_line(self, uint32_t hash, Py_ssize_t name_size, const char* value,
                             Py_ssize_t value_size) noexcept
    cdef bint _is_line(self, uint32_t number, Py_ssize_t name_size, const char* value,
                       Py_ssize_t value_size) noexcept
    cdef int _find_name(self, uint32_t hash, Py_ssize_t name_size) noexcept
    cdef int _keep(self, uint32_t hash, uint32_t line_hash, Py_ssize_t name_size, const char* value,
                   Py_ssize_t value_size, int token) except -1
