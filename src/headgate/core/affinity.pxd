from libc.stdint cimport uint32_t, uint64_t

from headgate.core.balance cimport Balancer, EndpointState
from headgate.core.lanes cimport LaneRow


# Where the hash of a point on the circle leads.
cdef struct Point:
    uint64_t hash
    uint32_t endpoint


cdef class Affinity(Balancer):
    cdef readonly double bound          # of load, in relation to the mean; 0 is none
    cdef const LaneRow* whole           # what is in flight at all endpoints; NULL: they are summed
    cdef double weight                  # of all that can be had, where `whole` is there

    cdef double most_load(self, const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid) noexcept
    cdef Py_ssize_t find(self, const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid, double most,
                         uint64_t key) noexcept

    cdef Py_ssize_t find_any(self, const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid, double most,
                             uint64_t key) noexcept


cdef class Rendezvous(Affinity):
    pass


cdef class Ring(Affinity):
    cdef Point* points                  # sorted by hash
    cdef Py_ssize_t point_count
    cdef uint32_t* starts               # the first point of each part of the circle
    cdef int shift                      # what remains of a hash is the number of its part


cdef class Maglev(Affinity):
    cdef uint32_t* table                # endpoint by hash modulo its size
    cdef Py_ssize_t size
