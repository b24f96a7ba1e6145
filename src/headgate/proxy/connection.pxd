from headgate.core.events cimport Event
from headgate.core.http1 cimport Http1
from headgate.core.output cimport Output
from headgate.proxy.context cimport Context
from headgate.proxy.exchange cimport Leg


# All connections of a worker, so that one timer serves them all.
cdef class Register:
    cdef Context context
    cdef void** entries
    cdef Py_ssize_t count
    cdef Py_ssize_t capacity

    cdef int add(self, Connection connection) except -1
    cdef void remove(self, Connection connection) noexcept


cdef class Connection(Leg):
    cdef Context context
    cdef Register register
    cdef Py_ssize_t place               # in the register, or -1
    cdef Http1 codec
    cdef object transport
    cdef int fd
    cdef bint closed
    cdef bint lingering
    cdef Py_ssize_t last_backlog

    cdef int open_output(self) except -1
    cdef int close(self) except -1
    cdef int close_hard(self) except -1
    cdef int received(self, const char* data, Py_ssize_t size) except -1
    cdef int ended(self) except -1
    cdef int lost(self, object error) except -1
    cdef int expire(self) except -1
    cdef int sweep(self, double now, double elapsed) except -1
    cdef bint tunnelled(self) noexcept
    cdef int lost_while_paused(self) except -1
