from libc.stdint cimport uint16_t, uint32_t


# A field of the dynamic table; its name and value lie one behind the other.
cdef struct Entry:
    uint32_t start
    uint32_t name_size
    uint32_t value_size
    uint16_t token


cdef struct StaticField:
    const char* name
    const char* value
    uint16_t name_size
    uint16_t value_size
    uint16_t token
    uint16_t values             # so many entries from this one on have its name


cdef enum:
    STATIC_FIELDS = 61
    FIELD_OVERHEAD = 32         # what a field counts on top of its bytes (RFC 7541 section 4.1)

cdef StaticField[STATIC_FIELDS + 1] static_fields   # from 1 on


cdef class FieldTable:
    cdef char* bytes
    cdef uint32_t capacity
    cdef uint32_t end                   # of what is written
    cdef Entry* entries                 # a ring, by the number of the insertion
    cdef uint32_t places                # in the ring: a power of 2, or 0
    cdef uint32_t mask
    cdef uint32_t first                 # number of the oldest that is still there
    cdef uint32_t next                  # number of the next one
    cdef uint32_t size                  # as RFC 7541 section 4.1 counts
    cdef uint32_t limit                 # of size now
    cdef readonly uint32_t most         # to which the limit may be raised

    cdef int resize(self, uint32_t limit) noexcept
    cdef int insert(self, const char* name, Py_ssize_t name_size, const char* value, Py_ssize_t value_size,
                    int token) except -1
    cdef void evict(self, uint32_t most) noexcept
    cdef int _make_room(self, Py_ssize_t size) except -1
    cdef int _more_entries(self) except -1
    cdef inline uint32_t count(self) noexcept:
        return self.next - self.first

    cdef inline Entry* at(self, uint32_t number) noexcept:
        return &self.entries[number & self.mask]

    cdef inline bint has(self, uint32_t number) noexcept:
        """Whether the insertion of this number is still there."""
        return number - self.first < self.next - self.first
