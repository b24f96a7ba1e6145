from libc.stdint cimport uint32_t, uint64_t

from headgate.core.cells cimport BUCKETS
from headgate.core.shared cimport SharedCell


# Why an attempt is followed by another, by the words of the file: RETRY_CAUSES.
cpdef enum Cause:
    ON_CONNECT = 0              # no connection could be had: the endpoint saw nothing
    ON_REFUSED = 1              # it says that it did nothing (RFC 9113 section 8.7)
    ON_RESET = 2                # the connection ended, or broke the protocol, before an answer began
    ON_TIMEOUT = 3              # no answer began in time
    ON_STATUS = 4               # an answer with one of the statuses
    ON_GRPC = 5                 # an answer with one of the statuses of gRPC, and nothing else
    CAUSES = 6


# Why it is not, although the policy names the cause: OBSTACLES.
cpdef enum Obstacle:
    NO_ATTEMPT = 0              # it was the last that the policy allows
    NO_METHOD = 1               # to do it twice is not to do it once
    NO_BODY = 2                 # more of the body went upstream than is kept
    NO_TIME = 3                 # the deadline comes first, or Retry-After asks for more patience than there is
    NO_BUDGET = 4               # the service's budget is spent
    NO_OBSTACLE = 5


# Words of the cell of a route that has a policy (shm.names.attempts_cell).
cpdef enum AttemptWord:
    RETRIED = 1                 # one for each Cause
    NOT_RETRIED = 8             # one for each Obstacle
    HEDGES_SENT = 16
    HEDGES_WON = 17             # the second attempt answered first
    HEDGES_LOST = 18            # the first did
    HEDGES_WITHHELD = 19        # the budget for hedges was spent
    HEDGE_DELAY = 20            # microseconds, learned


# Words of the cell of a service.
cpdef enum BudgetWord:
    BUDGET = 1                  # what is left and when that was, see RetryBudget
    BUDGET_SPENT = 2            # retries that it did not allow


# How many more requests than came a service may get by retries, all workers together.
cdef class RetryBudget:
    cdef SharedCell cell
    cdef int share                      # thousandths of a request that each request brings
    cdef double per_second
    cdef int noted                      # requests that were not entered yet

    cdef inline int note(self, double now) except -1:
        """Count a request."""
        self.noted += 1
        if self.noted >= 16:            # sixteen cost one change of shared memory
            self.enter(now, 0)
        return 0

    cdef bint take(self, double now) except -1
    cdef bint enter(self, double now, uint32_t wanted) except -1
    cdef uint32_t left(self, uint64_t before, uint32_t clock, int noted) noexcept


# The latencies of late, of which a percentile is wanted.
cdef class Latencies:
    cdef uint32_t[BUCKETS] counts
    cdef uint32_t total

    cdef void note(self, double seconds) noexcept
    cdef double percentile(self, double share) noexcept


# When a second attempt is made beside the first.
cdef class HedgePolicy:
    cdef double fixed                   # seconds; 0: the percentile
    cdef double share                   # 0.95 for p95
    cdef double percent                 # of requests that may be hedged
    cdef double allowed                 # hedges that the requests so far have paid for
    cdef double learned                 # seconds; 0: not known yet
    cdef int fresh                      # latencies since it was learned
    cdef Latencies latencies
    cdef SharedCell cell

    cdef double delay(self) noexcept
    cdef void deposit(self) noexcept
    cdef bint withdraw(self) noexcept
    cdef void note(self, double seconds) noexcept


# What a route says about attempts.
cdef class AttemptPolicy:
    cdef int attempts
    cdef uint32_t causes                # bits by Cause
    cdef uint64_t[10] statuses          # bits
    cdef uint32_t grpc                  # bits
    cdef uint32_t methods               # bits by Method: allowed although they are not idempotent
    cdef double backoff
    cdef double backoff_most
    cdef double retry_after             # how long an answer may ask for; 0: it is not asked
    cdef double try_seconds             # 0: no limit
    cdef HedgePolicy hedge              # None: no hedging
    cdef SharedCell cell

    cdef inline bint names(self, int cause) noexcept:
        return (self.causes >> cause) & 1

    cdef inline bint has_status(self, int status) noexcept:
        return 0 <= status < 640 and (self.statuses[status >> 6] >> (status & 63)) & 1

    cdef double pause(self, int retried, uint64_t random) noexcept


# What one exchange with such a policy knows of its attempts.
cdef class Tries:
    cdef AttemptPolicy policy
    cdef int retried
    cdef bint repeatable                # idempotent, or allowed
    cdef int cause                      # of the last attempt that was followed by another, or CAUSES
    cdef int obstacle                   # why that was not so, or NO_OBSTACLE
    cdef int winner                     # 0: not hedged; 1 or 2: whose answer it was; 3: nobody's yet
    cdef object timer                   # of the pause between two attempts, or of the time for one
    cdef object hedge_timer
    cdef object hedge                   # the Exchange that makes the second attempt beside this one's
    cdef object first                   # of a hedge: the Exchange that it is for
