"""A circuit breaker: stops asking who cannot answer, and finds out by a few trials when it can again.

    closed --- too many failures ---> open --- after a while, which grows ---> half-open
       ^                                ^--------- a trial fails -----------------'  |
       '---------------------------- all trials succeed ----------------------------'

All workers share one: its state is words of a shared cell, changed by compare-and-swap. An outcome counts only
if its attempt began in the state that is there now, so that what was asked before the breaker opened can neither
close it nor open it again.
"""

cimport cython

cdef enum:
    WINDOWS = 4
    LONGEST_STREAK = 63


# The state word: state 2 bits, streak of openings 6, trials begun 8, trials that succeeded 8, since when 40.
cdef inline uint64_t packed(uint64_t state, uint64_t streak, uint64_t begun, uint64_t succeeded,
                            uint64_t since) noexcept:
    return state | streak << 2 | begun << 8 | succeeded << 16 | since << 24


cdef inline uint64_t state_of(uint64_t word) noexcept:
    return word & 3


cdef inline uint64_t streak_of(uint64_t word) noexcept:
    return (word >> 2) & 63


cdef inline uint64_t begun_of(uint64_t word) noexcept:
    return (word >> 8) & 255


cdef inline uint64_t succeeded_of(uint64_t word) noexcept:
    return (word >> 16) & 255


cdef inline uint64_t since_of(uint64_t word) noexcept:
    return word >> 24


@cython.final
cdef class Breaker:
    """What a policy makes of the outcomes of attempts. `now`: seconds of one clock for all. A ratio,
    `consecutive` or `slow_seconds` of 0 never opens it."""

    def __init__(self, SharedCell cell, *, double error_ratio, double slow_ratio, double slow_seconds,
                 int consecutive, int minimum, double window, double open_seconds, double longest_seconds,
                 int trials, statuses):
        self.cell = cell
        self.error_ratio = error_ratio
        self.slow_ratio = slow_ratio
        self.slow_seconds = slow_seconds
        self.consecutive = consecutive
        self.minimum = minimum
        self.quarter_ms = max(<uint64_t>(window * 1000 / WINDOWS), 1)
        self.open_ms = max(<uint64_t>(open_seconds * 1000), 1)
        self.longest_ms = max(<uint64_t>(longest_seconds * 1000), self.open_ms)
        self.trials = min(max(trials, 1), 255)
        self.statuses = frozenset(statuses)

    @property
    def state(self) -> BreakerState:
        """As the cell has it: an open one becomes half-open when it is asked, not by itself."""
        return BreakerState(state_of(self.cell.get(BREAKER_STATE)))

    @property
    def last_change(self) -> Change:
        """What the last call of `allows` or `tell` changed."""
        return Change(self.change)

    cpdef bint allows(self, double now) noexcept:
        """Whether an attempt may begin now. When it half-opens the breaker, or it is half-open, the attempt
        is a trial."""
        cdef uint64_t ms = <uint64_t>(now * 1000)
        cdef uint64_t word, begun
        self.change = UNCHANGED
        while True:
            word = self.cell.get(BREAKER_STATE)
            if state_of(word) == CLOSED:
                return True
            begun = begun_of(word)
            if state_of(word) == HELD:
                return self._refuse()
            if ms >= since_of(word) + self._open_for(streak_of(word)):
                # Of trials, too, that nobody told of any more: their clients left, or their worker died.
                if self.cell.swap(BREAKER_STATE, word, packed(HALF_OPEN, streak_of(word), 1, 0, ms)):
                    self.change = NOW_HALF_OPEN if state_of(word) == OPEN else UNCHANGED
                    return True
            elif state_of(word) == OPEN or begun >= self.trials:
                return self._refuse()
            elif self.cell.swap(BREAKER_STATE, word, word + (1 << 8)):
                return True

    cpdef Change tell(self, bint answered, int status, double seconds, double now) except *:
        """An attempt ended, `seconds` after it began. What that changed."""
        cdef uint64_t ms = <uint64_t>(now * 1000)
        cdef uint64_t began = <uint64_t>((now - seconds) * 1000 + 0.5)
        cdef bint failed = not answered or status in self.statuses
        cdef bint slow = self.slow_seconds > 0 and seconds > self.slow_seconds
        cdef uint64_t word
        self.change = UNCHANGED
        while True:
            word = self.cell.get(BREAKER_STATE)
            if began < since_of(word) or state_of(word) == OPEN or state_of(word) == HELD:
                return self.change
            if state_of(word) == CLOSED:
                break
            if self._tell_trial(word, not failed and not slow, ms):
                return self.change
        self._count(failed, slow, ms)
        if self._is_too_much(ms):
            self._open(word, 1, ms)
        return self.change

    cpdef double seconds_left(self, double now) noexcept:
        """How long it refuses from now on, as far as is known."""
        cdef uint64_t word = self.cell.get(BREAKER_STATE)
        if state_of(word) == HELD:
            return <double>self.longest_ms / 1000
        return max(<double>(since_of(word) + self._open_for(streak_of(word))) / 1000 - now, 0.0)

    cpdef void hold(self, double now) noexcept:
        """Open it until `close` is called, for operators."""
        cdef uint64_t word = self.cell.get(BREAKER_STATE)
        self.change = UNCHANGED
        while state_of(word) != HELD:
            if self.cell.swap(BREAKER_STATE, word, packed(HELD, 0, 0, 0, <uint64_t>(now * 1000))):
                self.cell.add(BREAKER_OPENED, 1)
                self.change = NOW_OPEN
                return
            word = self.cell.get(BREAKER_STATE)

    cpdef void close(self, double now) noexcept:
        """Close it, whatever it was, for operators."""
        cdef uint64_t word = self.cell.get(BREAKER_STATE)
        self.change = UNCHANGED
        while state_of(word) != CLOSED and not self._close(word, <uint64_t>(now * 1000)):
            word = self.cell.get(BREAKER_STATE)

    cdef bint _refuse(self) noexcept:
        self.cell.add(BREAKER_REFUSED, 1)
        return False

    cdef uint64_t _open_for(self, uint64_t streak) noexcept:
        """Twice as long each time in a row, in milliseconds."""
        cdef uint64_t doubled = streak - 1 if streak else 0
        if doubled > 30:
            return self.longest_ms
        return min(self.open_ms << doubled, self.longest_ms)

    cdef bint _tell_trial(self, uint64_t word, bint good, uint64_t ms) noexcept:
        """Whether nobody else changed the state meanwhile."""
        if not good:
            return self._open(word, min(streak_of(word) + 1, LONGEST_STREAK), ms)
        if succeeded_of(word) + 1 < self.trials:
            return self.cell.swap(BREAKER_STATE, word, word + (1 << 16))
        return self._close(word, ms)

    cdef bint _close(self, uint64_t word, uint64_t ms) noexcept:
        if not self.cell.swap(BREAKER_STATE, word, packed(CLOSED, 0, 0, 0, ms)):
            return False
        for window in range(WINDOWS):
            self.cell.put(BREAKER_WINDOWS + window, 0)
        self.cell.put(BREAKER_CONSECUTIVE, 0)
        self.change = NOW_CLOSED
        return True

    cdef bint _open(self, uint64_t word, uint64_t streak, uint64_t ms) noexcept:
        if not self.cell.swap(BREAKER_STATE, word, packed(OPEN, streak, 0, 0, ms)):
            return False
        self.cell.add(BREAKER_OPENED, 1)
        self.change = NOW_OPEN
        return True

    # --- The window ---
    # A word for each quarter: the quarter's number, attempts, failures, slow ones, 16 bits each.

    cdef void _count(self, bint failed, bint slow, uint64_t ms) noexcept:
        cdef uint64_t quarter = ms // self.quarter_ms
        cdef int place = BREAKER_WINDOWS + <int>(quarter % WINDOWS)
        cdef uint64_t word, counts
        if failed:
            self.cell.add(BREAKER_CONSECUTIVE, 1)
        elif self.cell.get(BREAKER_CONSECUTIVE):
            self.cell.put(BREAKER_CONSECUTIVE, 0)
        while True:
            word = self.cell.get(place)
            counts = word >> 16 if word & 0xFFFF == quarter & 0xFFFF else 0
            if counts & 0xFFFF == 0xFFFF:       # full: half of each says the same
                counts = (counts >> 1) & <uint64_t>0x7FFF7FFF7FFF
            counts += 1 + (<uint64_t>failed << 16) + (<uint64_t>slow << 32)
            if self.cell.swap(place, word, counts << 16 | quarter & 0xFFFF):
                return

    cdef bint _is_too_much(self, uint64_t ms) noexcept:
        cdef uint64_t quarter = ms // self.quarter_ms
        cdef uint64_t attempts = 0, failures = 0, slow = 0
        cdef uint64_t word
        cdef int window
        if self.consecutive and self.cell.get(BREAKER_CONSECUTIVE) >= self.consecutive:
            return True
        for window in range(WINDOWS):
            word = self.cell.get(BREAKER_WINDOWS + window)
            if (quarter - word) & 0xFFFF < WINDOWS:
                attempts += (word >> 16) & 0xFFFF
                failures += (word >> 32) & 0xFFFF
                slow += word >> 48
        if attempts < self.minimum:
            return False
        return ((self.error_ratio > 0 and failures >= self.error_ratio * attempts)
                or (self.slow_ratio > 0 and slow > self.slow_ratio * attempts))
