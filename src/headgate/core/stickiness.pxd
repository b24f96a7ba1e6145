from libc.stdint cimport uint64_t

from headgate.core.balance cimport EndpointState
from headgate.core.cells cimport Block
from headgate.core.head cimport Head
from headgate.core.shared cimport SharedCell


# Words of a service's shared cell: a secret that nobody wrote into the configuration.
cdef enum:
    STICKY_SECRET = 24
    STICKY_SECRET_WORDS = 4


# Words of the block of a service's sessions.
cpdef enum StickyWord:
    STICKY_NEW = 0              # clients without a session
    STICKY_KEPT = 1             # that came to their endpoint
    STICKY_REPLACED = 2         # whose endpoint is gone, or cannot be used now
    STICKY_TAMPERED = 3         # with a token that is not ours
    STICKY_LEARNED = 4          # ids of the application that belong to an endpoint from now on
    STICKY_DISPLACED = 5        # of these, those that took the place of another
    STICKY_NOT_LEARNED = 6      # ids for which there was no place


# How a service keeps clients at their endpoints.
cdef class Stickiness:
    cdef dict opened, sealed            # tokens that are known: what they say; by what they say
    cdef bytes name             # of the cookie or header
    cdef bint in_header
    cdef bytes attributes       # of the cookie
    cdef bint secure            # even when the client's connection is plain
    cdef double lifetime        # seconds of a token; 0: as long as the browser runs
    cdef bytes secret
    cdef Block block

    cdef Session session_of(self, Head head, double wall)
    cdef tuple open(self, bytes token)
    cdef bytes seal(self, uint64_t identity, long until)


# What an exchange knows of its client's session.
cdef class Session:
    cdef Stickiness rules
    cdef uint64_t wanted        # identity of the endpoint; 0: none
    cdef bint renewable         # half of its time is over

    cdef Py_ssize_t find(self, const EndpointState* endpoints, Py_ssize_t count, uint64_t tried) noexcept
    cdef int tell(self, Head head, uint64_t taken, double wall, bint encrypted) except -1
