from libc.stdint cimport uint32_t, uint64_t

from headgate.core.lanes cimport LaneRow, summed
from headgate.core.load cimport seconds_of
from headgate.core.shared cimport hg_load


# What a balancer sees of one endpoint. `current` belongs to the balancer; start it at 0.
cdef struct EndpointState:
    double weight               # relative share; 0 takes no new exchanges
    double current
    uint32_t in_flight          # exchanges that are at the endpoint now, if no lanes count them
    bint usable
    double latency              # seconds that its answers take, as far as it is known; else 0
    uint64_t identity           # hash of its name: the same in every worker and after every reload
    const LaneRow* lanes        # what all workers together have in flight there
    const uint64_t* peak        # and its latency as they know it, instead of `latency`


cdef inline double flying(const EndpointState* endpoint) noexcept:
    return endpoint.in_flight if endpoint.lanes == NULL else summed(endpoint.lanes)


cdef inline double latency_of(const EndpointState* endpoint, double now) noexcept:
    return endpoint.latency if endpoint.peak == NULL else seconds_of(hg_load(endpoint.peak), now)


cdef class Balancer:
    cdef readonly bint counts   # it looks at what is in flight
    cdef readonly bint times    # it looks at latencies
    cdef readonly bint keyed    # equal keys go to the same endpoint
    cdef readonly bint tabled   # it chooses by a table, which takes a while to make
    cdef double now             # for those that look at latencies
    cdef object __weakref__

    # Get ready for these endpoints: their identities and weights stay as they are.
    cdef int prepare(self, const EndpointState* endpoints, Py_ssize_t count) except -1
    # One with the same settings, not ready yet; and what these are, to tell tables of different kinds apart.
    cdef Balancer another(self)
    cdef tuple kind(self)
    # Others of them are usable now, or their weights are others.
    cdef void look_around(self, const EndpointState* endpoints, Py_ssize_t count) noexcept
    # Index of the endpoint for the next attempt, or -1 when none is usable. Bit `index & 63` of
    # `avoid` marks an endpoint that was tried already: it is chosen only when there is no other.
    cdef Py_ssize_t pick(self, EndpointState* endpoints, Py_ssize_t count, uint64_t avoid, uint64_t key) noexcept


cdef inline bint open_to(const EndpointState* endpoint) noexcept:
    return endpoint.usable and endpoint.weight > 0


cdef inline bint avoided(Py_ssize_t index, uint64_t avoid) noexcept:
    return (avoid >> (index & 63)) & 1


cdef uint64_t reachable(const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid) noexcept


cdef class RoundRobin(Balancer):
    pass


cdef class LeastRequests(Balancer):
    cdef double turn            # of the one that was chosen last


cdef class Random(Balancer):
    cdef uint64_t state
    cdef double heaviest        # of those that can be had
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
