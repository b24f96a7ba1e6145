"""A small synchronous loop: descriptors, timers and signals; nothing in it waits but `run`."""

from __future__ import annotations

import heapq
import itertools
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable
from typing import Protocol

Callback = Callable[[], None]


class Watched(Protocol):
    """Something with a descriptor."""

    def fileno(self) -> int: ...


class Timer:
    """A callback at a time; `cancel` before it is due and nothing happens."""

    __slots__ = ("callback", "due")

    def __init__(self, due: float, callback: Callback) -> None:
        self.due = due
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        """Forget the callback."""
        self.callback = None


class Loop:
    """Runs callbacks until `stop`. Times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._code: int | None = None
        self._on_signal: dict[int, Callback] = {}
        self._wake, wakened = socket.socketpair()
        self._wake.setblocking(False)
        wakened.setblocking(False)
        self._wakened = wakened
        self._selector.register(self._wake, selectors.EVENT_READ, (self._take_signals, None))

    @staticmethod
    def now() -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def on_signals(self, callbacks: dict[int, Callback]) -> None:
        """Call these between other callbacks, never in the middle of one."""
        self._on_signal = callbacks
        signal.set_wakeup_fd(self._wakened.fileno(), warn_on_full_buffer=False)
        for number in callbacks:
            signal.signal(number, lambda *_: None)

    def _take_signals(self) -> None:
        try:
            numbers: Iterable[int] = self._wake.recv(4096)
        except BlockingIOError:
            return
        for number in numbers:
            if number in self._on_signal:
                self._on_signal[number]()

    def later(self, seconds: float, callback: Callback) -> Timer:
        """Call `callback` once, `seconds` from now."""
        timer = Timer(self.now() + seconds, callback)
        heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        return timer

    def watch(self, watched: Watched, on_read: Callback, on_write: Callback | None = None) -> None:
        """Call `on_read` while there is something to read, and `on_write`, if given, while one can write."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if on_write else 0)
        fd = watched.fileno()
        if fd in self._selector.get_map():
            self._selector.modify(fd, events, (on_read, on_write))
        else:
            self._selector.register(fd, events, (on_read, on_write))

    def unwatch(self, watched: Watched) -> None:
        """Watch it no more. Call this before it is closed."""
        if watched.fileno() in self._selector.get_map():
            self._selector.unregister(watched.fileno())

    def stop(self, code: int) -> None:
        """Make `run` return `code`."""
        self._code = code

    def run(self) -> int:
        """Run until `stop`; returns its code."""
        while self._code is None:
            for key, events in self._selector.select(self._wait()):
                on_read, on_write = key.data
                if events & selectors.EVENT_READ and self._current(key):
                    on_read()
                if events & selectors.EVENT_WRITE and on_write and self._current(key):
                    on_write()
            self._fire()
        return self._code

    def _current(self, key: selectors.SelectorKey) -> bool:
        """Whether this is still what is watched: an earlier callback of the same round may have closed
        the descriptor and another may have opened it again. What changed meanwhile is seen next round.
        """
        return self._selector.get_map().get(key.fd) is key

    def _wait(self) -> float | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self.now()) if self._timers else None

    def _fire(self) -> None:
        now = self.now()
        while self._timers and self._timers[0][0] <= now:
            callback = heapq.heappop(self._timers)[2].callback
            if callback is not None:
                callback()

    def close(self) -> None:
        """Give the signals back and close the descriptors."""
        if self._on_signal:
            signal.set_wakeup_fd(-1)
            for number in self._on_signal:
                signal.signal(number, signal.SIG_DFL)
        self._selector.close()
        self._wake.close()
        self._wakened.close()
