"""How many may run at a time for each of many keys, in all workers together.

It is what `permits.pyx` does for one service or route, with a table instead of lanes: each worker has a part of
the table that it alone writes, and what all parts hold of a key is summed to be compared with the limit. So what a
worker held that died is forgotten when the next one starts in its slot. A place is free when its worker holds
nothing of the key; a flood of new keys cannot take those in use.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from libc.string cimport memset

from headgate.core.cells cimport start_of
from headgate.core.shared cimport hg_load, hg_store
from headgate.core.sip cimport seed_of, sip_hash


cdef extern from *:
    """
    /* In one order with what other workers write: of two that take the last one, one sees the other. */
    static inline void hg_add_ordered(uint64_t *word, uint64_t more) {
        __atomic_fetch_add(word, more, __ATOMIC_SEQ_CST);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    """
    void hg_add_ordered(uint64_t* word, uint64_t more) noexcept nogil

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef enum:
    SLOTS = 64
    PLACES = 4                  # in a set: what fits into a line of the cache
    FULL = -1


@cython.final
cdef class KeyPermits:
    """All places of a piece of writable memory, as the worker in `slot` sees them; it holds nothing yet. `seed`: 16
    secret bytes, the same in all processes. Raises ValueError when the memory does not fit."""

    def __init__(self, memory: memoryview, bytes seed not None, int slot) -> None:
        cdef Py_ssize_t size = 0
        cdef Py_ssize_t sets
        view = memoryview(memory)
        self.cells = <Held*>start_of(view, True, &size)
        sets = size // (SLOTS * PLACES * sizeof(Held))
        if sets < 2 or sets & (sets - 1) or not 0 <= slot < SLOTS:
            raise ValueError("a table of permits has a power of two of sets for each of its slots")
        self.mask = sets - 1
        self.slot = slot
        self.memory = view
        self.seed = seed_of(seed)
        memset(self.part(slot), 0, sets * PLACES * sizeof(Held))

    def take(self, str name not None, str key not None, uint64_t limit, int workers) -> int:
        """Take one of a key, if the first `workers` slots hold fewer than `limit`. 1: it was taken; 0: the limit is
        reached; -1: there is no place for the key. Never more than the limit are taken; of two workers that want
        the last one at the same moment it may be that none gets it."""
        cdef uint64_t identity = self.identity_of(name, key)
        cdef Held* place = self.find(self.slot, identity, True)
        if place == NULL:
            return FULL
        if place.identity != identity:
            hg_store(&place.identity, identity)
        hg_add_ordered(&place.count, 1)
        if self.count(identity, workers) <= limit:
            return 1
        hg_add_ordered(&place.count, <uint64_t>-1)
        return 0

    def give(self, str name not None, str key not None) -> None:
        """Give one back that was taken."""
        cdef Held* place = self.find(self.slot, self.identity_of(name, key), False)
        if place != NULL and place.count:
            hg_add_ordered(&place.count, <uint64_t>-1)

    def used(self, str name not None, str key not None, int workers) -> int:
        """How many of a key are taken."""
        return self.count(self.identity_of(name, key), workers)

    cdef Held* part(self, int slot) noexcept nogil:
        return self.cells + slot * (self.mask + 1) * PLACES

    cdef Held* find(self, int slot, uint64_t identity, bint free) noexcept nogil:
        """The key's place in a part; or, when `free` ones will do, the last that is; else NULL."""
        cdef Held* part = self.part(slot)
        cdef Held* cell
        cdef Held* found = NULL
        cdef uint64_t line = identity & self.mask
        cdef int i
        for i in range(2 * PLACES):
            if i == PLACES:
                line = (identity >> 32 & self.mask) if (identity >> 32 & self.mask) != line else line ^ 1
            cell = part + line * PLACES + i % PLACES
            if hg_load(&cell.identity) == identity:
                return cell
            if free and cell.count == 0:
                found = cell
        return found

    cdef uint64_t identity_of(self, str name, str key) except 0:
        cdef Py_ssize_t size
        cdef const char* text = PyUnicode_AsUTF8AndSize(name, &size)
        cdef Seed seed = self.seed
        seed.second ^= sip_hash(text, size, self.seed)
        text = PyUnicode_AsUTF8AndSize(key, &size)
        return sip_hash(text, size, seed) or 1

    cdef uint64_t count(self, uint64_t identity, int workers) noexcept nogil:
        cdef uint64_t total = 0
        cdef Held* place
        cdef int slot
        for slot in range(min(max(workers, 1), SLOTS)):
            place = self.find(slot, identity, False)
            if place != NULL:
                total += hg_load(&place.count)
        return total
