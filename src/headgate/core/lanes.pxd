from libc.stdint cimport uint64_t

from headgate.core.shared cimport SharedCell, hg_add, hg_load


cdef enum:
    LANES = 4                   # in a word
    LANE_BITS = 16
    LANE = 0xFFFF


# Where the lanes of all workers are.
cdef struct LaneRow:
    const uint64_t* words
    int count                   # of words
    uint64_t last_mask          # what of the last one counts


cdef inline uint64_t summed(const LaneRow* row) noexcept nogil:
    cdef uint64_t total = 0
    cdef uint64_t word
    cdef int number
    for number in range(row.count):
        word = hg_load(row.words + number)
        if number == row.count - 1:
            word &= row.last_mask
        total += (word & LANE) + (word >> 16 & LANE) + (word >> 32 & LANE) + (word >> 48)
    return total


# A count that all workers keep together.
cdef class Lanes:
    cdef SharedCell cell
    cdef LaneRow row
    cdef int slot
    cdef uint64_t* word                 # with the own lane
    cdef uint64_t one                   # of what is counted there
    cdef int workers
    cdef readonly uint64_t held         # by this process
    cdef object __weakref__

    cpdef uint64_t used(self) noexcept
    cpdef void enter(self) noexcept
    cpdef void give(self) noexcept
    cdef int open_lane(self, SharedCell cell, int first, int slot, int workers) except -1
