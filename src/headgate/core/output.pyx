"""Bytes on their way out: an own buffer for what is made here, borrowed pieces for bodies.

Borrowed bytes are not copied; they must stay valid until the output is taken or cleared, which
whoever drives a codec does before it returns to the event loop.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

cdef enum:
    COPY_BELOW = 2048


cdef class Output:
    """An output queue. `take()` gives everything as bytes and empties it."""

    def __cinit__(self, size_t capacity=4096):
        capacity = max(capacity, 64)
        self.buffer = <char*>malloc(capacity)
        self.piece_capacity = 8
        self.pieces = <Piece*>malloc(self.piece_capacity * sizeof(Piece))
        if self.buffer == NULL or self.pieces == NULL:
            raise MemoryError()
        self.capacity = capacity
        self.copy_below = COPY_BELOW

    def __dealloc__(self):
        free(self.buffer)
        free(self.pieces)

    def __len__(self) -> int:
        return self.total

    cdef char* reserve(self, size_t size) except NULL:
        """Room for `size` bytes at the end of the buffer; commit() says how many were used."""
        cdef size_t capacity = self.capacity
        cdef char* grown
        if self.size + size > capacity:
            while self.size + size > capacity:
                capacity *= 2
            grown = <char*>realloc(self.buffer, capacity)
            if grown == NULL:
                raise MemoryError()
            self.buffer = grown
            self.capacity = capacity
        return self.buffer + self.size

    cdef void commit(self, size_t size) noexcept:
        self.size += size
        self.total += size

    cdef int append(self, const char* data, size_t size) except -1:
        if size:
            memcpy(self.reserve(size), data, size)
            self.commit(size)
        return 0

    cdef int borrow(self, const char* data, size_t size) except -1:
        if size < self.copy_below:
            return self.append(data, size)
        self.close_piece()
        self.pieces[self.piece_count - 1] = Piece(data, 0, size)
        self.total += size
        return 0

    cdef int close_piece(self) except -1:
        """Close the piece that grows in the buffer and make room for one more behind it."""
        cdef Piece* grown
        if self.piece_count + 2 > self.piece_capacity:
            grown = <Piece*>realloc(self.pieces, 2 * self.piece_capacity * sizeof(Piece))
            if grown == NULL:
                raise MemoryError()
            self.pieces = grown
            self.piece_capacity *= 2
        if self.size > self.tail:
            self.pieces[self.piece_count] = Piece(NULL, self.tail, self.size - self.tail)
            self.piece_count += 1
            self.tail = self.size
        self.piece_count += 1
        return 0

    cdef void clear(self) noexcept:
        self.size = 0
        self.tail = 0
        self.total = 0
        self.piece_count = 0
        self.copy_below = COPY_BELOW

    cdef bytes rest(self, size_t skip):
        """Everything behind the first `skip` bytes, as bytes."""
        cdef bytes result = PyBytes_FromStringAndSize(NULL, self.total - skip)
        cdef char* out = PyBytes_AS_STRING(result)
        cdef int i
        for i in range(self.piece_count):
            if self.pieces[i].data != NULL:
                out = _copy(out, self.pieces[i].data, self.pieces[i].size, &skip)
            else:
                out = _copy(out, self.buffer + self.pieces[i].start, self.pieces[i].size, &skip)
        _copy(out, self.buffer + self.tail, self.size - self.tail, &skip)
        return result

    cpdef bytes take(self):
        cdef bytes result = self.rest(0)
        self.clear()
        return result


cdef char* _copy(char* out, const char* data, size_t size, size_t* skip) noexcept:
    """Copy a piece but for the first `skip` bytes; skip is lowered by what was left out."""
    cdef size_t left_out = size if size < skip[0] else skip[0]
    skip[0] -= left_out
    if left_out == size:
        return out
    memcpy(out, data + left_out, size - left_out)
    return out + size - left_out
