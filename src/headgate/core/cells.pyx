"""Counters and histograms: blocks of 64-bit words in a slot of the shared memory.

One worker writes a slot, anybody may read it: aligned words are read whole, so that a reader sees
each counter as it was at some moment, never torn. Words only grow, but for gauges. The layout stands
in cells.pxd; durations are microseconds.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from collections.abc import Sequence


def bytes_of(blocks: int) -> int:
    """What memory of a slot, or of a part of one, so many blocks need."""
    return (blocks + GROUP_BLOCKS - 1) // GROUP_BLOCKS * GROUP_WORDS * 8


cdef Py_ssize_t _blocks_in(Py_ssize_t size) noexcept:
    return size // (GROUP_WORDS * 8) * GROUP_BLOCKS


cdef char* start_of(memory, bint writable, Py_ssize_t* size) except NULL:
    """Where the bytes of a memoryview begin; they stay there as long as a view of them lives."""
    cdef Py_buffer buffer
    cdef char* start
    PyObject_GetBuffer(memory, &buffer, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
    start = <char*>buffer.buf
    size[0] = buffer.len
    PyBuffer_Release(&buffer)
    if <size_t>start % 8 != 0:
        raise ValueError("counters need memory that is aligned to 8 bytes")
    return start


@cython.final
cdef class Block:
    """The counters of one thing in one slot: block `number` of the slot's memory.

    Raises IndexError when the slot has no such block, BufferError when the memory is read-only.
    """

    def __init__(self, memory: memoryview, number: int) -> None:
        cdef Py_ssize_t size = 0
        cdef char* start
        view = memoryview(memory)
        start = start_of(view, True, &size)
        if not 0 <= number < _blocks_in(size):
            raise IndexError(f"block {number} of {_blocks_in(size)}")
        self.memory = view
        self.number = number
        self.words = <uint64_t*>start + start_of_block(self.number)

    def __cinit__(self):
        self.words = NULL

    def values(self) -> list[int]:
        """All 128 words."""
        return [self.get(word) for word in range(BLOCK_WORDS)]

    def read(self, word: int) -> int:
        """One word. Raises IndexError when the block has no such word."""
        return self.get(_checked(word))

    def write(self, word: int, value: int) -> None:
        """Set one word. Raises IndexError when the block has no such word."""
        self.put(_checked(word), value)

    def increase(self, word: int, count: int = 1) -> None:
        """Add to one word. Raises IndexError when the block has no such word."""
        self.add(_checked(word), count)

    def record(self, status: int, microseconds: int, bytes_in: int = 0, bytes_out: int = 0) -> None:
        """Count one exchange that ended; status 0 is one that ended without a final response."""
        self.finish(status, microseconds, bytes_in, bytes_out)

    def clear_gauges(self) -> None:
        """Set what is only true of a living worker to zero: its connections and exchanges."""
        if self.number == 0:
            self.put(WORKER_CONNECTIONS, 0)
            self.put(WORKER_TUNNELS, 0)
        else:
            self.put(IN_FLIGHT, 0)
            self.put(OPEN, 0)


cdef int _checked(word) except -1:
    if not 0 <= word < BLOCK_WORDS:
        raise IndexError(f"word {word} of {BLOCK_WORDS}")
    return word


@cython.final
cdef class Sums:
    """Blocks summed over slots, for whoever reports on all workers together.

    Raises ValueError when the slots differ in size.
    """

    def __cinit__(self, memories: Sequence[memoryview]):
        self.slots = len(memories)
        self.starts = <uint64_t**>calloc(max(self.slots, 1), sizeof(uint64_t*))
        if self.starts == NULL:
            raise MemoryError()

    def __init__(self, memories: Sequence[memoryview]) -> None:
        cdef Py_ssize_t size = 0
        cdef int slot
        views = [memoryview(memory) for memory in memories]
        if len({view.nbytes for view in views}) > 1:
            raise ValueError("slots are all of one size")
        for slot, view in enumerate(views):
            self.starts[slot] = <uint64_t*>start_of(view, False, &size)
        self.blocks = _blocks_in(size)
        self.memories = views

    def __dealloc__(self):
        free(self.starts)

    def of(self, number: int) -> list[int]:
        """The 128 words of block `number`, each summed over the slots (modulo 2**64).

        Raises IndexError when the slots have no such block.
        """
        cdef uint64_t total[<int>BLOCK_WORDS]
        cdef Py_ssize_t start
        cdef int slot, word
        if not 0 <= number < self.blocks:
            raise IndexError(f"block {number} of {self.blocks}")
        start = start_of_block(number)
        memset(total, 0, sizeof(total))
        for slot in range(self.slots):
            for word in range(BLOCK_WORDS):
                total[word] += self.starts[slot][start + place_of(word)]
        return [total[<int>word] for word in range(BLOCK_WORDS)]


def sum_blocks(memories: Sequence[memoryview], number: int) -> list[int]:
    """The words of block `number` summed over slots; `Sums` is quicker for more than one block."""
    return Sums(memories).of(number)


def bucket(microseconds: int) -> int:
    """The number of the histogram bucket that counts this duration."""
    return bucket_of(microseconds)


def bucket_bounds() -> list[float]:
    """Where each of the 112 buckets ends, in seconds; the last one is open, so it ends at infinity.

    Durations are whole microseconds, rounded down: a bucket holds those below its bound.
    """
    return [
        (1 << (bucket // 4 + 2)) * (bucket % 4 + 5) / 1e6 for bucket in range(BUCKETS - 1)
    ] + [float("inf")]


def quantile(counts: Sequence[int], fraction: float) -> float:
    """The duration, in seconds, that `fraction` (0 to 1) of the exchanges stayed below.

    `counts` are the 112 buckets. Exact to the bucket, linear inside it, so off by at most a fifth;
    what fell into the open last bucket counts as its lower bound. NaN when nothing was counted.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"a quantile is a fraction from 0 to 1, not {fraction}")
    rank = fraction * sum(counts)
    lower = 0.0
    below = 0
    last = float("nan")
    for count, upper in zip(counts, bucket_bounds(), strict=True):
        if count:
            last = lower if upper == float("inf") else upper
            if below + count >= rank:
                return lower + (last - lower) * (rank - below) / count
            below += count
        lower = upper
    return last
