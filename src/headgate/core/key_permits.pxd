from libc.stdint cimport int64_t, uint64_t

from headgate.core.sip cimport Seed


# How much of a key a worker holds.
cdef struct Held:
    uint64_t identity           # hash of limit and key
    uint64_t count              # 0: the place is free


cdef class KeyPermits:
    cdef Held* cells            # a part for each slot; a set is of PLACES
    cdef uint64_t mask          # sets in a part - 1
    cdef int slot
    cdef Seed seed
    cdef object memory

    cdef Held* part(self, int slot) noexcept nogil
    cdef Held* find(self, int slot, uint64_t identity, bint free) noexcept nogil
    cdef uint64_t identity_of(self, str name, str key) except 0
    cdef uint64_t count(self, uint64_t identity, int workers) noexcept nogil
