"""Virtual time: as much of an event loop as exchanges ask for, whose clock goes from timer to timer."""

from heapq import heappop, heappush

cimport cython

cdef enum:
    MOST_STEPS = 1000000


class Stuck(Exception):
    """So much happens at one moment that time does not go on."""


@cython.final
cdef class Timer:
    """Something that will be called, unless it is cancelled."""

    def cancel(self) -> None:
        """Call it no more."""
        self.callback = None
        self.args = ()


@cython.final
cdef class Clock:
    """What is due at one moment is called in the order in which it was asked for."""

    def __init__(self, double now):
        self.now = now
        self.waiting = []

    def time(self) -> float:
        """Seconds."""
        return self.now

    def call_at(self, double when, object callback, *args) -> Timer:
        """Call it then, and not before what is going on is over."""
        cdef Timer timer = Timer.__new__(Timer)
        timer.callback = callback
        timer.args = args
        self.number += 1
        heappush(self.waiting, (max(when, self.now), self.number, timer))
        return timer

    def call_later(self, double delay, object callback, *args) -> Timer:
        """Call it after so many seconds."""
        return self.call_at(self.now + delay, callback, *args)

    def call_soon(self, object callback, *args) -> Timer:
        """Call it next."""
        return self.call_at(self.now, callback, *args)

    def run(self, double until) -> None:
        """Call all that is due until then. Raises Stuck."""
        cdef Timer timer
        cdef double when
        cdef tuple args
        while self.waiting and self.waiting[0][0] <= until:
            when, _, timer = heappop(self.waiting)
            callback, args = timer.callback, timer.args
            if callback is None:
                continue
            self.steps = self.steps + 1 if when == self.now else 0
            if self.steps > MOST_STEPS:
                raise Stuck(f"{self.steps} steps at one moment, the last is {callback!r}")
            self.now = when
            timer.cancel()
            callback(*args)
        self.now = until
