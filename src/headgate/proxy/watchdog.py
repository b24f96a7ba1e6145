"""Finds hooks of middlewares that hold up the event loop or take all memory, from a thread of its own.

The loop cannot tell: it stands still meanwhile. What holds the interpreter's lock, such as one call into
compiled code, is seen only when it lets go.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

from headgate.base.process import resident
from headgate.middleware.middleware import HOOKS

if TYPE_CHECKING:
    from headgate import spec
    from headgate.proxy.context import Context

# How long a hook may hold up the loop before it is named, and how often that is looked at.
DEVELOPMENT = (0.05, 0.02)
PRODUCTION = (1.0, 0.2)
FATAL_STATUS = 70
# Of process.memory_limit: beyond that nobody waits for exchanges, or the system might end something else.
FATAL_MEMORY = 1.25


class Watchdog:
    """Looks at the hook that runs now. Made in the thread of the event loop."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._loop_thread = threading.get_ident()
        self._own_process = threading.current_thread() is threading.main_thread()
        self._limits = PRODUCTION
        self._hook_limit = 0.0
        self._memory_limit = 0.0
        self._told = 0.0  # when the hook began that was named last
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def configure(self, process: spec.Process) -> None:
        """Take the settings of a snapshot."""
        self._limits = DEVELOPMENT if process.development else PRODUCTION
        self._hook_limit = process.hook_limit
        self._memory_limit = process.memory_limit * FATAL_MEMORY

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._limits[1]):
            step, since = self._context.hook, self._context.hook_since
            if step is None:
                continue
            seconds = time.monotonic() - since
            if seconds > self._limits[0] and since != self._told:
                self._told = since
                self._tell(seconds)
            if self._own_process and (why := self._fault(seconds)):
                self._end(why)

    def _fault(self, seconds: float) -> str:
        """Why a hook that runs for so long must not go on; "" for one that may."""
        if 0 < self._hook_limit < seconds:
            return f"has held up the event loop for {seconds:.1f} s (process.hook_limit)"
        # One that just began did not take it: the worker leaves in order after it (worker/growth.py).
        if seconds > self._limits[1] and 0 < self._memory_limit < (size := resident()):
            return f"holds up a worker with {size >> 20} MiB of memory (process.memory_limit)"
        return ""

    def _tell(self, seconds: float) -> None:
        frame = sys._current_frames().get(self._loop_thread)
        step = self._context.hook
        if step is None or frame is None:
            return  # it is over
        stack = "".join(traceback.format_stack(frame))
        kind = type(step.middleware)
        self._context.log.warning(
            "middleware %s: %s of %s.%s holds up the event loop for %.2f s now, and everybody waits\n%s",
            step.name,
            HOOKS[self._context.hook_number],
            kind.__module__,
            kind.__qualname__,
            seconds,
            stack.rstrip(),
        )

    def _end(self, why: str) -> None:
        """There is no other way to stop a hook: the supervisor starts another worker."""
        step = self._context.hook
        if step is None:
            return  # it is over
        step.never_ended(self._context.hook_number)
        self._context.log.critical("middleware %s %s: this worker ends", step.name, why)
        os._exit(FATAL_STATUS)
