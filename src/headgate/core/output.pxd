from libc.stddef cimport size_t


# One piece of output: bytes inside the buffer (data == NULL, `start` counts) or borrowed bytes.
cdef struct Piece:
    const char* data
    size_t start
    size_t size


cdef class Output:
    cdef char* buffer
    cdef size_t size
    cdef size_t capacity
    cdef Piece* pieces
    cdef int piece_count
    cdef int piece_capacity
    cdef readonly size_t total

    cdef char* reserve(self, size_t size) except NULL
    cdef void commit(self, size_t size) noexcept
    cdef int append(self, const char* data, size_t size) except -1
    cdef int borrow(self, const char* data, size_t size) except -1
    cdef void clear(self) noexcept
    cpdef bytes take(self)
    cdef bytes rest(self, size_t skip)
