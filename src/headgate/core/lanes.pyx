"""A count that all workers keep together, and that forgets those that die.

Each slot of a worker has a lane of its own that only this worker changes; the sum is the count. What a worker
had counted that was killed is forgotten when the next one starts in its slot. The lanes of 24 workers lie in one
line of the caches, so that to read all of them costs little more than to read one.
"""

from libc.stdint cimport uint64_t

cdef enum:
    SLOTS = 64


cdef class Lanes:
    """Subclasses call `open_lane` first: then the worker in `slot` has nothing counted. Slot -1 only looks.
    `workers`: how many there are; slots beyond are those of workers that leave, and do not count."""

    cdef int open_lane(self, SharedCell cell, int first, int slot, int workers) except -1:
        self.cell = cell
        cdef int shift = max(slot, 0) % LANES * LANE_BITS
        self.slot = slot
        self.row.words = cell.words + first
        self.set_workers(workers)
        self.word = cell.words + first + max(slot, 0) // LANES
        self.one = <uint64_t>1 << shift
        if slot >= 0:
            hg_add(self.word, -((hg_load(self.word) >> shift & LANE) << shift))
        return 0

    def set_workers(self, int workers) -> None:
        """There are more or fewer workers now."""
        workers = min(max(workers, 1), SLOTS)
        self.workers = workers
        self.row.count = (workers + LANES - 1) // LANES
        self.row.last_mask = <uint64_t>-1
        if workers % LANES:
            self.row.last_mask = (<uint64_t>1 << (workers % LANES * LANE_BITS)) - 1

    cpdef uint64_t used(self) noexcept:
        """How many are counted by all workers."""
        return summed(&self.row)

    cpdef void enter(self) noexcept:
        """Count one more. What does not fit into the lane is not seen by others."""
        if self.held < LANE:
            hg_add(self.word, self.one)
        self.held += 1

    cpdef void give(self) noexcept:
        """Count one less."""
        self.held -= 1
        if self.held < LANE:
            hg_add(self.word, -self.one)
