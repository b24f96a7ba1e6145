"""Balancers: which endpoint takes the next attempt.

A balancer only chooses. Health, limits and retries belong to its caller, who says which endpoints
are usable and which were tried already. Each pick walks the endpoints once or twice.
"""

from libc.stdint cimport uint64_t


cdef inline bint open_to(const EndpointState* endpoint) noexcept:
    return endpoint.usable and endpoint.weight > 0


cdef inline bint avoided(Py_ssize_t index, uint64_t avoid) noexcept:
    return (avoid >> (index & 63)) & 1


cdef inline uint64_t reachable(const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid) noexcept:
    """`avoid`, or 0 when all usable endpoints are to be avoided."""
    cdef Py_ssize_t index
    if avoid:
        for index in range(count):
            if open_to(&endpoints[index]) and not avoided(index, avoid):
                return avoid
    return 0


cdef Py_ssize_t take_turn(EndpointState* endpoints, Py_ssize_t count, uint64_t avoid, double load) noexcept:
    """Smooth weighted round robin over the endpoints with this load; over all when it is negative.

    Each gains its weight, the richest is chosen and pays what all gained, so that heavy endpoints
    are spread among the light ones and not served in bursts.
    """
    cdef Py_ssize_t index
    cdef Py_ssize_t best = -1
    cdef double total = 0
    cdef EndpointState* endpoint
    for index in range(count):
        endpoint = &endpoints[index]
        if not open_to(endpoint) or avoided(index, avoid):
            continue
        if load >= 0 and endpoint.in_flight / endpoint.weight > load:
            continue
        endpoint.current += endpoint.weight
        total += endpoint.weight
        if best < 0 or endpoint.current > endpoints[best].current:
            best = index
    if best >= 0:
        endpoints[best].current -= total
    return best


cdef class Balancer:
    """Chooses an endpoint. Subclasses define `pick`."""

    cdef Py_ssize_t pick(self, EndpointState* endpoints, Py_ssize_t count, uint64_t avoid) noexcept:
        return -1


cdef class RoundRobin(Balancer):
    """Each endpoint in turn, as often as its weight says."""

    cdef Py_ssize_t pick(self, EndpointState* endpoints, Py_ssize_t count, uint64_t avoid) noexcept:
        return take_turn(endpoints, count, reachable(endpoints, count, avoid), -1)


cdef class LeastRequests(Balancer):
    """The endpoint with the fewest exchanges for its weight; those with equally few take turns."""

    cdef Py_ssize_t pick(self, EndpointState* endpoints, Py_ssize_t count, uint64_t avoid) noexcept:
        cdef Py_ssize_t index
        cdef double load
        cdef double least = -1
        avoid = reachable(endpoints, count, avoid)
        for index in range(count):
            if open_to(&endpoints[index]) and not avoided(index, avoid):
                load = endpoints[index].in_flight / endpoints[index].weight
                if least < 0 or load < least:
                    least = load
        return take_turn(endpoints, count, avoid, least) if least >= 0 else -1


cdef class Random(Balancer):
    """Any endpoint, with a chance in proportion to its weight. The same seed gives the same row."""

    def __init__(self, uint64_t seed = 0):
        # splitmix64: also 0 and neighbouring seeds give states that differ in all bits, none of them 0.
        cdef uint64_t mixed = seed + <uint64_t>0x9E3779B97F4A7C15
        mixed = (mixed ^ (mixed >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
        mixed = (mixed ^ (mixed >> 27)) * <uint64_t>0x94D049BB133111EB
        self.state = (mixed ^ (mixed >> 31)) or 1

    cdef double draw(self) noexcept:
        """A number in [0, 1), by xorshift64*."""
        self.state ^= self.state >> 12
        self.state ^= self.state << 25
        self.state ^= self.state >> 27
        return ((self.state * <uint64_t>0x2545F4914F6CDD1D) >> 11) * (1.0 / 9007199254740992.0)

    cdef Py_ssize_t pick(self, EndpointState* endpoints, Py_ssize_t count, uint64_t avoid) noexcept:
        cdef Py_ssize_t index
        cdef Py_ssize_t last = -1
        cdef double left = 0
        avoid = reachable(endpoints, count, avoid)
        for index in range(count):
            if open_to(&endpoints[index]) and not avoided(index, avoid):
                left += endpoints[index].weight
        left *= self.draw()
        for index in range(count):
            if open_to(&endpoints[index]) and not avoided(index, avoid):
                last = index
                left -= endpoints[index].weight
                if left < 0:
                    break
        return last


cpdef Balancer balancer(str name, uint64_t seed = 0):
    """The balancer of that name: "round_robin", "least_requests" or "random". Raises ValueError."""
    if name == "round_robin":
        return RoundRobin()
    if name == "least_requests":
        return LeastRequests()
    if name == "random":
        return Random(seed)
    raise ValueError(f"no balancer is called {name!r}; write round_robin, least_requests or random")


def simulate(Balancer chosen, weights, in_flight, usable, avoid: int, int picks) -> list[int]:
    """The row of `picks` choices among endpoints in these states, which do not change; for tests."""
    cdef EndpointState endpoints[128]
    cdef Py_ssize_t count = len(weights)
    cdef Py_ssize_t index
    if count > 128:
        raise ValueError("at most 128 endpoints")
    for index in range(count):
        endpoints[index] = EndpointState(weights[index], 0, in_flight[index], usable[index])
    return [chosen.pick(endpoints, count, avoid) for _ in range(picks)]
