from libc.stdint cimport uint8_t, uint64_t

from headgate.core.cells cimport Block
from headgate.core.head cimport Head
from headgate.core.keys cimport KeySource
from headgate.core.selection cimport Selection
from headgate.core.shared cimport SharedCell


# Words of a route's shared cell.
cdef enum:
    SHARES_OF = 24              # identity of the shares that the weights are for; 0: as in the configuration
    FIRST_WEIGHTS = 25          # three weights in each word
    WEIGHT_WORDS = 7


# One of the variants of a route.
cdef class Share:
    cdef readonly bytes name
    cdef bytes header           # that tells clients the name; b"" for none
    cdef Selection selection    # of requests that are for this one whatever the weights; None for none
    cdef uint64_t seed
    cdef uint64_t weight
    cdef double current         # of the smooth weighted round robin
    cdef uint64_t configured
    cdef Block block

    cdef int tell(self, Head head) except -1


# How the exchanges of a route are parted among several services.
cdef class Split:
    cdef readonly list shares
    cdef Py_ssize_t count
    cdef KeySource key_source   # equal keys get the same share; None: each exchange is on its own
    cdef bint forces            # some share has a selection
    cdef SharedCell cell
    cdef uint64_t identity
    cdef uint64_t seen          # identity of what the weights are from
    cdef uint64_t words[WEIGHT_WORDS]

    cdef Py_ssize_t choose(self, Head head, int listener, const uint8_t* client) except -1
    cdef int refresh(self) except -1
    cdef Py_ssize_t turn(self) noexcept
    cdef Py_ssize_t place_of(self, uint64_t key) noexcept
