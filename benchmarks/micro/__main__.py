"""`time ROUNDS` prints nanoseconds of every case as JSON; `run COUNT` calls each, for callgrind.

A process of its own: a core that was built from other declarations than these crashes it.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.micro.build import cases

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS_A_ROUND = 0.05
# What a middleware takes beside its library. By turns: alone in a loop, the library has all of the
# processor's caches for itself, which it never has in a worker.
PAIRS = {
    "jwt: a token for the first time": "jwt: its library alone",
    "compress: 256 KiB with gzip": "compress: its library alone",
}


def repeats(case: Callable[[int], None]) -> int:
    """So many that a round takes SECONDS_A_ROUND; the first calls warm up."""
    count, spent = 1, 0.0
    while spent < SECONDS_A_ROUND / 10:
        count *= 2
        began = time.perf_counter()
        case(count)
        spent = time.perf_counter() - began
    return max(1, round(count * SECONDS_A_ROUND / spent))


def measure(rounds: int) -> list[tuple[str, str, list[float]]]:
    """What each case does, its function, and nanoseconds of a call in each round; rounds are interleaved."""
    found = cases()
    counts = {name: repeats(case) for name, case in found.items()}
    seen: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, case in found.items():
            if name in PAIRS:
                spent = by_turns(case, found[PAIRS[name]], counts[name])
                seen[name].append(spent[0])
                seen[PAIRS[name]].append(spent[1])
            elif name not in PAIRS.values():
                began = time.perf_counter_ns()
                case(counts[name])
                seen[name].append((time.perf_counter_ns() - began) / counts[name])
    return [(name, case.__name__, seen[name]) for name, case in found.items()]


def by_turns(one: Callable[[int], None], other: Callable[[int], None], count: int) -> tuple[float, float]:
    """Nanoseconds of a call of each."""
    first = second = 0
    for _ in range(count):
        began = time.perf_counter_ns()
        one(1)
        between = time.perf_counter_ns()
        other(1)
        first += between - began
        second += time.perf_counter_ns() - between
    return first / count, second / count


if sys.argv[1] == "time":
    print(json.dumps(measure(int(sys.argv[2]))))
else:
    for case in cases().values():
        if "handshake" not in case.__name__:  # arithmetic of OpenSSL, for minutes
            case(int(sys.argv[2]))
