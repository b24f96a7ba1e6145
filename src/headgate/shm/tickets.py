"""Secrets of TLS session tickets, known to all workers: they outlive workers, controllers and reloads.

    counter (8 bytes) | time of the last rotation (8, epoch seconds) | SECRETS x 32 bytes | check (8)

The supervisor fills them when it makes the region, the controller alone rotates them. A reader copies
everything at once, and knows by the check whether it met a rotation half done.
"""

from __future__ import annotations

import os
import struct
import time
import zlib

SECRETS = 3
SECRET_BYTES = 32
_HEAD = struct.Struct("<QQ")
_CHECK_BYTES = 8
RECORD_BYTES = _HEAD.size + SECRETS * SECRET_BYTES + _CHECK_BYTES
_TRIES = 1000


class TicketsTorn(RuntimeError):
    """The record never was whole: it was not filled, or its writer died in the middle."""


def new_record(now: float) -> bytes:
    """A first record, with secrets that nobody knows."""
    return _record(1, now, [os.urandom(SECRET_BYTES) for _ in range(SECRETS)])


def ticket_secrets(view: memoryview) -> tuple[int, list[bytes]]:
    """How often they were rotated, which tells whether they are others than before, and the secrets, the
    newest first. New tickets are sealed with the newest; all of them open old ones.
    """
    counter, _, secrets = _read(view)
    return counter, secrets


def last_rotation(view: memoryview) -> float:
    """When the newest secret was made, in seconds of the epoch."""
    return _read(view)[1]


def rotate_tickets(view: memoryview, now: float) -> int:
    """Put a new secret in front and forget the last one; returns the new counter."""
    try:
        counter, _, secrets = _read(view)
    except TicketsTorn:  # a controller died while it wrote
        view[:] = new_record(now)
        return 1
    view[:] = _record(counter + 1, now, [os.urandom(SECRET_BYTES), *secrets[:-1]])
    return counter + 1


def _record(counter: int, now: float, secrets: list[bytes]) -> bytes:
    body = _HEAD.pack(counter, int(now)) + b"".join(secrets)
    return body + _check(body)


def _check(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(_CHECK_BYTES, "little")


def _read(view: memoryview) -> tuple[int, float, list[bytes]]:
    for _ in range(_TRIES):
        record = bytes(view)
        body, check = record[:-_CHECK_BYTES], record[-_CHECK_BYTES:]
        if _check(body) == check:
            counter, rotated = _HEAD.unpack_from(body)
            starts = range(_HEAD.size, len(body), SECRET_BYTES)
            return counter, float(rotated), [body[start : start + SECRET_BYTES] for start in starts]
        time.sleep(0)
    raise TicketsTorn("the secrets of session tickets are not whole")
