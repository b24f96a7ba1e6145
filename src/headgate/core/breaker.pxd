from libc.stdint cimport uint64_t

from headgate.core.shared cimport SharedCell


# Words of the cell of a service or endpoint.
cpdef enum BreakerWord:
    BREAKER_STATE = 16          # with all that changes together with it
    BREAKER_WINDOWS = 17        # and the next three: what a quarter of the window saw
    BREAKER_CONSECUTIVE = 21    # failures since the last success
    BREAKER_OPENED = 22         # times
    BREAKER_REFUSED = 23        # attempts


cpdef enum BreakerState:
    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2
    HELD_OPEN = 3               # by an operator
    HELD_CLOSED = 4


# What became of the state by one call.
cpdef enum Change:
    UNCHANGED = 0
    NOW_CLOSED = 1
    NOW_HALF_OPEN = 2
    NOW_OPEN = 3


cdef class Breaker:
    cdef SharedCell cell
    cdef double error_ratio
    cdef double slow_ratio
    cdef readonly double slow_seconds   # an answer that takes longer is slow; 0: none is
    cdef uint64_t consecutive
    cdef uint64_t minimum
    cdef uint64_t quarter_ms
    cdef uint64_t open_ms
    cdef uint64_t longest_ms
    cdef uint64_t trials
    cdef frozenset statuses
    cdef Change change                  # by the last call

    cpdef bint allows(self, double now) noexcept
    cpdef Change tell(self, bint answered, int status, double seconds, double now) except *
    cpdef double seconds_left(self, double now) noexcept

    cdef bint _refuse(self) noexcept
    cdef uint64_t _open_for(self, uint64_t streak) noexcept
    cdef bint _tell_trial(self, uint64_t word, bint good, uint64_t ms) noexcept
    cdef bint _close(self, uint64_t word, uint64_t ms) noexcept
    cdef bint _open(self, uint64_t word, uint64_t streak, uint64_t ms) noexcept
    cdef void _count(self, bint failed, bint slow, uint64_t ms) noexcept
    cdef bint _is_too_much(self, uint64_t ms) noexcept
