"""How busy an endpoint is: what is in flight there, from all workers, and how long its answers take."""

cimport cython
from libc.stdint cimport uint32_t, uint64_t

from headgate.core.shared cimport SharedCell

cdef double LEAST_SECONDS = 1e-6


@cython.final
cdef class WholeLoad(Lanes):
    """In the cell of a service's load."""

    def __init__(self, SharedCell cell, int slot, int workers):
        self.open_lane(cell, FLYING, slot, workers)


@cython.final
cdef class Load(Lanes):
    """In the cell of an endpoint's load, as the worker in `slot` of `workers` sees it."""

    def __init__(self, SharedCell cell, int slot, int workers):
        self.open_lane(cell, FLYING, slot, workers)

    def join(self, WholeLoad whole not None) -> None:
        """Count for the whole service, too."""
        if self.whole is None:
            for _ in range(self.held):
                whole.enter()
            self.whole = whole

    cpdef void enter(self) noexcept:
        Lanes.enter(self)
        if self.whole is not None:
            self.whole.enter()

    cpdef void give(self) noexcept:
        Lanes.give(self)
        if self.whole is not None:
            self.whole.give()

    def latency(self, double now) -> float:
        """Seconds that its answers take, as far as it is known; else 0."""
        return seconds_of(self.cell.get(LATENCY), now)

    def note(self, double seconds, double now) -> None:
        """An answer took so long; for tests."""
        self.measure(seconds, now)

    cdef void measure(self, double seconds, double now) noexcept:
        """Take a latency. What is slower than known counts at once, what is faster little by little (Finagle's
        peak EWMA)."""
        cdef uint64_t word, next
        cdef double known, kept
        while True:
            word = self.cell.get(LATENCY)
            known = hg_float(<uint32_t>(word >> 32))
            kept = share_kept(word, now)
            if seconds <= known * kept:
                seconds = max(known * kept + seconds * (1 - kept), LEAST_SECONDS)
            next = <uint64_t>hg_bits(<float>seconds) << 32 | <uint32_t><uint64_t>(now * 1000)
            if self.cell.swap(LATENCY, word, next):
                return
