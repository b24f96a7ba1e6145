"""Balancers that send equal keys to the same endpoint, in every worker and after every reload.

When an endpoint comes or goes, only the keys move that must: those of a lost endpoint are spread over all
others. A key whose endpoint cannot be had, or is full, goes to the next one that the method names.
"""

from libc.math cimport log
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort

from headgate.core.balance cimport Balancer, EndpointState, avoided, flying, open_to, reachable
from headgate.core.hashing cimport mix
from headgate.core.lanes cimport summed


cdef enum:
    POINTS = 160                # on the circle for each endpoint, on the average (as ketama has it)
    LEAST_POINTS = 1024
    MOST_POINTS = 65536
    SMALL_TABLE = 5003          # primes
    LARGE_TABLE = 65537
    SMALL_COUNT = 50            # endpoints: each has 100 places or more
    SEARCHES = 64               # of other places, before the first endpoint that fits is taken


cdef inline bint fits(const EndpointState* endpoint, Py_ssize_t index, uint64_t avoid, double most) noexcept:
    """Whether it may be chosen; with what is to be placed it stays within `most` for its weight, rounded up."""
    if not open_to(endpoint) or avoided(index, avoid):
        return False
    return most < 0 or flying(endpoint) < most * endpoint.weight


cdef inline double fraction(uint64_t drawn) noexcept:
    return ((drawn >> 11) + 0.5) * (1.0 / 9007199254740992.0)


cdef inline double score_of(double weight, uint64_t drawn) noexcept:
    return weight / -log(fraction(drawn))


cdef inline bint beats(double weight, uint64_t drawn, double* score) noexcept:
    """Whether it has more than this score, which then becomes its own."""
    cdef double own
    if weight <= score[0] * (1 - fraction(drawn)):
        return False                    # as -log(x) >= 1 - x: it cannot, and most cannot
    own = score_of(weight, drawn)
    if own <= score[0]:
        return False
    score[0] = own
    return True


cdef class Affinity(Balancer):
    """What the methods share. `bound`: no endpoint takes more than so many times its share of what is in
    flight (Mirrokni, Thorup, Zadimoghaddam, "Consistent hashing with bounded loads", 2016)."""

    def __init__(self, double bound = 0):
        if bound and not bound > 1:
            raise ValueError(f"a bound of {bound} leaves requests without an endpoint")
        self.bound = bound
        self.counts = bound > 0
        self.keyed = True

    cdef Py_ssize_t pick(self, EndpointState* endpoints, Py_ssize_t count, uint64_t avoid,
                         uint64_t key) noexcept:
        avoid = reachable(endpoints, count, avoid)
        return self.find(endpoints, count, avoid, self.most_load(endpoints, count, avoid), key)

    cdef double most_load(self, const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid) noexcept:
        """Exchanges for each unit of weight, at most; negative for no bound."""
        cdef double weight = 0
        cdef double total = 1           # with the one that is to be placed
        cdef Py_ssize_t index
        if self.bound <= 0:
            return -1
        if self.whole != NULL and avoid == 0:
            # With what still runs at endpoints that take nothing new: the bound may be wider, not tighter.
            return self.bound * (summed(self.whole) + 1) / self.weight if self.weight > 0 else -1
        for index in range(count):
            if open_to(&endpoints[index]) and not avoided(index, avoid):
                weight += endpoints[index].weight
                total += flying(&endpoints[index])
        return self.bound * total / weight if weight > 0 else -1

    cdef Balancer another(self):
        cdef Affinity made = type(self)(self.bound)
        made.whole = self.whole
        return made

    cdef tuple kind(self):
        return type(self), self.bound

    cdef void look_around(self, const EndpointState* endpoints, Py_ssize_t count) noexcept:
        cdef Py_ssize_t index
        self.weight = 0
        for index in range(count):
            if open_to(&endpoints[index]):
                self.weight += endpoints[index].weight

    cdef Py_ssize_t find(self, const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid, double most,
                         uint64_t key) noexcept:
        return -1


    cdef Py_ssize_t find_any(self, const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid, double most,
                             uint64_t key) noexcept:
        """For a table that has nobody who fits: another one may be under way."""
        cdef Py_ssize_t index, search
        for search in range(count):
            index = <Py_ssize_t>((key + <uint64_t>search) % <uint64_t>count)
            if fits(&endpoints[index], index, avoid, most):
                return index
        return -1


cdef class Rendezvous(Affinity):
    """Each endpoint draws a number for the key, and the highest for its weight wins (Thaler, Ravishankar,
    1998). It needs no table, keeps weights exactly, and looks at every endpoint."""

    cdef Py_ssize_t find(self, const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid, double most,
                         uint64_t key) noexcept:
        cdef Py_ssize_t index
        cdef Py_ssize_t best = -1
        cdef uint64_t drawn
        cdef uint64_t highest = 0       # of the best
        cdef double weight = -1
        cdef double score = -1          # negative: not needed so far
        for index in range(count):
            if not fits(&endpoints[index], index, avoid, most):
                continue
            drawn = mix(key ^ endpoints[index].identity)
            if endpoints[index].weight == weight:
                if drawn <= highest:
                    continue            # of equal weights the higher wins, without its logarithm
                score = -1
            elif best >= 0:
                if score < 0:
                    score = score_of(weight, highest)
                if not beats(endpoints[index].weight, drawn, &score):
                    continue
            highest = drawn
            weight = endpoints[index].weight
            best = index
        return best


cdef int _compare(const void* one, const void* other) noexcept nogil:
    cdef uint64_t a = (<const Point*>one).hash
    cdef uint64_t b = (<const Point*>other).hash
    return (a > b) - (a < b)


cdef class Ring(Affinity):
    """Each endpoint has points on a circle, and a key belongs to the next point (Karger et al., 1997)."""

    def __cinit__(self):
        self.tabled = True

    def __dealloc__(self):
        free(self.points)
        free(self.starts)

    cdef int prepare(self, const EndpointState* endpoints, Py_ssize_t count) except -1:
        cdef double total = 0
        cdef Py_ssize_t size = min(max(POINTS * count, LEAST_POINTS), MOST_POINTS)
        cdef Py_ssize_t index, number, share
        cdef Py_ssize_t filled = 0
        cdef int shift = 64 - int(size).bit_length()
        cdef Py_ssize_t parts = <Py_ssize_t>1 << (64 - shift)
        cdef Point* points = <Point*>malloc((size + count + 1) * sizeof(Point))
        cdef uint32_t* starts = <uint32_t*>malloc(parts * sizeof(uint32_t))
        if points == NULL or starts == NULL:
            free(points)
            free(starts)
            raise MemoryError()         # the points from before stay
        with nogil:
            for index in range(count):
                total += endpoints[index].weight
            for index in range(count):
                if endpoints[index].weight <= 0:
                    continue
                share = max(<Py_ssize_t>(size * endpoints[index].weight / total), 1)
                for number in range(share):
                    points[filled].hash = mix(endpoints[index].identity + number)
                    points[filled].endpoint = <uint32_t>index
                    filled += 1
            qsort(points, filled, sizeof(Point), _compare)
            index = 0
            for number in range(parts):
                while index < filled and <Py_ssize_t>(points[index].hash >> shift) < number:
                    index += 1
                starts[number] = <uint32_t>index
        free(self.points)
        free(self.starts)
        self.points = points
        self.starts = starts
        self.shift = shift
        self.point_count = filled
        return 0

    cdef Py_ssize_t find(self, const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid, double most,
                         uint64_t key) noexcept:
        cdef Py_ssize_t step, index
        cdef Py_ssize_t low = self.starts[key >> self.shift] if self.point_count else 0
        while low < self.point_count and self.points[low].hash < key:
            low += 1
        for step in range(self.point_count):
            if low == self.point_count:
                low = 0
            index = <Py_ssize_t>self.points[low].endpoint
            if fits(&endpoints[index], index, avoid, most):
                return index
            low += 1
        return self.find_any(endpoints, count, avoid, most, key)


cdef class Maglev(Affinity):
    """A table that endpoints fill by turns, each in an order of its own (Eisenbud et al., 2016): a pick is
    one look, and shares are more even than on a circle; a few more keys move when endpoints change."""

    def __cinit__(self):
        self.tabled = True

    def __dealloc__(self):
        free(self.table)

    cdef int prepare(self, const EndpointState* endpoints, Py_ssize_t count) except -1:
        cdef Py_ssize_t size = SMALL_TABLE if count <= SMALL_COUNT else LARGE_TABLE
        cdef Py_ssize_t filled = 0
        cdef Py_ssize_t index
        cdef double heaviest = 0
        cdef uint64_t* places = <uint64_t*>calloc(count or 1, sizeof(uint64_t))
        cdef double* credit = <double*>calloc(count or 1, sizeof(double))
        cdef uint32_t* table = <uint32_t*>calloc(size, sizeof(uint32_t))    # endpoint + 1; 0 is free
        if table == NULL or places == NULL or credit == NULL:
            free(table)
            free(places)
            free(credit)
            raise MemoryError()         # the table from before stays
        with nogil:
            for index in range(count):
                places[index] = endpoints[index].identity % size
                heaviest = max(heaviest, endpoints[index].weight)
            while heaviest > 0 and filled < size:
                for index in range(count):
                    credit[index] += endpoints[index].weight / heaviest
                    if credit[index] < 1 or filled == size:
                        continue
                    credit[index] -= 1
                    while table[places[index]]:
                        places[index] = _next_place(places[index], endpoints[index].identity, size)
                    table[places[index]] = <uint32_t>index + 1
                    filled += 1
        free(places)
        free(credit)
        free(self.table)
        self.table = table
        self.size = size if filled else 0
        return 0

    cdef Py_ssize_t find(self, const EndpointState* endpoints, Py_ssize_t count, uint64_t avoid, double most,
                         uint64_t key) noexcept:
        cdef Py_ssize_t index, search
        for search in range(SEARCHES if self.size else 0):
            index = <Py_ssize_t>self.table[key % self.size] - 1
            if fits(&endpoints[index], index, avoid, most):
                return index
            key = mix(key + 1)
        return self.find_any(endpoints, count, avoid, most, key)


cdef inline uint64_t _next_place(uint64_t place, uint64_t identity, Py_ssize_t size) noexcept nogil:
    """The size is a prime, so that any step comes to every place."""
    return (place + 1 + mix(identity) % (size - 1)) % size
