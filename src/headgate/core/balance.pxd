from libc.stdint cimport uint32_t, uint64_t


# What a balancer sees of one endpoint. `current` belongs to the balancer; start it at 0.
cdef struct EndpointState:
    double weight               # relative share; 0 takes no new exchanges
    double current
    uint32_t in_flight          # exchanges of this worker that are at the endpoint now
    bint usable


cdef class Balancer:
    # Index of the endpoint for the next attempt, or -1 when none is usable. Bit `index & 63` of
    # `avoid` marks an endpoint that was tried already: it is chosen only when there is no other.
    cdef Py_ssize_t pick(self, EndpointState* endpoints, Py_ssize_t count, uint64_t avoid) noexcept


cdef class RoundRobin(Balancer):
    pass


cdef class LeastRequests(Balancer):
    pass


cdef class Random(Balancer):
    cdef uint64_t state
    cdef double draw(self) noexcept


# "round_robin", "least_requests" or "random"; raises ValueError for another name.
cpdef Balancer balancer(str name, uint64_t seed=*)
