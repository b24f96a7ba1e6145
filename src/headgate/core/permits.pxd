from libc.stdint cimport uint64_t

from headgate.core.lanes cimport Lanes
from headgate.core.shared cimport SharedCell


# Words of the cell in which the permits of a service or route are.
cpdef enum PermitWord:
    PERMITS = 1                 # of four slots in each word, 16 bits each
    LIMIT = 17                  # adaptive: a thousand times what may run
    BASE = 18                   # microseconds that an answer takes when nobody waits for another
    WINDOW_END = 19             # of the samples, milliseconds
    SAMPLES = 20
    SAMPLE_SUM = 21             # microseconds
    PEAK = 22                   # the most that ran in this window
    PROBING = 23                # when less is tried (milliseconds), and how far that is (2 bits)
    QUEUED = 24                 # exchanges that had to wait
    REFUSED_FULL = 25           # no place in the queue
    REFUSED_TIMEOUT = 26        # waited too long
    REFUSED_DISPLACED = 27      # gave their place to somebody else
    LEFT = 28                   # clients that left while they waited
    HUNGRY = 29                 # a bit for each slot where somebody waits and less than its share is held


cdef class Permits(Lanes):
    cdef bint hungry                    # as the cell has it

    cpdef bint take(self, uint64_t limit) noexcept
    cpdef void say_hungry(self, bint waits, uint64_t limit) noexcept
    cpdef bint crowds_out(self, uint64_t limit) noexcept
    cdef void _set_hungry(self, bint hungry) noexcept


cdef class AdaptiveLimit:
    cdef SharedCell cell
    cdef double minimum
    cdef double maximum

    cpdef uint64_t limit(self) noexcept
    cpdef void sample(self, double seconds, uint64_t used, double now) noexcept

    cdef void _close_window(self, uint64_t ms) noexcept
    cdef double _gradient(self, double known, double slower, uint64_t peak) noexcept
