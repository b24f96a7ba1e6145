"""Tiers and zones: which endpoints are wanted more than others, and what the others get when those are too few.

Each tier is two levels, the own zone and the other ones. A level takes as much as 1.4 times its healthy part, the
next one what is left, as Envoy divides load among priorities:
https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
So the first level takes everything as long as 5 of 7 of its endpoints are healthy: the others bear the rest.
Only where all levels together are too weak to take everything, those with few healthy endpoints try all of theirs.
"""

cimport cython
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free

from headgate.core.balance cimport avoided, open_to
from headgate.core.hashing cimport mix
from headgate.core.tables cimport prepared, rebuild

cdef double OVERPROVISIONING = 1.4
cdef uint64_t LEVEL_SEED = 0x9E3779B97F4A7C15


@cython.final
cdef class Level:
    def __dealloc__(self):
        free(self.states)

    cdef double share(self) noexcept:
        """The healthy part."""
        return <double>self.healthy / self.enabled if self.enabled else 0.0

    cdef double health(self) noexcept:
        """What it can take of everything."""
        return min(1.0, OVERPROVISIONING * self.share())

    cpdef object adopt(self, Balancer balancer):
        """Choose by this one from now on."""
        self.balancer = balancer

    cdef bint offers(self, uint64_t avoid) noexcept:
        """Whether it has an endpoint that is not to be avoided."""
        cdef Py_ssize_t index
        for index in range(self.count):
            if open_to(&self.states[index]) and not avoided(index, avoid):
                return True
        return False


@cython.final
cdef class Levels:
    """`numbers`: the level of each endpoint; `balancer_of()` gives a balancer for each."""

    def __init__(self, list numbers, balancer_of, Block block):
        cdef Py_ssize_t index
        cdef Level level
        known = sorted(set(numbers))
        self.count = len(numbers)
        self.block = block
        self.places = <int*>calloc(self.count or 1, sizeof(int))
        if self.places == NULL:
            raise MemoryError()
        for index in range(self.count):
            self.places[index] = known.index(numbers[index])
        self.levels = []
        for number in known:
            level = Level.__new__(Level)
            level.number = number
            level.balancer = balancer_of()
            level.count = self.count
            level.states = <EndpointState*>calloc(self.count or 1, sizeof(EndpointState))
            if level.states == NULL:
                raise MemoryError()
            self.levels.append(level)
            self.keyed = level.balancer.keyed

    def __dealloc__(self):
        free(self.places)

    cdef Py_ssize_t pick(self, uint64_t avoid, uint64_t key, double now) noexcept:
        """The number of an endpoint, or -1. What was tried is tried again only where no level has another."""
        cdef Py_ssize_t number = self._turn(key)
        cdef Py_ssize_t other, picked
        cdef Level level
        if number < 0:
            return -1
        if avoid and not (<Level>self.levels[number]).offers(avoid):
            for other in range(len(self.levels)):
                if (<Level>self.levels[other]).offers(avoid):
                    number = other
                    break
        level = <Level>self.levels[number]
        level.balancer.now = now
        picked = level.balancer.pick(level.states, self.count, avoid, key)
        if picked >= 0 and self.block is not None:
            self.block.add(LEVEL_PICKS + level.number, 1)
            self.block.add(LEVEL_SPILLED, number > self.first)
        return picked

    cdef Py_ssize_t _turn(self, uint64_t key) noexcept:
        """The level for the next exchange: by its key, or in turn, so that shares are exact; -1: none can."""
        cdef Py_ssize_t number
        cdef Py_ssize_t best = -1
        cdef double place
        cdef Level level
        if self.keyed:
            place = (mix(key ^ LEVEL_SEED) >> 11) * (1.0 / 9007199254740992.0)
            for number in range(len(self.levels)):
                level = <Level>self.levels[number]
                if level.load > 0:
                    best = number
                    place -= level.load
                    if place < 0:
                        break
            return best
        for number in range(len(self.levels)):
            level = <Level>self.levels[number]
            if level.load > 0:
                level.credit += level.load
                if best < 0 or level.credit > (<Level>self.levels[best]).credit:
                    best = number
        if best >= 0:
            (<Level>self.levels[best]).credit -= 1
        return best

    cdef double _count(self, const EndpointState* states, const unsigned char* enabled,
                       const unsigned char* backup, bint spare) noexcept:
        """Count the spares, or those that are none. Their healthy part; -1: there are none."""
        cdef Py_ssize_t index
        cdef int all_enabled = 0
        cdef int all_healthy = 0
        cdef Level level
        for level in self.levels:
            level.enabled = level.healthy = 0
        for index in range(self.count):
            if enabled[index] and backup[index] == spare:
                level = <Level>self.levels[self.places[index]]
                level.enabled += 1
                level.healthy += states[index].usable
                all_enabled += 1
                all_healthy += states[index].usable
        return <double>all_healthy / all_enabled if all_enabled else -1.0

    cdef double _total(self) noexcept:
        """What all levels together can take."""
        cdef Level level
        cdef double total = 0
        for level in self.levels:
            total += level.health()
        return total

    cdef bint divide(self, EndpointState* states, const unsigned char* enabled, const unsigned char* backup,
                     double panic_share) noexcept:
        """Give each level its load, and say of each endpoint whether it is usable, which until now means healthy.
        Whether some level tries all of its endpoints."""
        cdef double share = self._count(states, enabled, backup, False)
        cdef double total = self._total()
        cdef double left = 1.0
        cdef bint panics = False
        cdef bint spare = False
        cdef Py_ssize_t index
        cdef Level level
        if share <= 0 or (total < 1 and share < panic_share):
            # Spares come in where the others are too few; where nobody is enough, those who have more.
            spare = self._count(states, enabled, backup, True) > max(share, 0.0)
            if not spare:
                self._count(states, enabled, backup, False)
            total = self._total()
        self.first = -1
        for index in range(len(self.levels)):
            level = <Level>self.levels[index]
            if self.first < 0 and level.enabled:
                self.first = index
            level.load = min(left, level.health() if total >= 1 or total <= 0 else level.health() / total)
            left -= level.load
            if left < 1e-9:
                left = 0
        if total <= 0 and panic_share > 0 and self.first >= 0:
            (<Level>self.levels[self.first]).load = 1.0
        for index in range(self.count):
            level = <Level>self.levels[self.places[index]]
            states[index].usable = enabled[index] and backup[index] == spare and (
                states[index].usable or (total < 1 and level.share() < panic_share))
        for level in self.levels:
            panics |= total < 1 and level.enabled > 0 and level.share() < panic_share
        return panics

    cdef void copy(self, const EndpointState* states) noexcept:
        """Take over who is usable and with which weight."""
        cdef Py_ssize_t index
        cdef EndpointState* own
        cdef Level level
        cdef int place = 0
        for level in self.levels:
            for index in range(self.count):
                own = &level.states[index]
                own.identity = states[index].identity
                own.lanes = states[index].lanes
                own.peak = states[index].peak
                own.in_flight = states[index].in_flight
                own.latency = states[index].latency
                own.usable = states[index].usable and self.places[index] == place
                own.weight = states[index].weight if self.places[index] == place else 0.0
            level.balancer.look_around(level.states, self.count)
            place += 1

    cdef int make_tables(self, object owner) except -1:
        cdef Level level
        for level in self.levels:
            level.balancer = prepared(level.balancer, level.states, self.count, (owner, level.number))
        return 0

    cdef int rebuild(self) except -1:
        """Weights are others: a thread makes tables for them."""
        cdef Level level
        for level in self.levels:
            if level.balancer.tabled:
                rebuild(level.balancer, level.states, self.count, level.adopt)
        return 0

    @property
    def loads(self) -> list[float]:
        """The part of each level."""
        return [level.load for level in self.levels]
