"""A circuit breaker: stops asking who cannot answer, and finds out by a few trials when it can again.

    closed --- too many failures ---> open --- after a while, which grows ---> half-open
       ^                                ^--------- a trial fails -----------------'  |
       '---------------------------- all trials succeed ----------------------------'

All workers share one: its state is words of a shared cell, changed by compare-and-swap. An outcome counts only
if its attempt began in the state that is there now, so that what was asked before the breaker opened can neither
close it nor open it again. Operators can hold it open or closed; then nothing else changes it.
"""

cimport cython

cdef enum:
    WINDOWS = 4
    LONGEST_STREAK = 63


# The state word: state 3 bits, streak of openings 6, trials begun 8, trials that succeeded 8, since when 39.
cdef enum:
    STREAK_AT = 3
    BEGUN_AT = 9
    SUCCEEDED_AT = 17
    SINCE_AT = 25


cdef inline uint64_t packed(uint64_t state, uint64_t streak, uint64_t begun, uint64_t succeeded,
                            uint64_t since) noexcept:
    return (state | streak << STREAK_AT | begun << BEGUN_AT | succeeded << SUCCEEDED_AT | since << SINCE_AT)


cdef inline uint64_t state_of(uint64_t word) noexcept:
    return word & 7


cdef inline uint64_t streak_of(uint64_t word) noexcept:
    return (word >> STREAK_AT) & 63


cdef inline uint64_t begun_of(uint64_t word) noexcept:
    return (word >> BEGUN_AT) & 255


cdef inline uint64_t succeeded_of(uint64_t word) noexcept:
    return (word >> SUCCEEDED_AT) & 255


cdef inline uint64_t since_of(uint64_t word) noexcept:
    return word >> SINCE_AT


cdef inline bint is_held(uint64_t word) noexcept:
    return state_of(word) >= HELD_OPEN


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
        self.quarter_ms = quarter_of(window)
        self.open_ms = max(<uint64_t>(open_seconds * 1000), 1)
        self.longest_ms = max(<uint64_t>(longest_seconds * 1000), self.open_ms)
        self.trials = min(max(trials, 1), 255)
        self.statuses = frozenset(statuses)

    @property
    def state(self) -> BreakerState:
        """As the cell has it: an open one becomes half-open when it is asked, not by itself."""
        return state_in(self.cell)

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
            if state_of(word) == CLOSED or state_of(word) == HELD_CLOSED:
                return True
            begun = begun_of(word)
            if state_of(word) == HELD_OPEN:
                return self._refuse()
            if ms >= since_of(word) + self._open_for(streak_of(word)):
                # Of trials, too, that nobody told of any more: their clients left, or their worker died.
                if self.cell.swap(BREAKER_STATE, word, packed(HALF_OPEN, streak_of(word), 1, 0, ms)):
                    self.change = NOW_HALF_OPEN if state_of(word) == OPEN else UNCHANGED
                    return True
            elif state_of(word) == OPEN or begun >= self.trials:
                return self._refuse()
            elif self.cell.swap(BREAKER_STATE, word, word + (1 << BEGUN_AT)):
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
            if began < since_of(word) or state_of(word) == OPEN or is_held(word):
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
        if state_of(word) == HELD_OPEN:
            return <double>self.longest_ms / 1000
        return max(<double>(since_of(word) + self._open_for(streak_of(word))) / 1000 - now, 0.0)

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
            return self.cell.swap(BREAKER_STATE, word, word + (1 << SUCCEEDED_AT))
        return self._close(word, ms)

    cdef bint _close(self, uint64_t word, uint64_t ms) noexcept:
        if not self.cell.swap(BREAKER_STATE, word, packed(CLOSED, 0, 0, 0, ms)):
            return False
        forget_counts(self.cell)
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
        cdef Counts seen
        if self.consecutive and self.cell.get(BREAKER_CONSECUTIVE) >= self.consecutive:
            return True
        seen = counts_of(self.cell, quarter)
        if seen.attempts < self.minimum:
            return False
        return ((self.error_ratio > 0 and seen.failures >= self.error_ratio * seen.attempts)
                or (self.slow_ratio > 0 and seen.slow > self.slow_ratio * seen.attempts))


cdef struct Counts:
    uint64_t attempts
    uint64_t failures
    uint64_t slow


cdef uint64_t quarter_of(double window) noexcept:
    return max(<uint64_t>(window * 1000 / WINDOWS), 1)


cdef Counts counts_of(SharedCell cell, uint64_t quarter) noexcept:
    """What the quarters up to this one saw."""
    cdef Counts seen = Counts(0, 0, 0)
    cdef uint64_t word
    cdef int window
    for window in range(WINDOWS):
        word = cell.get(BREAKER_WINDOWS + window)
        if (quarter - word) & 0xFFFF < WINDOWS:
            seen.attempts += (word >> 16) & 0xFFFF
            seen.failures += (word >> 32) & 0xFFFF
            seen.slow += word >> 48
    return seen


cdef void forget_counts(SharedCell cell) noexcept:
    for window in range(WINDOWS):
        cell.put(BREAKER_WINDOWS + window, 0)
    cell.put(BREAKER_CONSECUTIVE, 0)


# --- For operators, who know the cell but no policy ---

def state_in(SharedCell cell not None) -> BreakerState:
    """What the breaker of a cell is."""
    return BreakerState(state_of(cell.get(BREAKER_STATE)))


def since_in(SharedCell cell not None) -> float:
    """When it became that, by the clock of all; 0 for one that was never anything but closed."""
    return <double>since_of(cell.get(BREAKER_STATE)) / 1000


def order(SharedCell cell not None, state: BreakerState, double now) -> bool:
    """Have the breaker of a cell HELD_OPEN, HELD_CLOSED, or, where it was held, CLOSED and on its own again.
    Whether that changed anything. Raises ValueError for other states."""
    cdef uint64_t wanted = state
    cdef uint64_t word
    if wanted != CLOSED and wanted != HELD_OPEN and wanted != HELD_CLOSED:
        raise ValueError(f"a breaker cannot be ordered to be {state!r}")
    while True:
        word = cell.get(BREAKER_STATE)
        if state_of(word) == wanted or (wanted == CLOSED and not is_held(word)):
            return False
        if cell.swap(BREAKER_STATE, word, packed(wanted, 0, 0, 0, <uint64_t>(now * 1000))):
            forget_counts(cell)
            if wanted == HELD_OPEN:
                cell.add(BREAKER_OPENED, 1)
            return True


def counts_in(SharedCell cell not None, double window, double now) -> tuple[int, int, int]:
    """Attempts, failures and slow answers of the last `window` seconds, as the breaker of a cell has them."""
    cdef uint64_t quarter_ms = quarter_of(window)
    cdef Counts counts = counts_of(cell, <uint64_t>(now * 1000) // quarter_ms)
    return counts.attempts, counts.failures, counts.slow
