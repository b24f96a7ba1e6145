"""Sessions that are known by an id which somebody else made up: where the client with this id belongs.

A hash table in memory that all workers share, without locks. A key has eight places where it may be. Who comes
when all of them are taken gets the one that is over; else the oldest of those whose client never came back, so
that a flood of new ids pushes out other new ones and not those that are in use; else that of a client which was
away for a while; else none.
"""

cimport cython
from libc.stdint cimport uint32_t, uint64_t

from headgate.core.cells cimport start_of
from headgate.core.shared cimport hg_load, hg_store, hg_swap

cdef enum:
    AWAY_SECONDS = 60           # after so long without a request a client's place may be given to another

# Ranks of places that are over, and of those whose client did not come back; idle seconds are added.
cdef uint64_t OVER = <uint64_t>1 << 40
cdef uint64_t UNPROVED = <uint64_t>1 << 36


@cython.final
cdef class SessionTable:
    """In writable memory, which is full of zeros when nobody used it yet."""

    def __init__(self, memory: memoryview) -> None:
        cdef Py_ssize_t size = 0
        view = memoryview(memory)
        self.words = <uint64_t*>start_of(view, True, &size)
        self.memory = view
        self.sets = <uint64_t>size // (PLACES * PLACE_WORDS * 8)

    def find(self, key: int, now: int, lifetime: int) -> int:
        """The endpoint of a session, which goes on for `lifetime` seconds from now on, or 0."""
        return self.find_endpoint(key, now, lifetime)

    def bind(self, key: int, endpoint: int, now: int, lifetime: int) -> Bound:
        """Let a session be at an endpoint."""
        return Bound(self.bind_endpoint(key, endpoint, now, lifetime))

    cdef uint64_t* set_of(self, uint64_t key) noexcept:
        return self.words + (key >> 8) % self.sets * (PLACES * PLACE_WORDS)

    cdef uint64_t find_endpoint(self, uint64_t key, uint32_t now, uint32_t lifetime) noexcept:
        cdef uint64_t* place = self.set_of(key)
        cdef uint64_t times
        cdef int number
        for number in range(PLACES):
            if hg_load(place + PLACE_KEY) == key:
                times = hg_load(place + PLACE_TIMES)
                if <uint32_t>times < now:
                    return 0
                if times >> 32 != now:      # once a second: writing is what costs the other processors time
                    hg_store(place + PLACE_TIMES, <uint64_t>now << 32 | (now + lifetime))
                if not hg_load(place + PLACE_PROVED):
                    hg_store(place + PLACE_PROVED, 1)
                return hg_load(place + PLACE_ENDPOINT) ^ key
            place += PLACE_WORDS
        return 0

    cdef Bound bind_endpoint(self, uint64_t key, uint64_t endpoint, uint32_t now, uint32_t lifetime) noexcept:
        cdef uint64_t* place = self.set_of(key)
        cdef uint64_t* chosen = NULL
        cdef uint64_t found, times
        cdef uint64_t best = 0
        cdef uint64_t rank
        cdef uint64_t chosen_key = 0
        cdef int number
        for number in range(PLACES):
            found = hg_load(place + PLACE_KEY)
            times = hg_load(place + PLACE_TIMES)
            if found == key:
                _write(place, key, endpoint, now, lifetime)
                return BOUND_AGAIN if <uint32_t>times >= now else BOUND_NEW
            rank = _rank(found, times, hg_load(place + PLACE_PROVED), now)
            if rank > best:
                best = rank
                chosen = place
                chosen_key = found
            place += PLACE_WORDS
        if chosen == NULL or not hg_swap(chosen + PLACE_KEY, chosen_key, key):
            return NOT_BOUND            # or another worker took the place at this moment
        hg_store(chosen + PLACE_PROVED, 0)
        _write(chosen, key, endpoint, now, lifetime)
        return BOUND_NEW if best >= OVER else BOUND_FOR_ANOTHER


cdef uint64_t _rank(uint64_t key, uint64_t times, uint64_t proved, uint32_t now) noexcept:
    """How far a place may be given to another; 0: not at all."""
    cdef uint32_t used = <uint32_t>(times >> 32)
    cdef uint64_t idle = now - used if now > used else 0
    if key == 0 or <uint32_t>times < now:
        return OVER
    if not proved:
        return UNPROVED + idle
    return idle if idle > AWAY_SECONDS else 0


cdef void _write(uint64_t* place, uint64_t key, uint64_t endpoint, uint32_t now, uint32_t lifetime) noexcept:
    hg_store(place + PLACE_ENDPOINT, endpoint ^ key)
    hg_store(place + PLACE_TIMES, <uint64_t>now << 32 | (now + lifetime))
