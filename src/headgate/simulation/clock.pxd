cdef class Timer:
    cdef object callback                # None: cancelled, or over
    cdef tuple args


cdef class Clock:
    cdef readonly double now
    cdef list waiting                   # a heap of (when, number, timer)
    cdef long number                    # of the timer that was set last
    cdef long steps                     # at this moment
