from libc.stdint cimport int64_t, uint64_t


cpdef enum EventKind:
    REQUEST_HEAD = 1
    RESPONSE_HEAD = 2
    DATA = 3
    TRAILERS = 4
    TUNNEL = 5
    CREDIT = 6
    RESET = 7
    CLOSING = 8
    VIOLATION = 9


cdef class Event:
    cdef readonly int kind
    cdef readonly int64_t stream
    cdef readonly bint last         # nothing of this message follows


cdef class Data(Event):
    # Borrowed: valid until the next call into the codec.
    cdef const char* data
    cdef Py_ssize_t size
    cdef object owner               # keeps bytes alive that Python fed


cdef class Tunnel(Event):
    pass


cdef class Credit(Event):
    cdef readonly Py_ssize_t size


cdef class Reset(Event):
    cdef readonly str reason


cdef class Closing(Event):
    pass


cdef class Violation(Event):
    cdef readonly int status
    cdef readonly str reason


cdef Data new_data(int64_t stream, const char* data, Py_ssize_t size, bint last)
cdef Violation new_violation(int64_t stream, int status, str reason)
