"""Bodies that tell who made them: any piece can be checked where it stands, and no two look alike."""

from __future__ import annotations

import random
from collections.abc import Iterator

_PERIOD = 65521  # a prime, so that no power of two falls into step with it
_BLOCK = memoryview(random.Random(7).randbytes(_PERIOD) * 5)
LONGEST = 4 * _PERIOD
STEP = 65536


def part(seed: int, start: int, size: int) -> memoryview:
    """`size` bytes (at most LONGEST) of the body `seed`, from `start` on."""
    offset = (seed + start) % _PERIOD
    return _BLOCK[offset : offset + size]


def parts(seed: int, size: int, step: int = STEP) -> Iterator[memoryview]:
    """The first `size` bytes of the body `seed`, in pieces."""
    for start in range(0, size, step):
        yield part(seed, start, min(step, size - start))


def content(seed: int, size: int) -> bytes:
    """The first `size` bytes of the body `seed`."""
    return b"".join(parts(seed, size))


def chunk(data: bytes | memoryview) -> bytes:
    """One chunk of a chunked body."""
    return b"".join((b"%x\r\n" % len(data), data, b"\r\n"))


class Check:
    """Compares a body, piece by piece as it comes, with the body `seed`."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.size = 0

    def feed(self, data: bytes) -> None:
        """The next piece. Raises AssertionError where the first wrong byte is."""
        for at in range(0, len(data), LONGEST):
            piece = data[at : at + LONGEST]
            wanted = part(self.seed, self.size, len(piece))
            assert piece == wanted, f"body {self.seed} is wrong within {len(piece)} bytes from {self.size}"
            self.size += len(piece)
