from headgate.core.cells cimport Block


cdef class Suspects:
    cdef object loop
    cdef Block block
    cdef dict until             # by origin: when it is no suspect any more
    cdef object waiting         # what goes on when there is credit, in the order of asking
    cdef double credit          # seconds
    cdef double credited_at
    cdef bint timed             # a timer runs for those that wait

    cdef int add(self, bytes origin, double now) except -1
    cdef bint have(self, bytes origin, double now) except -1
    cdef bint admit(self, object go_on, double now) except -1
    cdef void charge(self, double seconds) noexcept
    cdef void _earn(self, double now) noexcept
    cdef int _wait(self) except -1
