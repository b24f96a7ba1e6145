from libc.stdint cimport int64_t, uint32_t


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
    cdef readonly uint32_t code         # of HTTP/2
    cdef readonly bint ours             # we ended it, since the peer broke the rules of this stream
    cdef readonly bint unprocessed      # the peer did nothing with it: safe to try again


cdef class Closing(Event):
    cdef readonly uint32_t code         # of HTTP/2
    cdef readonly int64_t last_stream   # the last that the peer looks at, or -1


cdef class Violation(Event):
    cdef readonly int status
    cdef readonly str reason
    cdef readonly uint32_t code         # of HTTP/2


cdef Data new_data(int64_t stream, const char* data, Py_ssize_t size, bint last)
cdef Violation new_violation(int64_t stream, int status, str reason)
cdef Reset new_reset(int64_t stream, str reason, uint32_t code, bint ours, bint unprocessed)
cdef Closing new_closing(uint32_t code, int64_t last_stream)
