from libc.stdint cimport uint32_t, uint64_t

from headgate.core.balance cimport Balancer, EndpointState


# Where the hash of a point on the circle leads.
cdef struct Point:
    uint64_t hash
    uint32_t endpoint


cdef class Affinity(Balancer):
    cdef readonly double bound          # of load, in relation to the mean; 0 is none

    cdef bint fits(self, const EndpointState* endpoints, Py_ssize_t index, uint64_t avoid, double most) noexcept
    cdef double most_load(self, const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid) noexcept
    cdef Py_ssize_t find(self, const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid, double most,
                         uint64_t key) noexcept


cdef class Rendezvous(Affinity):
    pass


cdef class Ring(Affinity):
    cdef Point* points                  # sorted by hash
    cdef Py_ssize_t point_count


cdef class Maglev(Affinity):
    cdef uint32_t* table                # endpoint by hash modulo its size
    cdef Py_ssize_t size


cdef uint64_t hash_bytes(const char* data, Py_ssize_t size, uint64_t seed) noexcept nogil
