from libc.stdint cimport int64_t, uint8_t

from headgate.core.cells cimport Block, MirrorWord
from headgate.core.head cimport Head
from headgate.core.selection cimport Selection
from headgate.proxy.errand cimport Errand
from headgate.proxy.exchange cimport Exchange, Image, Mirroring
from headgate.proxy.snapshot cimport Listener, Route, Service


# What a copy that is made for comparison keeps of an answer.
cdef class Seen:
    cdef readonly int status
    cdef readonly list fields       # of those names that are compared: tuples of name and value
    cdef readonly bytearray body    # None: longer than is kept
    cdef Py_ssize_t most

    cdef int head(self, Head head, frozenset names) except -1
    cdef int data(self, const char* data, Py_ssize_t size) except -1


# How a route is mirrored.
cdef class Mirror(Mirroring):
    cdef Selection selection
    cdef Service service
    cdef Route route                # of the copies: counts under the mirror's name
    cdef Listener listener          # of the copies: nobody reads its counts
    cdef object comparison          # comparison.Comparison, or None
    cdef frozenset names            # of fields that are compared
    cdef object log
    cdef Block block                # of reasons and results; see MirrorWord
    cdef Py_ssize_t most_bytes
    cdef int most                   # copies at a time
    cdef int running
    cdef double timeout
    cdef readonly list samples      # of answers that differ, the newest last

    cdef int judge(self, Copy copy) except -1


# One request that is copied, from its head to the end of both exchanges.
cdef class Copy(Image):
    cdef Mirror mirror
    cdef Exchange original
    cdef Exchange exchange
    cdef Head head
    cdef list held
    cdef Py_ssize_t size
    cdef bint given_up
    cdef bint sent
    cdef bint original_over
    cdef bint over
    cdef bint failed
    cdef str line                   # method and path, for samples
    cdef Seen expected
    cdef Seen got
    cdef object timer

    cdef int drop(self, MirrorWord why) except -1
    cdef int ended(self) except -1
    cdef int settle(self) except -1


# The client's side of a copy: takes everything and waits for nothing.
cdef class Shadow(Errand):
    cdef Copy copy


cdef Head copy_of(Head head)
