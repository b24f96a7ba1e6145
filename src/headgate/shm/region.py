"""One memory region for all roles, created by the supervisor as a sparse memfd.

    header (4 KiB) | slot 0 | ... | slot SLOTS-1 | shared state | sessions | rates by key | permits by key

The header holds the geometry, the secret seed of the tables by key and, from TICKETS_AT on, what tickets.py
describes. Each slot is BLOCKS blocks of 1,024 bytes, written by one worker only; pages that nobody wrote cost
nothing. Where the words of a block are, and what they mean, stands in core/cells.pxd. Counters stay monotone
over replacements of a worker; gauges are cleared when a worker starts in the slot. Shared state is what
core/shared.pyx describes, sessions what core/sessions.pyx does, both written by all; the tables by key stand
in core/rates.pyx and core/key_permits.pyx.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from headgate.shm import tickets

FORMAT = 6
MAGIC = b"HGSHM\0\0\0"
HEADER_BYTES = 4096
SEED_AT = 512
SEED_BYTES = 16
TICKETS_AT = 1024
BLOCK_BYTES = 1024
GROUP_BLOCKS = 64  # that share pages: see core/cells.pxd
BLOCKS = 65_536
SLOTS = 64
SLOT_BYTES = BLOCKS * BLOCK_BYTES
SHARED_AT = HEADER_BYTES + SLOTS * SLOT_BYTES
SHARED_BYTES = 16 * 1024 * 1024  # 65,536 cells
SESSIONS_AT = SHARED_AT + SHARED_BYTES
SESSIONS_BYTES = 8 * 1024 * 1024  # 262,144 sessions
RATES_AT = SESSIONS_AT + SESSIONS_BYTES
RATES_BYTES = 4 * 1024 * 1024  # 262,144 places
PERMITS_AT = RATES_AT + RATES_BYTES
PERMITS_BYTES = SLOTS * 128 * 1024  # 8,192 places for each worker
REGION_BYTES = PERMITS_AT + PERMITS_BYTES


class RegionError(ValueError):
    """The descriptor is not a region of a format that this version reads."""


def create() -> int:
    """A new region; returns its descriptor."""
    fd = os.memfd_create("headgate-shm") if hasattr(os, "memfd_create") else _anonymous()
    os.ftruncate(fd, REGION_BYTES)
    os.pwrite(fd, MAGIC + struct.pack("<IIII", FORMAT, SLOTS, BLOCKS, BLOCK_BYTES), 0)
    os.pwrite(fd, os.urandom(SEED_BYTES), SEED_AT)
    os.pwrite(fd, tickets.new_record(time.time()), TICKETS_AT)
    return fd


def _anonymous() -> int:
    import tempfile

    fd, path = tempfile.mkstemp(prefix="headgate-shm-")
    os.unlink(path)
    return fd


@dataclass(frozen=True)
class KeyMemory:
    """Memory of the tables by key, and the seed of their hash, which nobody else may know."""

    seed: bytes
    rates: memoryview
    permits: memoryview

    @classmethod
    def private(cls, rates: int = RATES_BYTES, permits: int = PERMITS_BYTES) -> KeyMemory:
        """Memory that no other process sees."""
        return cls(
            os.urandom(SEED_BYTES), memoryview(mmap.mmap(-1, rates)), memoryview(mmap.mmap(-1, permits))
        )


class Region:
    """The region mapped into this process. Raises RegionError when it is not one."""

    def __init__(self, fd: int) -> None:
        head = os.pread(fd, 24, 0)
        if head[:8] != MAGIC or struct.unpack("<IIII", head[8:])[0] != FORMAT:
            raise RegionError(f"descriptor {fd} holds no shared memory of format {FORMAT}")
        self._map = mmap.mmap(fd, REGION_BYTES)

    @property
    def tickets(self) -> memoryview:
        """The memory that tickets.py reads and writes."""
        return memoryview(self._map)[TICKETS_AT : TICKETS_AT + tickets.RECORD_BYTES]

    @property
    def shared(self) -> memoryview:
        """The memory of core.shared.SharedTable, writable."""
        return memoryview(self._map)[SHARED_AT : SHARED_AT + SHARED_BYTES]

    @property
    def sessions(self) -> memoryview:
        """The memory of core.sessions.SessionTable, writable."""
        return memoryview(self._map)[SESSIONS_AT : SESSIONS_AT + SESSIONS_BYTES]

    @property
    def keys(self) -> KeyMemory:
        """The memory of core.rates.RateTable and core.key_permits.KeyPermits, writable."""
        memory = memoryview(self._map)
        return KeyMemory(
            bytes(memory[SEED_AT : SEED_AT + SEED_BYTES]),
            memory[RATES_AT:PERMITS_AT],
            memory[PERMITS_AT:REGION_BYTES],
        )

    def slot(self, number: int) -> memoryview:
        """The memory of one slot, writable. Units: bytes; SLOT_BYTES long."""
        if not 0 <= number < SLOTS:
            raise IndexError(f"slot {number} of {SLOTS}")
        start = HEADER_BYTES + number * SLOT_BYTES
        return memoryview(self._map)[start : start + SLOT_BYTES]


def written_blocks(fd: int, slot: int) -> Iterator[int]:
    """The numbers of the blocks of a slot that were ever written, and of some beside them.

    Looking at the others would make the system give them memory.
    """
    group = GROUP_BLOCKS * BLOCK_BYTES
    start = HEADER_BYTES + slot * SLOT_BYTES
    end = start + SLOT_BYTES
    at = start
    while at < end:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
            hole = min(os.lseek(fd, at, os.SEEK_HOLE), end)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing was written from here on
                return
            raise
        after = -(-(hole - start) // group)
        yield from range((at - start) // group * GROUP_BLOCKS, after * GROUP_BLOCKS)
        at = start + after * group
