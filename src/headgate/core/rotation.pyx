"""Who is in rotation: what probes, outlier detection and the operator say of the endpoints of a service, together.

All of it is in shared cells, so that all workers agree. It is looked at again only when a count of changes in
the cell of the service is another, or when time alone changes something: an ejection ends, a weight grows.
"""

cimport cython
from libc.math cimport INFINITY
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from headgate.core.balance cimport Balancer
from headgate.core.hashing cimport mix
from headgate.core.levels cimport Levels
from headgate.core.shared cimport SharedCell


cdef enum:
    RAMP_STEPS = 50
# What a slow start begins with: with less, one that is asked seldom would never be asked.
cdef double LEAST_RAMP = 0.1


cdef bint is_healthy(SharedCell cell, double now) noexcept:
    """Whether probes, outlier detection and the operator have nothing against it."""
    cdef uint64_t verdict = (cell.get(ORDERS) >> 2) & 3
    cdef uint64_t state = cell.get(PROBE_STATE)
    if verdict != BY_PROBES:
        return verdict == HEALTHY
    return state < PROBE_UNHEALTHY and cell.get(EJECTED_UNTIL) * 1e-6 <= now


def healthy(SharedCell cell not None, double now) -> bool:
    """Whether the endpoint with that cell is healthy, whatever it is to take."""
    return is_healthy(cell, now)


def in_rotation(SharedCell cell not None, double now) -> bool:
    """Whether the endpoint with that cell is healthy and takes new exchanges."""
    return not cell.get(ORDERS) & 3 and is_healthy(cell, now)


@cython.final
cdef class Rotation:
    """Of endpoints with these `cells`, `weights` and flags `backup`; `cell` is that of the service. With less
    than `panic_share` of them healthy, all are tried; 0: never. `ramps`: weights may change without ado. `members`:
    flags of those that are in the subset, or None for all; where none of them is healthy and it `falls_back`, all
    endpoints are."""

    def __init__(self, SharedCell cell, list cells, list weights, list backup, *, double slow_start=0,
                 double panic_share=0, bint ramps=True, members=None, bint falls_back=False, Levels levels=None):
        cdef Py_ssize_t i
        self.cell = cell
        self.cells = cells
        self.count = len(cells)
        self.slow_start = slow_start
        self.panic_share = panic_share
        self.ramps = ramps
        self.weights = <double*>calloc(self.count or 1, sizeof(double))
        self.ordered = <double*>calloc(self.count or 1, sizeof(double))
        self.backup = <unsigned char*>calloc(self.count or 1, 1)
        self.enabled = <unsigned char*>calloc(self.count or 1, 1)
        self.levels = levels
        self.falls_back = falls_back
        if self.weights == NULL or self.ordered == NULL or self.backup == NULL or self.enabled == NULL:
            raise MemoryError()
        if members is not None:
            self.members = <unsigned char*>calloc(self.count or 1, 1)
            if self.members == NULL:
                raise MemoryError()
            for i in range(self.count):
                self.members[i] = members[i]
        for i in range(self.count):
            self.weights[i] = self.ordered[i] = weights[i]
            self.backup[i] = backup[i]
        self.due = -INFINITY

    def __dealloc__(self):
        free(self.weights)
        free(self.ordered)
        free(self.backup)
        free(self.enabled)
        free(self.members)

    def look(self, double now) -> list[float]:
        """The weights of all endpoints now, 0 where one may not be chosen; for tests."""
        cdef EndpointState states[64]
        cdef Py_ssize_t i
        if self.count > 64:
            raise ValueError("at most 64 endpoints")
        self.due = -INFINITY
        self.refresh(states, now)
        return [states[i].weight if states[i].usable else 0.0 for i in range(self.count)]

    def choose(self, Balancer balancer not None, double now, int picks, *, keys=None, int avoid=0) -> list[int]:
        """The row of so many choices as things are, with a key for each; for tests."""
        cdef EndpointState states[64]
        cdef Py_ssize_t i
        cdef list chosen = []
        if self.count > 64:
            raise ValueError("at most 64 endpoints")
        memset(states, 0, sizeof(states))
        for i in range(self.count):
            states[i].identity = mix(i + 1)
        self.due = -INFINITY
        self.refresh(states, now)
        if self.levels is not None:
            self.levels.copy(states)
            self.levels.make_tables(picks)
        else:
            balancer.prepare(states, self.count)
            balancer.look_around(states, self.count)
        for key in keys if keys is not None else range(picks):
            if self.levels is not None:
                chosen.append(self.levels.pick(avoid, key, now))
            else:
                chosen.append(balancer.pick(states, self.count, avoid, key))
        return chosen

    cdef bint refresh(self, EndpointState* states, double now) noexcept:
        cdef double shares[2]
        cdef bint panicked = self.panics
        cdef bint changed
        cdef Py_ssize_t i
        cdef int tier
        # Read before the cells: what changes in between is seen by the next look.
        self.seen = self.cell.get(ROTATION_CHANGES)
        self.due = INFINITY
        changed = self.members != NULL and self.falls_back and self._choose_members(now)
        changed |= self._decide(states, now, shares)
        if self.levels is not None:
            self.panics = self.levels.divide(states, self.enabled, self.backup, self.panic_share)
            self._count_panic(panicked)
            return changed
        tier = 0
        self.panics = False
        if shares[0] < self.panic_share or shares[0] <= 0:
            # Spares come in where the others are too few; where nobody is enough, those who have more.
            tier = shares[1] > max(shares[0], 0.0)
            self.panics = shares[tier] >= 0 and shares[tier] < self.panic_share
        for i in range(self.count):
            states[i].usable = self.backup[i] == tier and (states[i].usable or (
                self.panics and self.enabled[i]))
        self._count_panic(panicked)
        return changed

    cdef void _count_panic(self, bint before) noexcept:
        if self.panics and not before:
            self.cell.add(ROTATION_PANICS, 1)

    cdef bint _choose_members(self, double now) noexcept:
        """Say whether the subset or all endpoints are asked. Whether that changed."""
        cdef Py_ssize_t i
        cdef bint before = self.fell_back
        self.fell_back = True
        for i in range(self.count):
            if self.members[i] and not (<SharedCell>self.cells[i]).get(ORDERS) & 3 and is_healthy(
                    <SharedCell>self.cells[i], now):
                self.fell_back = False
                break
        if self.fell_back and not before:
            self.cell.add(ROTATION_FELL_BACK, 1)
        return self.fell_back != before

    cdef bint _decide(self, EndpointState* states, double now, double* shares) noexcept:
        """Say who is usable and with which weight, and of both tiers which share is; -1 where there are none."""
        cdef Py_ssize_t healthy[2]
        cdef Py_ssize_t enabled[2]
        cdef bint changed = False
        cdef bint all_are = self.members == NULL or self.fell_back
        cdef SharedCell cell
        cdef uint64_t orders
        cdef double ordered
        cdef double until
        cdef Py_ssize_t i
        cdef int tier
        healthy[0] = healthy[1] = enabled[0] = enabled[1] = 0
        for i in range(self.count):
            cell = <SharedCell>self.cells[i]
            orders = cell.get(ORDERS)
            ordered = <double>((orders >> 8) - 1) if orders >> 8 else self.weights[i]
            changed |= ordered != self.ordered[i]
            self.ordered[i] = ordered
            states[i].weight = ordered * self._ramp(cell, now) if all_are or self.members[i] else 0.0
            self.enabled[i] = not orders & 3 and states[i].weight > 0
            states[i].usable = self.enabled[i] and is_healthy(cell, now)
            until = cell.get(EJECTED_UNTIL) * 1e-6
            if until > now:
                self.due = min(self.due, until)
            if self.enabled[i]:
                enabled[self.backup[i]] += 1
                healthy[self.backup[i]] += states[i].usable
        for tier in range(2):
            shares[tier] = <double>healthy[tier] / enabled[tier] if enabled[tier] else -1
        return changed

    cdef double _ramp(self, SharedCell cell, double now) noexcept:
        """The part of its weight that an endpoint has in its slow start."""
        cdef uint64_t started = max(cell.get(STARTED), cell.get(EJECTED_UNTIL))
        cdef double part
        if not started or not self.ramps or self.slow_start <= 0:
            return 1.0
        part = (now - started * 1e-6) / self.slow_start
        if part >= 1:
            return 1.0
        self.due = min(self.due, now + self.slow_start / RAMP_STEPS)
        return max(part, LEAST_RAMP)
