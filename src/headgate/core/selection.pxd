from libc.stdint cimport uint8_t

from headgate.core.conditions cimport Conditions
from headgate.core.head cimport Head


# Which requests of a route something happens to.
cdef class Selection:
    cdef Conditions conditions
    cdef list cookies           # tuples: name, kind, value, matcher
    cdef double share           # of those that fit, from 0 to 1
    cdef double due             # of the next one; takes turns, so that shares are exact

    cdef bint fits(self, Head head, int listener, const uint8_t* client) except -1
    cdef bint takes(self, Head head, int listener, const uint8_t* client) except -1
