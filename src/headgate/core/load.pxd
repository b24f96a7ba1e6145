from libc.math cimport exp
from libc.stdint cimport int32_t, uint32_t, uint64_t

from headgate.core.lanes cimport Lanes


# Words of the cell of an endpoint's load: the first line of the caches has all that a balancer reads.
cpdef enum LoadWord:
    LATENCY = 1                 # of its answers: seconds (float, upper half), when measured (milliseconds)
    FLYING = 2                  # exchanges that are there, in lanes


cdef extern from *:
    """
    static inline float hg_float(uint32_t bits) { float value; __builtin_memcpy(&value, &bits, 4); return value; }
    static inline uint32_t hg_bits(float value) { uint32_t bits; __builtin_memcpy(&bits, &value, 4); return bits; }
    """
    float hg_float(uint32_t bits) noexcept nogil
    uint32_t hg_bits(float value) noexcept nogil


cdef enum:
    FORGOTTEN_MS = 10000        # after so long, two thirds of what was known of a latency are forgotten
    AHEAD_MS = 60000            # what was measured later than now: clocks of loops stand still for a while


cdef inline double share_kept(uint64_t word, double now) noexcept nogil:
    """The part of a latency that still counts. The time of measuring is known modulo 2**32 ms."""
    cdef int32_t age = <int32_t>(<uint32_t><uint64_t>(now * 1000) - <uint32_t>word)
    if -AHEAD_MS < age <= 0:
        return 1.0
    return exp(-<double><uint32_t>age / FORGOTTEN_MS)


cdef inline double seconds_of(uint64_t word, double now) noexcept nogil:
    """A latency as it counts now: an endpoint that nobody asks is given another chance by and by. 0: not known."""
    return hg_float(<uint32_t>(word >> 32)) * share_kept(word, now) if word else 0.0


# What all workers together have in flight at all endpoints of a service.
cdef class WholeLoad(Lanes):
    pass


# What all workers together know of how busy an endpoint is.
cdef class Load(Lanes):
    cdef readonly WholeLoad whole       # None: nobody asks

    cdef void measure(self, double seconds, double now) noexcept
