"""Memory for compiled tables: taken in pieces, given back all at once with the arena."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

cdef enum:
    BLOCK_BYTES = 16 * 1024
    ALIGNMENT = 16
    LINE = 64                   # bytes of a cache line


cdef class Arena:
    """Owns blocks of memory; the pieces live as long as it does."""

    def __dealloc__(self):
        cdef Block* block = self.last
        cdef Block* previous
        while block != NULL:
            previous = block.previous
            free(block)
            block = previous

    cdef void* take(self, size_t size) except NULL:
        """A zeroed piece, aligned to 16 bytes. Raises MemoryError."""
        cdef char* piece
        size = (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        if self.last == NULL or size > self.left:
            self.grow(size if size > BLOCK_BYTES else <size_t>BLOCK_BYTES)
        piece = self.free
        self.free += size
        self.left -= size
        return piece

    cdef void* take_lines(self, size_t size) except NULL:
        """A zeroed piece that begins at a cache line. Raises MemoryError."""
        cdef uintptr_t piece = <uintptr_t>self.take(size + LINE)
        return <void*>((piece + LINE - 1) // LINE * LINE)

    cdef int grow(self, size_t size) except -1:
        cdef Block* block = <Block*>calloc(1, sizeof(Block) + size)
        if block == NULL:
            raise MemoryError()
        block.previous = self.last
        self.last = block
        self.free = <char*>block + sizeof(Block)
        self.left = size
        return 0

    cdef char* copy(self, bytes text) except NULL:
        """The bytes of `text`, followed by a NUL."""
        cdef size_t size = PyBytes_GET_SIZE(text)
        cdef char* piece = <char*>self.take(size + 1)
        memcpy(piece, PyBytes_AS_STRING(text), size)
        return piece
