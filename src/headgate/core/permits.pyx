"""How many may run at a time in all workers together, and a limit that finds itself by latency.

Permits are counted in lanes, and are summed to be compared with the limit (core/lanes.pyx).
A worker may have more than its share as long as nobody with less has somebody waiting.
"""

cimport cython
from libc.math cimport sqrt

from headgate.core.lanes cimport LANE

cdef enum:
    SLOTS = 64
    WINDOW_MS = 100
    WINDOW_SAMPLES = 10         # at least, for an average
    PROBE_MS = 30000            # from one measurement with a part of the limit to the next
    AGAIN_MS = 1000
    PROBE_PART = 3              # of the limit is what is tried: less than what the service can do
    EMPTYING = 1                # what ran before the limit was lowered is on its way out
    MEASURING = 2

# So much slower than the base an answer may be before the limit falls (Netflix's concurrency-limits has the same).
cdef double TOLERANCE = 1.5
cdef double FASTER = 0.9
cdef double LEAST_GRADIENT = 0.5
cdef double SMOOTHING = 0.3
cdef double FIRST_LIMIT = 20


@cython.final
cdef class Permits(Lanes):
    """Permits in a cell, as the worker in `slot` sees them; with nothing held by it. Slot -1 only looks. `workers`: how many there
    are; slots beyond are those of workers that leave, and do not count."""

    def __init__(self, SharedCell cell, int slot, int workers):
        self.open_lane(cell, PERMITS, slot, workers)
        if slot >= 0:
            self._set_hungry(False)

    cpdef bint take(self, uint64_t limit) noexcept:
        """Take one, if fewer than `limit` are given out. Never more are; of two that want the last one at the
        same moment it may be that none gets it."""
        if self.held >= LANE:
            return False
        self.enter()
        if self.used() <= limit:
            return True
        self.give()
        return False

    cpdef void say_hungry(self, bint waits, uint64_t limit) noexcept:
        """Tell others whether somebody waits here while this worker holds less than its share."""
        cdef bint hungry = waits and self.held * <uint64_t>self.workers < limit
        if hungry != self.hungry:
            self._set_hungry(hungry)

    cpdef bint crowds_out(self, uint64_t limit) noexcept:
        """Whether one more would be above the share of this worker while another is hungry."""
        cdef uint64_t others = ~(<uint64_t>1 << self.slot)
        if self.workers < SLOTS:
            others &= (<uint64_t>1 << self.workers) - 1
        return (self.held + 1) * <uint64_t>self.workers > limit and self.cell.get(HUNGRY) & others != 0

    cdef void _set_hungry(self, bint hungry) noexcept:
        cdef uint64_t own = <uint64_t>1 << self.slot
        cdef uint64_t word
        self.hungry = hungry
        while True:
            word = self.cell.get(HUNGRY)
            if self.cell.swap(HUNGRY, word, word | own if hungry else word & ~own):
                return


@cython.final
cdef class AdaptiveLimit:
    """A limit between `minimum` and `maximum`, shared by all workers, that follows latency: while answers are
    not slower than `TOLERANCE` times the base it grows by its square root, else it shrinks in proportion. The
    base is what is measured when few run; it goes down when answers are faster, and up only by a measurement
    with a third of the limit now and then, for latency under load must not become the measure of itself."""

    def __init__(self, SharedCell cell, *, double minimum, double maximum):
        self.cell = cell
        self.minimum = minimum
        self.maximum = max(minimum, maximum)

    cpdef uint64_t limit(self) noexcept:
        """How many may run now."""
        cdef double found = <double>self.cell.get(LIMIT) / 1000 or FIRST_LIMIT
        if self.cell.get(PROBING) & 3:
            found /= PROBE_PART
        return <uint64_t>min(max(found, self.minimum), self.maximum)

    cpdef void sample(self, double seconds, uint64_t used, double now) noexcept:
        """An answer took so long while so many ran."""
        cdef uint64_t ms = <uint64_t>(now * 1000)
        self.cell.add(SAMPLE_SUM, <uint64_t>(seconds * 1e6))
        self.cell.add(SAMPLES, 1)
        if used > self.cell.get(PEAK):
            self.cell.put(PEAK, used)
        if ms >= self.cell.get(WINDOW_END) and self.cell.get(SAMPLES) >= WINDOW_SAMPLES:
            self._close_window(ms)

    cdef void _close_window(self, uint64_t ms) noexcept:
        cdef uint64_t end = self.cell.get(WINDOW_END)
        cdef uint64_t samples, total, probing, phase
        cdef double known, average, base
        if not self.cell.swap(WINDOW_END, end, ms + WINDOW_MS):
            return                      # another worker does it
        samples = self.cell.get(SAMPLES)
        total = self.cell.get(SAMPLE_SUM)
        if samples == 0:
            return
        self.cell.add(SAMPLES, -samples)
        self.cell.add(SAMPLE_SUM, -total)
        average = max(<double>total / samples, 1.0)
        base = <double>self.cell.get(BASE)
        known = <double>self.cell.get(LIMIT) / 1000 or min(FIRST_LIMIT, self.maximum)
        probing = self.cell.get(PROBING)
        phase = probing & 3
        if base == 0 or (phase == MEASURING and average < FASTER * base):
            # What was known was a latency under load: look again soon, as long as it helps.
            base = average
            probing = (ms + AGAIN_MS) << 2
        elif phase == MEASURING:
            base = average
            probing = (ms + PROBE_MS + ms % (PROBE_MS // 8)) << 2      # services do not all probe at once
        elif phase == EMPTYING:
            probing = (probing & ~<uint64_t>3) | MEASURING
        else:
            if average < base:
                base += (average - base) / 4
            known = self._gradient(known, average / base, self.cell.get(PEAK))
            if ms >= probing >> 2:
                probing = (probing & ~<uint64_t>3) | EMPTYING
        self.cell.put(BASE, <uint64_t>base)
        self.cell.put(LIMIT, <uint64_t>(known * 1000))
        self.cell.put(PROBING, probing)
        self.cell.put(PEAK, 0)

    cdef double _gradient(self, double known, double slower, uint64_t peak) noexcept:
        """The next limit when answers are so many times slower than the base."""
        cdef double gradient = min(max(TOLERANCE / slower, LEAST_GRADIENT), 1.0)
        cdef double wanted = known * gradient + sqrt(known)
        if wanted > known and <double>peak < known * 0.8:
            return known                # nobody needs more
        return min(max(known + SMOOTHING * (wanted - known), self.minimum), self.maximum)
