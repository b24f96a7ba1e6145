from libc.stdint cimport uint64_t

from headgate.core.shared cimport SharedCell


# Words of the cell of an endpoint: what all workers saw of it.
cpdef enum OutlierWord:
    OUTLIER_ROW = 24            # errors since the last success
    OUTLIER_ATTEMPTS = 25       # since the last judgement, as this and the following
    OUTLIER_ERRORS = 26
    OUTLIER_ANSWERS = 27
    OUTLIER_MICROSECONDS = 28   # that the answers took together


# Word of the cell of a service: microseconds of the monotonic clock when somebody judged last.
cdef enum:
    OUTLIERS_JUDGED = 15


# Why an endpoint was ejected.
cpdef enum Reason:
    CONSECUTIVE_ERRORS = 1
    ERROR_RATIO = 2
    LATENCY = 3


# What one worker saw of one endpoint and the others do not know yet; in a judgement what all saw.
cdef class Observed:
    cdef readonly SharedCell cell
    cdef uint64_t attempts
    cdef uint64_t errors
    cdef uint64_t answers
    cdef double seconds             # that the answers took together
    cdef double spared_until        # a dry run does not say it again before

    cdef void clear(self) noexcept
    cdef void share(self) noexcept
    cdef void take(self) noexcept


cdef class Outliers:
    cdef SharedCell cell
    cdef list observed
    cdef uint64_t consecutive
    cdef double error_ratio
    cdef double latency
    cdef double latency_floor
    cdef double interval
    cdef uint64_t minimum
    cdef double ejection_seconds
    cdef double longest_seconds
    cdef Py_ssize_t most
    cdef bint dry_run
    cdef double due                 # when this worker shares what it saw
    cdef object report

    cpdef int tell(self, Observed observed, bint failed, bint answered, double seconds, double now) except -1
    cdef int _settle(self, double now) except -1
    cdef int _judge(self, double now) except -1
    cdef int _verdict(self, Observed one, double attempts, double errors, double answers,
                      double seconds) noexcept
    cdef int _eject(self, Observed one, Reason reason, double now) except -1
    cdef Py_ssize_t _ejected(self, double now) noexcept
