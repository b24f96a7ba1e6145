"""Cells of shared memory that any worker and the controller change together, without locks.

A cell is found by the name of what it is about, by a hash table that needs nobody to hand out places: whoever
looks first takes a free cell by compare-and-swap, and all others find it. So the state of an endpoint outlives
snapshots, workers and controllers.
"""

cimport cython
from libc.string cimport memset

from headgate.core.cells cimport start_of
from headgate.core.hashing cimport hash_bytes

cdef enum:
    CELL_BYTES = CELL_WORDS * 8
    FREE = 0
    GIVEN_BACK = 1              # free too, but those behind it are found through it


class TableFull(Exception):
    """No cell is free."""


@cython.final
cdef class SharedCell:
    def read(self, word: int) -> int:
        """One word. Raises IndexError when a cell has no such word."""
        return self.get(_checked(word))

    def write(self, word: int, value: int) -> None:
        """Set one word. Raises IndexError."""
        self.put(_checked(word), value)

    def increase(self, word: int, count: int = 1) -> int:
        """Add to one word, and return what was there before. Raises IndexError."""
        return self.add(_checked(word), count)

    def replace(self, word: int, old: int, value: int) -> bool:
        """Set one word if `old` is still there. Whether it was. Raises IndexError."""
        return self.swap(_checked(word), old, value)


cdef int _checked(word) except -1:
    if not 0 < word < CELL_WORDS:
        raise IndexError(f"word {word} of {CELL_WORDS}")
    return word


@cython.final
cdef class SharedTable:
    """All cells of a piece of writable memory, which is full of zeros when nobody used it yet. Raises ValueError
    when it is not aligned to 8 bytes, BufferError when it is read-only."""

    def __init__(self, memory: memoryview) -> None:
        cdef Py_ssize_t size = 0
        view = memoryview(memory)
        self.words = <uint64_t*>start_of(view, True, &size)
        self.memory = view
        self.size = size // CELL_BYTES

    def cell(self, name: str) -> SharedCell:
        """The cell of that name, such as "service:api"; a new one is full of zeros. Raises TableFull."""
        return self._cell_at(self._claim(_identity(name)))

    def give_back(self, names) -> int:
        """Free the cells of these names, and return how many there were. Only the controller does, and only for
        what no worker serves any more."""
        cdef uint64_t identity
        cdef uint64_t* words
        cdef int freed = 0
        for name in names:
            identity = _identity(name)
            words = self._find(identity)
            if words != NULL:
                memset(words + 1, 0, CELL_BYTES - 8)
                hg_store(words, GIVEN_BACK)
                freed += 1
        return freed

    cdef uint64_t* _find(self, uint64_t identity) noexcept:
        """The cell, or NULL when there is none."""
        cdef Py_ssize_t step
        cdef uint64_t* words
        cdef uint64_t found
        for step in range(self.size):
            words = self.words + (identity % <uint64_t>self.size + step) % self.size * CELL_WORDS
            found = hg_load(words)
            if found == identity:
                return words
            if found == FREE:
                return NULL
        return NULL

    cdef SharedCell _cell_at(self, Py_ssize_t index):
        cdef SharedCell cell = SharedCell.__new__(SharedCell)
        cell.words = self.words + index * CELL_WORDS
        cell.memory = self.memory
        return cell

    cdef Py_ssize_t _claim(self, uint64_t identity) except -1:
        """Where the cell is. The first that was given back is taken only when no other is known."""
        cdef Py_ssize_t start = <Py_ssize_t>(identity % <uint64_t>self.size) if self.size else 0
        cdef Py_ssize_t step = 0
        cdef Py_ssize_t index
        cdef Py_ssize_t place = -1
        cdef uint64_t found = FREE
        while step < self.size:
            index = (start + step) % self.size
            found = hg_load(self.words + index * CELL_WORDS)
            if found == identity:
                return index
            if found <= GIVEN_BACK and place < 0:
                place = index
            if found == FREE:
                break
            step += 1
        if place < 0:
            raise TableFull(f"all {self.size} cells of shared state are in use")
        found = hg_load(self.words + place * CELL_WORDS)
        if found <= GIVEN_BACK and hg_swap(self.words + place * CELL_WORDS, found, identity):
            return place
        return self._claim(identity)        # somebody else was quicker, maybe for the same name


cdef uint64_t _identity(str name) except 0:
    cdef bytes text = name.encode()
    return hash_bytes(text, len(text), 0) | 2        # never one of the marks
