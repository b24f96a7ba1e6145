"""Access records on their way out of a worker: a bounded queue and one thread that empties it.

The event loop only ever offers; whatever the destination does (a full disk, a reader that stopped, a
closed pipe), requests do not wait, and what does not fit into the queue is dropped and counted.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING

from headgate.observe.destinations import Destination, SinkError, destination

if TYPE_CHECKING:
    from headgate.spec import AccessLog

__all__ = ["Sink", "SinkError", "open_sink"]

CLOSE_SECONDS = 2.0
FIRST_DELAY = 0.1
LONGEST_DELAY = 30.0
WAIT_SECONDS = 0.25

_log = logging.getLogger(__name__)


class Sink:
    """Writes batches of whole records to a destination. Raises SinkError when it cannot be opened.

    All methods are for one thread, that of the event loop.
    """

    def __init__(self, target: Destination, queue_bytes: int) -> None:
        target.open()
        self._target = target
        self._limit = queue_bytes
        self._queue: SimpleQueue[bytes] = SimpleQueue()
        self._offered = 0  # bytes; written by the event loop only
        self._taken = 0  # bytes; written by the thread only
        self._lost = 0
        self._deadline: float | None = None  # of close()
        self._reopen = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """Where records go, as it stands in the configuration."""
        return self._target.name

    @property
    def pending(self) -> int:
        """Bytes in the queue and being written."""
        return self._offered - self._taken

    @property
    def lost(self) -> int:
        """Records that `offer` took and that were never written: too long, or left over at the end."""
        return self._lost

    def offer(self, data: bytes) -> bool:
        """Queue whole records, each with its line feed; False when they do not fit. Never waits or raises."""
        if self._deadline is not None or self.pending + len(data) > self._limit:
            return False
        self._offered += len(data)
        self._queue.put(data)
        return True

    def reopen(self) -> None:
        """Open the file again, after it was moved away; if that fails, the old one stays."""
        self._reopen.set()
        self._rouse()

    def close(self) -> None:
        """Write what is queued, for 2 seconds at most, then give the destination up."""
        if self._deadline is None:
            self._deadline = time.monotonic() + CLOSE_SECONDS
            self._rouse()
        self._thread.join(max(0.0, self._deadline - time.monotonic()) + WAIT_SECONDS)

    def _rouse(self) -> None:
        self._wake.set()
        self._queue.put(b"")

    # The thread.

    def _run(self) -> None:
        while self._deadline is None or not self._queue.empty():
            records = self._queue.get()
            if self._reopen.is_set():
                self._open_again()
            self._write(records)
            self._taken += len(records)
        self._target.close()

    def _write(self, records: bytes) -> None:
        position = 0
        failed: float | None = None  # since when
        delay = FIRST_DELAY
        while position < len(records):
            if self._deadline is not None and time.monotonic() > self._deadline:
                self._lost += records.count(b"\n", position)
                return
            try:
                position = self._target.send(records, position)
            except BlockingIOError:
                self._target.wait(WAIT_SECONDS)
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    position = self._skip(records, position)
                    continue
                if failed is None:
                    failed = time.monotonic()
                    _log.error(
                        "access log: cannot write to %s: %s; trying again, records that do not fit into "
                        "the queue are dropped",
                        self.name,
                        error.strerror or error,
                    )
                position = self._pause(delay, records, position)
                delay = min(2 * delay, LONGEST_DELAY)
            else:
                if failed is not None:
                    outage = time.monotonic() - failed
                    _log.warning("access log: writing to %s again, after %.1f s", self.name, outage)
                    failed = None
                    delay = FIRST_DELAY

    def _pause(self, delay: float, records: bytes, position: int) -> int:
        """Wait before the next try; returns where to go on."""
        if self._deadline is not None:
            delay = min(delay, max(0.0, self._deadline - time.monotonic()))
        self._wake.wait(delay)
        self._wake.clear()
        if self._reopen.is_set() and self._open_again():
            # The record that the old file has a part of comes whole into the new one.
            return records.rfind(b"\n", 0, position) + 1
        return position

    def _skip(self, records: bytes, position: int) -> int:
        """Leave a record out that the destination will never take; returns where the next one begins."""
        if not self._lost:
            _log.warning("access log: a record is too long for %s; such records are dropped", self.name)
        self._lost += 1
        end = records.find(b"\n", position)
        return len(records) if end < 0 else end + 1

    def _open_again(self) -> bool:
        self._reopen.clear()
        try:
            self._target.open()
        except SinkError as error:
            _log.error("%s; still writing to the file that was open", error)
            return False
        return True


def open_sink(access_log: AccessLog) -> Sink:
    """The sink that the configuration asks for, open and with its thread running. Raises SinkError."""
    return Sink(destination(access_log.path), access_log.queue_bytes)
