from libc.stdint cimport uint64_t

from headgate.core.sessions cimport SessionTable
from headgate.core.stickiness cimport Session, Stickiness


# Keeps clients at their endpoints by a cookie of the application.
cdef class Learning(Stickiness):
    cdef SessionTable table
    cdef uint64_t seed


cdef class LearnedSession(Session):
    cdef uint64_t key           # of the id that the client came with; 0: none
