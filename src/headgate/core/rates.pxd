from libc.stdint cimport int64_t, uint64_t

from headgate.core.sip cimport Seed


# What is known of one key, changed as a whole. Its time passes by itself: then the place is free.
cdef struct Rated:
    uint64_t identity           # hash of limit and key; 0: nobody was here
    uint64_t until              # nanoseconds of the monotonic clock when all that was taken has come back


cdef class RateTable:
    cdef Rated* cells           # PLACES in each set
    cdef uint64_t mask          # number of sets - 1
    cdef Seed seed
    cdef object memory

    cdef Rated* find(self, uint64_t identity, uint64_t now, Rated* seen) noexcept nogil
    cdef Rated* place(self, uint64_t identity, int number) noexcept nogil
    cdef bint is_twice(self, uint64_t identity, const Rated* place) noexcept nogil


cdef class RateLimit:
    cdef RateTable table
    cdef Seed seed              # of this limit
    cdef uint64_t interval      # nanoseconds until what one took has come back
    cdef uint64_t span          # nanoseconds that all of the burst takes
    # Of the last one that was let through or refused:
    cdef readonly int64_t remaining     # how many more could come now
    cdef readonly int64_t reset         # nanoseconds until everything has come back

    cdef uint64_t identity_of(self, str key) except 0
    cdef int64_t decide(self, uint64_t identity, uint64_t now) noexcept nogil
