"""Random changes of inputs: bytes, runs, morsels that parsers disagree about, other inputs."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

INTERESTING = (0, 9, 10, 13, 32, 34, 35, 37, 43, 44, 45, 46, 47, 48, 58, 59, 63, 64, 92, 127, 128, 255)


def mutate(data: bytes, pool: Sequence[bytes], morsels: Sequence[bytes], chance: Random, limit: int) -> bytes:
    """`data` after one to eight changes, at most `limit` bytes long."""
    for _ in range(1 << chance.randrange(4)):
        at = chance.randint(0, len(data))
        size = 1 << chance.randrange(6)
        match chance.randrange(8):
            case 0:
                data = data[:at] + bytes([chance.choice(INTERESTING)]) + data[at + 1 :]
            case 1:
                data = data[:at] + chance.randbytes(1) + data[at + chance.randrange(2) :]
            case 2:
                data = data[:at] + chance.choice(morsels) + data[at:]
            case 3:
                morsel = chance.choice(morsels)
                data = data[:at] + morsel + data[at + len(morsel) :]
            case 4:
                data = data[:at] + data[at + size :]
            case 5:
                data = data[:at] + data[at : at + size] + data[at:]
            case 6:
                other = chance.choice(pool)
                data = data[:at] + other[chance.randint(0, len(other)) :]
            case _:
                other = chance.choice(pool)
                start = chance.randint(0, len(other))
                data = data[:at] + other[start : start + size] + data[at:]
    return data[:limit]
