"""Balancers: which endpoint takes the next attempt.

A balancer only chooses. Health, limits and retries belong to its caller, who says which endpoints
are usable and which were tried already. A pick walks the endpoints twice at the most.
"""

from libc.stdint cimport uint64_t


cdef enum:
    BLIND_DRAWS = 8

# What an exchange costs at an endpoint that has not answered yet: more than anywhere else.
cdef double UNKNOWN_SECONDS = 3600.0


cdef uint64_t reachable(const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid) noexcept:
    """`avoid`, or 0 when all usable endpoints are to be avoided."""
    cdef Py_ssize_t index
    if avoid:
        for index in range(count):
            if open_to(&endpoints[index]) and not avoided(index, avoid):
                return avoid
    return 0


cdef class Balancer:
    """Chooses an endpoint. Subclasses define `pick`."""

    cdef int prepare(self, const EndpointState* endpoints, Py_ssize_t count) except -1:
        return 0

    cdef Balancer another(self):
        raise NotImplementedError

    cdef tuple kind(self):
        raise NotImplementedError

    cdef void look_around(self, const EndpointState* endpoints, Py_ssize_t count) noexcept:
        pass

    cdef Py_ssize_t pick(self, EndpointState* endpoints, Py_ssize_t count, uint64_t avoid,
                         uint64_t key) noexcept:
        return -1


cdef class RoundRobin(Balancer):
    """Each endpoint in turn, as often as its weight says (smooth weighted round robin).

    Each gains its weight, the richest is chosen and pays what all gained, so that heavy endpoints
    are spread among the light ones and not served in bursts.
    """

    cdef Py_ssize_t pick(self, EndpointState* endpoints, Py_ssize_t count, uint64_t avoid,
                         uint64_t key) noexcept:
        cdef Py_ssize_t index
        cdef Py_ssize_t best = -1
        cdef double total = 0
        cdef double most = 0
        avoid = reachable(endpoints, count, avoid)
        for index in range(count):
            if not open_to(&endpoints[index]) or avoided(index, avoid):
                continue
            endpoints[index].current += endpoints[index].weight
            total += endpoints[index].weight
            if best < 0 or endpoints[index].current > most:
                best, most = index, endpoints[index].current
        if best >= 0:
            endpoints[best].current -= total
        return best


cdef class LeastRequests(Balancer):
    """The endpoint with the fewest exchanges for its weight; those with equally few take turns."""

    def __cinit__(self):
        self.counts = True

    cdef Py_ssize_t pick(self, EndpointState* endpoints, Py_ssize_t count, uint64_t avoid,
                         uint64_t key) noexcept:
        """Turns are those of fair queueing: `current` is when an endpoint may have its next one, and whoever
        comes back gets none for the time it was away."""
        cdef Py_ssize_t index
        cdef Py_ssize_t best = -1
        cdef double load, turn
        cdef double least = 0
        cdef double first = 0
        avoid = reachable(endpoints, count, avoid)
        for index in range(count):
            if not open_to(&endpoints[index]) or avoided(index, avoid):
                continue
            load = flying(&endpoints[index]) / endpoints[index].weight
            if best >= 0 and load > least:
                continue
            turn = max(endpoints[index].current, self.turn)
            if best < 0 or load < least or turn < first:
                best, least, first = index, load, turn
        if best >= 0:
            self.turn = first
            endpoints[best].current = first + 1 / endpoints[best].weight
        return best


cdef class Random(Balancer):
    """Any endpoint, with a chance in proportion to its weight. The same seed gives the same row."""

    def __init__(self, uint64_t seed = 0):
        # splitmix64: also 0 and neighbouring seeds give states that differ in all bits, none of them 0.
        cdef uint64_t mixed = seed + <uint64_t>0x9E3779B97F4A7C15
        mixed = (mixed ^ (mixed >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
        mixed = (mixed ^ (mixed >> 27)) * <uint64_t>0x94D049BB133111EB
        self.state = (mixed ^ (mixed >> 31)) or 1

    cdef void look_around(self, const EndpointState* endpoints, Py_ssize_t count) noexcept:
        cdef Py_ssize_t index
        self.heaviest = 0
        for index in range(count):
            if open_to(&endpoints[index]):
                self.heaviest = max(self.heaviest, endpoints[index].weight)

    cdef double draw(self) noexcept:
        """A number in [0, 1), by xorshift64*."""
        self.state ^= self.state >> 12
        self.state ^= self.state << 25
        self.state ^= self.state >> 27
        return ((self.state * <uint64_t>0x2545F4914F6CDD1D) >> 11) * (1.0 / 9007199254740992.0)

    cdef double load_of(self, const EndpointState* endpoint) noexcept:
        """Of two, the one with less is chosen."""
        return flying(endpoint) / endpoint.weight

    cdef Py_ssize_t draw_one(self, const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid,
                             Py_ssize_t other) noexcept:
        """By chance, but not `other`; -1 when there is none. A few blind draws, each taken with a chance in
        proportion to the weight, nearly always find one; else all are looked at."""
        cdef Py_ssize_t index
        cdef Py_ssize_t last = -1
        cdef double left = 0
        for _ in range(BLIND_DRAWS if self.heaviest > 0 else 0):
            index = <Py_ssize_t>(self.draw() * count)
            if (index != other and open_to(&endpoints[index]) and not avoided(index, avoid)
                    and (endpoints[index].weight >= self.heaviest
                         or self.draw() * self.heaviest < endpoints[index].weight)):
                return index
        for index in range(count):
            if index != other and open_to(&endpoints[index]) and not avoided(index, avoid):
                left += endpoints[index].weight
        left *= self.draw()
        for index in range(count):
            if index != other and open_to(&endpoints[index]) and not avoided(index, avoid):
                last = index
                left -= endpoints[index].weight
                if left < 0:
                    break
        return last

    cdef Py_ssize_t pick(self, EndpointState* endpoints, Py_ssize_t count, uint64_t avoid,
                         uint64_t key) noexcept:
        return self.draw_one(endpoints, count, reachable(endpoints, count, avoid), -1)


cdef class PowerOfTwo(Random):
    """Two by chance, and of these the one with fewer exchanges for its weight: nearly as even as to look
    at all of them, and workers that know nothing of each other do not all choose the same one
    (Mitzenmacher, "The power of two choices in randomized load balancing", 2001)."""

    def __cinit__(self):
        self.counts = True

    cdef Py_ssize_t pick(self, EndpointState* endpoints, Py_ssize_t count, uint64_t avoid,
                         uint64_t key) noexcept:
        cdef Py_ssize_t one, other
        avoid = reachable(endpoints, count, avoid)
        one = self.draw_one(endpoints, count, avoid, -1)
        other = self.draw_one(endpoints, count, avoid, one)
        if other < 0:
            return one
        return other if self.load_of(&endpoints[other]) < self.load_of(&endpoints[one]) else one


cdef class LeastTime(PowerOfTwo):
    """Of two by chance the one where the next exchange will be over sooner, as far as its latency and what is
    in flight there tell. One of unknown latency gets one exchange, and no other until that is answered."""

    def __cinit__(self):
        self.times = True

    cdef double load_of(self, const EndpointState* endpoint) noexcept:
        cdef double seconds = latency_of(endpoint, self.now)
        if seconds <= 0:
            return flying(endpoint) * UNKNOWN_SECONDS / endpoint.weight
        return seconds * (flying(endpoint) + 1) / endpoint.weight


cdef class FirstAvailable(Balancer):
    """The first one in the order of the file that can be had: the others are there in case it is not."""

    cdef Py_ssize_t pick(self, EndpointState* endpoints, Py_ssize_t count, uint64_t avoid,
                         uint64_t key) noexcept:
        cdef Py_ssize_t index
        avoid = reachable(endpoints, count, avoid)
        for index in range(count):
            if open_to(&endpoints[index]) and not avoided(index, avoid):
                return index
        return -1
