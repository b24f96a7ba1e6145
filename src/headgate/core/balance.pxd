from libc.stdint cimport uint32_t, uint64_t


# What a balancer sees of one endpoint. `current` belongs to the balancer; start it at 0.
cdef struct EndpointState:
    double weight               # relative share; 0 takes no new exchanges
    double current
    uint32_t in_flight          # exchanges of this worker that are at the endpoint now
    bint usable
    double latency              # seconds that its answers take, as far as it is known; else 0
    uint64_t identity           # hash of its name: the same in every worker and after every reload


cdef class Balancer:
    cdef readonly bint counts   # it looks at what is in flight
    cdef readonly bint times    # it looks at latencies
    cdef readonly bint keyed    # equal keys go to the same endpoint

    # Get ready for these endpoints: their identities and weights stay as they are.
    cdef int prepare(self, const EndpointState* endpoints, Py_ssize_t count) except -1
    # Index of the endpoint for the next attempt, or -1 when none is usable. Bit `index & 63` of
    # `avoid` marks an endpoint that was tried already: it is chosen only when there is no other.
    cdef Py_ssize_t pick(self, EndpointState* endpoints, Py_ssize_t count, uint64_t avoid, uint64_t key) noexcept


cdef bint open_to(const EndpointState* endpoint) noexcept
cdef bint avoided(Py_ssize_t index, uint64_t avoid) noexcept
cdef uint64_t reachable(const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid) noexcept


cdef class RoundRobin(Balancer):
    pass


cdef class LeastRequests(Balancer):
    pass


cdef class Random(Balancer):
    cdef uint64_t state
    cdef double load_of(self, const EndpointState* endpoint) noexcept
    cdef double draw(self) noexcept
    cdef Py_ssize_t draw_one(self, const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid,
                             Py_ssize_t other) noexcept


cdef class PowerOfTwo(Random):
    pass


cdef class LeastTime(PowerOfTwo):
    pass


cdef class FirstAvailable(Balancer):
    pass
