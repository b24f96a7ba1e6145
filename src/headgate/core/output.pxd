# One piece of output: bytes inside the buffer (data == NULL, from `start`) or borrowed bytes.
cdef struct Piece:
    const char* data
    size_t start
    size_t size


cdef class Output:
    cdef char* buffer
    cdef size_t size            # bytes written into the buffer
    cdef size_t capacity
    cdef size_t tail            # where the piece begins that is not closed yet
    cdef Piece* pieces
    cdef int piece_count
    cdef int piece_capacity
    cdef size_t copy_below      # copying a small body beside its head is cheaper than a second piece
    cdef readonly size_t total  # bytes of all pieces

    cdef char* reserve(self, size_t size) except NULL
    cdef void commit(self, size_t size) noexcept
    cdef int append(self, const char* data, size_t size) except -1
    cdef int borrow(self, const char* data, size_t size) except -1
    cdef int close_piece(self) except -1
    cdef void clear(self) noexcept
    cdef bytes rest(self, size_t skip)
    cpdef bytes take(self)
