from libc.stdint cimport uint64_t

from headgate.core.balance cimport Balancer, EndpointState
from headgate.core.cells cimport Block


# Words of the block of a service whose endpoints have levels.
cpdef enum LevelWord:
    LEVEL_PICKS = 0             # one for each level, by its number in the file
    LEVEL_SPILLED = 32          # picks that the first level could not take


# Endpoints that are alike: of one tier, all in the own zone or all in others.
cdef class Level:
    cdef int number             # in the file: twice the tier, and one more in other zones
    cdef Balancer balancer
    cdef EndpointState* states  # of all endpoints of the service; those of other levels are not usable
    cdef Py_ssize_t count
    cdef int enabled            # endpoints of it that take something
    cdef int healthy            # of these
    cdef readonly double load   # its part of new exchanges
    cdef double credit

    cdef double share(self) noexcept
    cdef double health(self) noexcept
    cdef bint offers(self, uint64_t avoid) noexcept
    cpdef object adopt(self, Balancer balancer)


# The levels of the endpoints of a service, the most wanted first.
cdef class Levels:
    cdef readonly list levels
    cdef int* places            # which of the levels each endpoint is in
    cdef Py_ssize_t count
    cdef bint keyed
    cdef Py_ssize_t first       # level that has endpoints which take something
    cdef Block block

    cdef Py_ssize_t pick(self, uint64_t avoid, uint64_t key, double now) noexcept
    cdef bint divide(self, EndpointState* states, const unsigned char* enabled, const unsigned char* backup,
                     double panic_share) noexcept
    cdef void copy(self, const EndpointState* states) noexcept
    cdef int make_tables(self, object owner) except -1
    cdef int rebuild(self) except -1
    cdef Py_ssize_t _turn(self, uint64_t key) noexcept
    cdef double _count(self, const EndpointState* states, const unsigned char* enabled,
                       const unsigned char* backup, bint spare) noexcept
    cdef double _total(self) noexcept
