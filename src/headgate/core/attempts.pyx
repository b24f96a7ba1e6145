"""Attempts after the first: when they are made, and how many a service can be burdened with.

Nothing here knows an exchange: proxy/attempts.pyx does what this decides.
"""

from libc.math cimport exp

from headgate.core.cells cimport bucket_of
from headgate.core.head cimport method_of

# In the order of Cause and Obstacle: words of metrics and access records.
RETRY_CAUSES = ("connect", "refused", "reset", "timeout", "status", "grpc")
OBSTACLES = ("attempts", "method", "body", "time", "budget")

cdef enum:
    TOKEN = 1000                # the budget counts thousandths
    MOST_TOKENS = 4000000000    # that 32 bits hold
    NOTED_LATENCIES = 4096      # then all counts are halved: the last few thousand requests count
    ENOUGH_LATENCIES = 100      # before that no percentile is known
    RELEARN = 50
    MOST_SAVED = 10             # hedges that quiet times pay for

# What was not used after so long is forgotten but for a third: a quiet hour pays for no storm.
cdef double KEPT_SECONDS = 1.0


cdef class RetryBudget:
    """`percent` of the requests, and `per_second`. One word holds the milliseconds of the clock at which it was
    entered last (upper half) and the thousandths that were left then."""

    def __init__(self, cell: SharedCell, percent: float, per_second: float):
        self.cell = cell
        self.share = <int>(percent * (TOKEN // 100))
        self.per_second = per_second

    cdef bint take(self, double now) except -1:
        """Whether one more retry may be made; counted when not."""
        if self.enter(now, TOKEN):
            return True
        self.cell.add(BUDGET_SPENT, 1)
        return False

    cdef bint enter(self, double now, uint32_t wanted) except -1:
        """Enter what was noted, and take `wanted` thousandths, if they are there. Whether they were."""
        cdef uint32_t clock = <uint32_t>(<uint64_t>(now * 1000))
        cdef uint64_t before
        cdef uint32_t left
        cdef bint enough
        cdef int noted = self.noted
        self.noted = 0
        while True:
            before = self.cell.get(BUDGET)
            left = self.left(before, clock, noted)
            enough = left >= wanted
            if enough:
                left -= wanted
            if clock - <uint32_t>(before >> 32) >= <uint32_t>1 << 31 and before:
                clock = <uint32_t>(before >> 32)    # somebody else's clock was read later
            if self.cell.swap(BUDGET, before, (<uint64_t>clock << 32) | left):
                return enough

    cdef uint32_t left(self, uint64_t before, uint32_t clock, int noted) noexcept:
        """What there is now. What comes by time is what would be there if it had come evenly."""
        cdef uint32_t passed = clock - <uint32_t>(before >> 32)
        cdef double steady = self.per_second * KEPT_SECONDS * TOKEN
        cdef double tokens = <double>(before & 0xFFFFFFFF)
        cdef double kept
        if before == 0:
            tokens = steady
        elif passed < <uint32_t>1 << 31:
            kept = exp(-(<double>passed) / (KEPT_SECONDS * 1000))
            tokens = tokens * kept + steady * (1 - kept)
        tokens += <double>noted * self.share
        return <uint32_t>min(tokens + 0.5, <double>MOST_TOKENS)

    # For tests and the pages of the controller.

    def request(self, now: float) -> None:
        """Count a request."""
        self.note(now)

    def allows(self, now: float) -> bool:
        """Whether one more retry may be made, which is taken from it."""
        return self.take(now)

    def tokens(self, now: float) -> float:
        """How many retries it would allow now."""
        return self.left(self.cell.get(BUDGET), <uint32_t>(<uint64_t>(now * 1000)), 0) / <double>TOKEN

    @property
    def withheld(self) -> int:
        """How many retries it did not allow."""
        return self.cell.get(BUDGET_SPENT)


cdef class Latencies:

    cdef void note(self, double seconds) noexcept:
        cdef int i
        self.counts[bucket_of(<uint64_t>(seconds * 1e6))] += 1
        self.total += 1
        if self.total < NOTED_LATENCIES:
            return
        self.total = 0
        for i in range(BUCKETS):
            self.counts[i] //= 2
            self.total += self.counts[i]

    cdef double percentile(self, double share) noexcept:
        """Seconds that so large a share did not exceed, or 0 while too little is known."""
        cdef double sought = share * self.total
        cdef double seen = 0
        cdef int i
        if self.total < ENOUGH_LATENCIES:
            return 0
        for i in range(BUCKETS):
            seen += self.counts[i]
            if seen >= sought:
                break
        # The upper edge of the bucket (core/cells.pxd): no more than the rest is slower.
        return <double>((<uint64_t>5 + (i & 3)) << (i // 4 + 2)) * 1e-6


cdef class HedgePolicy:
    """A hedge after `delay` seconds, or when the answer takes longer than that share of all."""

    def __init__(self, delay: float, percentile: float, percent: float, cell: SharedCell):
        self.fixed = delay
        self.share = percentile / 100
        self.percent = percent
        self.cell = cell
        self.latencies = Latencies()
        self.learned = cell.get(HEDGE_DELAY) * 1e-6     # by whoever served the route before

    cdef double delay(self) noexcept:
        """Seconds to wait for the first attempt; 0: no hedge."""
        return self.fixed or self.learned

    cdef void deposit(self) noexcept:
        """A request came, which pays for a part of a hedge."""
        self.allowed = min(self.allowed + self.percent / 100, <double>MOST_SAVED)

    cdef bint withdraw(self) noexcept:
        if self.allowed < 1:
            return False
        self.allowed -= 1
        return True

    cdef void note(self, double seconds) noexcept:
        """How long a first attempt took, or at least took when it was overtaken."""
        if self.fixed:
            return
        self.latencies.note(seconds)
        self.fresh += 1
        if self.fresh >= RELEARN and self.latencies.total >= ENOUGH_LATENCIES:
            self.fresh = 0
            self.learned = self.latencies.percentile(self.share)
            self.cell.put(HEDGE_DELAY, <uint64_t>(self.learned * 1e6))

    def request(self) -> None:
        """Count a request."""
        self.deposit()

    def allows(self) -> bool:
        """Whether one more hedge may be sent, which is taken from the budget."""
        return self.withdraw()

    def learn(self, seconds: float) -> float:
        """Take a latency; returns the delay that is known then."""
        self.note(seconds)
        return self.delay()


cdef class AttemptPolicy:
    """`retry`: spec.Retry, `hedge`: spec.Hedge; each may be None, but not both."""

    def __init__(self, retry: object, hedge: object, cell: SharedCell):
        self.cell = cell
        self.attempts = 1
        if retry is not None:
            self._set_retry(retry)
        if hedge is not None:
            self.hedge = HedgePolicy(hedge.delay, hedge.percentile, hedge.percent, cell)

    def _set_retry(self, retry: object) -> None:
        cdef bytes text
        cdef int status
        self.attempts = retry.attempts
        self.backoff = retry.backoff
        self.backoff_most = retry.backoff_most
        self.retry_after = retry.retry_after
        self.try_seconds = retry.per_try_timeout
        for cause in retry.causes:
            self.causes |= <uint32_t>1 << <int>RETRY_CAUSES.index(cause)
        for status in retry.statuses:
            self.causes |= <uint32_t>1 << <int>ON_STATUS
            self.statuses[status >> 6] |= <uint64_t>1 << (status & 63)
        for status in retry.grpc_statuses:
            self.causes |= <uint32_t>1 << <int>ON_GRPC
            self.grpc |= <uint32_t>1 << status
        for method in retry.methods:
            text = method.encode()
            self.methods |= <uint32_t>1 << method_of(text, len(text))

    cdef double pause(self, int retried, uint64_t random) noexcept:
        """Seconds before the next attempt: by chance between nothing and twice as much each time, so that
        those who failed together do not come again together ("full jitter")."""
        cdef double most = min(self.backoff * (<uint64_t>1 << min(retried, 30)), self.backoff_most)
        return most * <double>(random >> 11) / <double>(<uint64_t>1 << 53)

    def pauses(self, retried: int, random: int) -> float:
        """The seconds before the next attempt, `random` of 64 bits."""
        return self.pause(retried, random)


cdef class Tries:

    def __cinit__(self):
        self.cause = CAUSES
        self.obstacle = NO_OBSTACLE
