from libc.stdint cimport uint8_t

from headgate.core.cells cimport Block
from headgate.core.events cimport Data
from headgate.core.head cimport Head
from headgate.core.selection cimport Selection
from headgate.proxy.exchange cimport Exchange, Faults, Pacer


# What goes wrong on a route on purpose.
cdef class Injection(Faults):
    cdef Selection selection
    cdef double delay               # seconds; 0: none
    cdef int status                 # of the answer instead of the service's; 0: none
    cdef double rate                # bytes a second of response bodies; 0: as fast as they come
    cdef Block block

    cdef int abort(self, Exchange exchange) except -1


# An exchange that waits before it goes on.
cdef class Delay:
    cdef Injection injection
    cdef Exchange exchange
    cdef uint8_t address[16]
    cdef bint has_address


# Lets a response body through at a slow rate.
cdef class Drip(Pacer):
    cdef Exchange exchange
    cdef Py_ssize_t step            # bytes at a time
    cdef bytearray held
    cdef Head trailing
    cdef bint last                  # the end of the body is held too
    cdef bint waiting               # for the timer

    cdef int wait(self) except -1
    cdef int source_over(self) except -1
    cdef int let_go(self, bytes piece, bint end) except -1
