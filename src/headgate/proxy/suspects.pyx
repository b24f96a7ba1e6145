"""Clients that flooded and come again.

A connection that is ended for a flood costs its client nothing: the next one is open at once, with new limits.
So its origin, an IPv4 address or a /64 of IPv6, is a suspect for a while. New connections from there are served
until they have shown that they mean well, but all of them together get a small share of this worker's time, in
the order in which they ask: what a flood costs is bounded, whoever shares the address gets through, and
connections that were there before notice nothing.
"""

from collections import deque

from headgate.core.cells cimport Block, WORKER_SUSPECTS, WORKER_SUSPECTS_DELAYED

cdef enum:
    MOST_ORIGINS = 4096

cdef double SUSPECT_SECONDS = 10.0
cdef double SHARE = 0.08            # of the worker's time
cdef double MOST_CREDIT = 0.0005    # seconds, after a rest
cdef double LEAST_WAIT = 0.001      # libuv's clock counts milliseconds


cdef class Suspects:
    """Who they are, and what they may still take."""

    def __init__(self, object loop, Block block):
        self.loop = loop
        self.block = block
        self.until = {}
        self.waiting = deque()

    cdef int add(self, bytes origin, double now) except -1:
        """A connection from there was ended for a flood."""
        self.until.pop(origin, None)
        if len(self.until) >= MOST_ORIGINS:
            del self.until[next(iter(self.until))]      # the one that is a suspect for longest
        self.until[origin] = now + SUSPECT_SECONDS
        return 0

    cdef bint have(self, bytes origin, double now) except -1:
        """Whether a connection that begins is one to be wary of."""
        cdef object until
        if not self.until:
            return False
        until = self.until.get(origin)
        if until is None:
            return False
        if <double>until <= now:
            del self.until[origin]
            return False
        self.block.add(WORKER_SUSPECTS, 1)
        return True

    cdef bint admit(self, object go_on, double now) except -1:
        """Whether there is time for one of them now; if not, `go_on` is called when there is."""
        self._earn(now)
        if self.credit > 0 and not self.waiting:
            return True
        self.block.add(WORKER_SUSPECTS_DELAYED, 1)
        self.waiting.append(go_on)
        self._wait()
        return False

    cdef void charge(self, double seconds) noexcept:
        """So much time was spent on one of them."""
        self.credit -= seconds

    cdef void _earn(self, double now) noexcept:
        self.credit = min(self.credit + (now - self.credited_at) * SHARE, MOST_CREDIT)
        self.credited_at = now

    cdef int _wait(self) except -1:
        if not self.timed:
            self.timed = True
            self.loop.call_later(max(-self.credit / SHARE, LEAST_WAIT), self._go_on)
        return 0

    def _go_on(self) -> None:
        self.timed = False
        self._earn(self.loop.time())
        if self.waiting and self.credit > 0:
            self.waiting.popleft()()            # one in a turn of the event loop
        if self.waiting:
            self._wait()
