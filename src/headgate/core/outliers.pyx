"""Outlier detection: endpoints that do worse than the others of their service are left alone for a while.

What the workers saw is added up in the shared cells of the endpoints, and whichever finds that it is time judges
for all of them. Errors one after the other are counted there at once, everything else a few times in an interval.
"""

cimport cython

from headgate.core.rotation cimport EJECTED_UNTIL, EJECTION, EJECTIONS, ROTATION_CHANGES, ROTATION_SPARED


cdef enum:
    PARTS = 4                   # of an interval, after which a worker shares what it saw


cdef inline uint64_t _taken(SharedCell cell, int word) noexcept:
    cdef uint64_t value = cell.get(word)
    cell.add(word, <uint64_t>0 - value)     # what is added meanwhile stays
    return value


@cython.final
cdef class Observed:
    """Of the endpoint with that cell."""

    def __init__(self, SharedCell cell not None):
        self.cell = cell

    cdef void clear(self) noexcept:
        self.attempts = self.errors = self.answers = 0
        self.seconds = 0

    cdef void share(self) noexcept:
        if self.attempts:
            self.cell.add(OUTLIER_ATTEMPTS, self.attempts)
            self.cell.add(OUTLIER_ERRORS, self.errors)
            self.cell.add(OUTLIER_ANSWERS, self.answers)
            self.cell.add(OUTLIER_MICROSECONDS, <uint64_t>(self.seconds * 1e6))
            self.clear()

    cdef void take(self) noexcept:
        self.attempts = _taken(self.cell, OUTLIER_ATTEMPTS)
        self.errors = _taken(self.cell, OUTLIER_ERRORS)
        self.answers = _taken(self.cell, OUTLIER_ANSWERS)
        self.seconds = _taken(self.cell, OUTLIER_MICROSECONDS) * 1e-6


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
            if self.consecutive and observed.cell.add(OUTLIER_ROW, 1) + 1 >= self.consecutive:
                self._eject(observed, CONSECUTIVE_ERRORS, now)
        elif observed.cell.get(OUTLIER_ROW):
            observed.cell.put(OUTLIER_ROW, 0)
        if now >= self.due:
            self._settle(now)
        return 0

    cdef int _settle(self, double now) except -1:
        """Share what this worker saw, and judge when it is time and no other worker does."""
        cdef Observed one
        cdef uint64_t judged = self.cell.get(OUTLIERS_JUDGED)
        self.due = now + self.interval / PARTS
        for one in self.observed:
            one.share()
        if judged * 1e-6 + self.interval > now or not self.cell.swap(OUTLIERS_JUDGED, judged, <uint64_t>(now * 1e6)):
            return 0
        if judged == 0:         # nobody knows yet what the interval was
            return 0
        return self._judge(now)

    cdef int _judge(self, double now) except -1:
        """Compare each endpoint with all others, and begin anew. Nothing of this worker's own is left unshared."""
        cdef double attempts = 0
        cdef double errors = 0
        cdef double answers = 0
        cdef double seconds = 0
        cdef Observed one
        cdef int reason
        for one in self.observed:
            one.take()
            if one.cell.get(EJECTED_UNTIL) * 1e-6 > now:
                one.clear()             # answers to what was asked before
                one.cell.put(OUTLIER_ROW, 0)
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
        one.cell.put(OUTLIER_ROW, 0)
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
