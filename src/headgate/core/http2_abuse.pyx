"""How much a peer of HTTP/2 may do of what costs us and gives it nothing.

Each kind has a bucket that is full at first and fills up again with time; who empties one is told to calm
down (RFC 9113 section 10.5). Clients that mean well come nowhere near: a browser that leaves a page full of
requests resets some hundred streams, once.
"""

# What a bucket holds, and what flows in a second.
LIMITS = {
    RAPID_RESETS: (1000, 33),           # CVE-2023-44487, and by our own resets CVE-2025-8671
    REFUSED_STREAMS: (1000, 33),
    PINGS: (200, 10),                   # CVE-2019-9512
    SETTINGS_CHANGES: (50, 1),          # CVE-2019-9515
    EMPTY_FRAMES: (200, 10),            # CVE-2019-9518
    WINDOW_UPDATES: (10000, 2000),
    PRIORITIES: (2000, 50),             # CVE-2019-9513
    CONTINUATIONS: (200, 20),           # CVE-2024-27316
    UNKNOWN_FRAMES: (500, 20),
    LARGE_HEADS: (20, 2),
    TINY_WINDOWS: (1000, 50),           # CVE-2019-9511, CVE-2019-9517
    GOAWAYS: (20, 1),                   # a graceful end takes two
}

cdef double[<int>ABUSES] _most
cdef double[<int>ABUSES] _flow

for _abuse, (_full, _second) in LIMITS.items():
    _most[<int>_abuse] = _full
    _flow[<int>_abuse] = _second


cdef class Tolerance:
    """The buckets of one connection. The clock is whoever's drives the codec; without one nothing flows in."""

    def __cinit__(self):
        cdef int abuse
        self.exceeded = -1
        for abuse in range(ABUSES):
            self.buckets[abuse].left = _most[abuse]

    cdef bint spend(self, int abuse, double now, double cost) noexcept:
        """Whether that is still tolerated."""
        cdef Bucket* bucket = &self.buckets[abuse]
        if bucket.at == 0:
            bucket.at = now
        if now > bucket.at:
            bucket.left = min(_most[abuse], bucket.left + (now - bucket.at) * _flow[abuse])
            bucket.at = now
        bucket.left -= cost
        if bucket.left < 0:
            self.exceeded = abuse
            return False
        return True

    cdef void earn(self, int abuse, double amount) noexcept:
        """What we sent gives the peer reason for as much."""
        self.buckets[abuse].left = min(_most[abuse], self.buckets[abuse].left + amount)
