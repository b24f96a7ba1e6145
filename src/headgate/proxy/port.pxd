from headgate.proxy.connection cimport Register
from headgate.proxy.context cimport Context
from headgate.proxy.snapshot cimport Listener, LiveSnapshot


cdef class Port:
    cdef Context context
    cdef Register register
    cdef readonly Listener listener
    cdef LiveSnapshot retired           # the last one that has the listener, when it is gone
    cdef dict clients                   # connections by address
    cdef Py_ssize_t connections
    cdef readonly list acceptors
    cdef readonly bint full             # as many connections as the listener may have

    cdef inline LiveSnapshot snapshot(self):
        """The one that exchanges follow."""
        return self.retired if self.retired is not None else self.context.snapshot

    cdef int opened(self) except -1
    cdef int closed(self) except -1
    cdef bint enter(self, bytes client) except -1
    cdef int leave(self, bytes client) except -1
    cdef int weigh(self) except -1
