"""Outlier detection: endpoints that do worse than the others of their service are left alone for a while.

Each worker judges by what it saw itself; an ejection is in the shared cell of the endpoint, for all workers.
"""

cimport cython

from headgate.core.rotation cimport EJECTED_UNTIL, EJECTION, EJECTIONS, ROTATION_CHANGES, ROTATION_SPARED


@cython.final
cdef class Observed:
    """Of the endpoint with that cell."""

    def __init__(self, SharedCell cell not None):
        self.cell = cell

    cdef void clear(self) noexcept:
        self.attempts = self.errors = self.answers = 0
        self.seconds = 0


@cython.final
cdef class Outliers:
    """Of one service, whose cell is `cell`. A threshold of 0 ejects nobody; at most `most` endpoints are
    ejected at a time. `report(observed, reason, seconds)` is told of each ejection by this worker."""

    def __init__(self, SharedCell cell not None, list observed not None, *, uint64_t consecutive, double error_ratio,
                 double latency, double latency_floor, double interval, uint64_t minimum, double ejection_seconds,
                 double longest_seconds, Py_ssize_t most, bint dry_run, object report):
        self.cell = cell
        self.observed = observed
        self.consecutive = consecutive
        self.error_ratio = error_ratio
        self.latency = latency
        self.latency_floor = latency_floor
        self.interval = interval
        self.minimum = minimum
        self.ejection_seconds = ejection_seconds
        self.longest_seconds = longest_seconds
        self.most = most
        self.dry_run = dry_run
        self.report = report

    cpdef int tell(self, Observed observed, bint failed, bint answered, double seconds, double now) except -1:
        """How an attempt ended. What took long counts whether it failed or not, if there was an answer."""
        observed.attempts += 1
        if answered:
            observed.answers += 1
            observed.seconds += seconds
        if failed:
            observed.errors += 1
            observed.consecutive += 1
            if self.consecutive and observed.consecutive >= self.consecutive:
                self._eject(observed, CONSECUTIVE_ERRORS, now)
        else:
            observed.consecutive = 0
        if now >= self.judged_at + self.interval:
            self._judge(now)
        return 0

    cdef int _judge(self, double now) except -1:
        """Compare each endpoint with all others, and begin anew."""
        cdef double attempts = 0
        cdef double errors = 0
        cdef double answers = 0
        cdef double seconds = 0
        cdef Observed one
        cdef int reason
        cdef bint first = self.judged_at == 0
        self.judged_at = now
        if first:       # who knows how old that is
            return 0
        for one in self.observed:
            if one.cell.get(EJECTED_UNTIL) * 1e-6 > now:
                one.clear()             # answers to what was asked before
                one.consecutive = 0
            attempts += one.attempts
            errors += one.errors
            answers += one.answers
            seconds += one.seconds
        for one in self.observed:
            reason = self._verdict(one, attempts - one.attempts, errors - one.errors, answers - one.answers,
                                   seconds - one.seconds)
            if reason:
                self._eject(one, <Reason>reason, now)
        for one in self.observed:
            one.clear()
        return 0

    cdef int _verdict(self, Observed one, double attempts, double errors, double answers,
                      double seconds) noexcept:
        """Why it is an outlier, or 0. The numbers are those of all others together."""
        cdef double ratio
        cdef double mean
        if one.attempts < self.minimum or attempts <= 0:
            return 0
        ratio = <double>one.errors / one.attempts
        # Where the others fail half as often, the fault is hardly its own.
        if self.error_ratio > 0 and ratio >= self.error_ratio and errors / attempts < ratio / 2:
            return ERROR_RATIO
        if self.latency > 0 and one.answers >= self.minimum and answers > 0:
            mean = one.seconds / one.answers
            if mean > self.latency * seconds / answers and mean - seconds / answers >= self.latency_floor:
                return LATENCY
        return 0

    cdef int _eject(self, Observed one, Reason reason, double now) except -1:
        """Leave it alone for a while, unless too many are already."""
        cdef uint64_t old = one.cell.get(EJECTED_UNTIL)
        cdef uint64_t times = one.cell.get(EJECTION) >> 8
        cdef uint64_t until
        cdef double length
        one.consecutive = 0
        if old * 1e-6 > now or self._ejected(now) >= self.most:
            return 0
        # Who did well for long is judged as if for the first time.
        times = 1 if old * 1e-6 + self.longest_seconds < now else times + 1
        length = min(self.ejection_seconds * times, self.longest_seconds)
        if self.dry_run:
            if one.spared_until <= now:
                one.spared_until = now + length
                self.cell.add(ROTATION_SPARED, 1)
                self.report(one, reason, length)
            return 0
        until = <uint64_t>((now + length) * 1e6)
        if not one.cell.swap(EJECTED_UNTIL, old, until):
            return 0                    # another worker did
        if self._ejected(now) > self.most:      # while another worker ejected another one
            one.cell.swap(EJECTED_UNTIL, until, old)
            return 0
        one.cell.put(EJECTION, times << 8 | <uint64_t>reason)
        one.cell.add(EJECTIONS, 1)
        self.cell.add(ROTATION_CHANGES, 1)
        self.report(one, reason, length)
        return 0

    cdef Py_ssize_t _ejected(self, double now) noexcept:
        cdef Py_ssize_t ejected = 0
        cdef Observed one
        for one in self.observed:
            ejected += one.cell.get(EJECTED_UNTIL) * 1e-6 > now
        return ejected
