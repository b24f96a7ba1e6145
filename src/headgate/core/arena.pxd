# A block of memory; its pieces follow behind this header.
cdef struct Block:
    Block* previous
    size_t unused               # keeps the pieces aligned to 16 bytes


cdef class Arena:
    cdef Block* last
    cdef char* free
    cdef size_t left

    cdef int grow(self, size_t size) except -1
    cdef void* take(self, size_t size) except NULL
    cdef void* take_lines(self, size_t size) except NULL
    cdef char* copy(self, bytes text) except NULL
