"""What all workers together know of how busy endpoints are."""

from __future__ import annotations

import mmap
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.load import Load, WholeLoad
from headgate.core.shared import SharedTable

NOW = 5000.0
# After 2**32 ms the time of measuring begins anew.
WRAP = 2**32 / 1000


def table() -> SharedTable:
    return SharedTable(memoryview(mmap.mmap(-1, 64 * 256)))


@given(st.lists(st.tuples(st.integers(0, 63), st.booleans())), st.integers(1, 64))
def test_all_workers_count(plan: list[tuple[int, bool]], workers: int) -> None:
    cell = table().cell("load")
    loads = [Load(cell, slot, workers) for slot in range(64)]
    held: Counter[int] = Counter()
    for slot, enters in plan:
        if enters:
            loads[slot].enter()
            held[slot] += 1
        elif held[slot]:
            loads[slot].give()
            held[slot] -= 1
    expected = sum(count for slot, count in held.items() if slot < workers)
    assert {load.used() for load in loads} == {expected}


def test_what_a_dead_worker_had_is_forgotten() -> None:
    shared = table()
    cell, service = shared.cell("load"), shared.cell("service")
    one, dead = Load(cell, 0, 2), Load(cell, 1, 2)
    for slot, load in enumerate((one, dead)):
        load.join(WholeLoad(service, slot, 2))
        load.enter()
        load.enter()
    assert (one.used(), WholeLoad(service, -1, 2).used()) == (4, 4)
    Load(cell, 1, 2).join(WholeLoad(service, 1, 2))  # the next one in its slot
    assert (one.used(), WholeLoad(service, -1, 2).used()) == (2, 2)


def test_what_runs_already_is_counted_for_the_service() -> None:
    shared = table()
    load, whole = Load(shared.cell("load"), 0, 1), WholeLoad(shared.cell("service"), 0, 1)
    load.enter()
    load.join(whole)
    load.join(whole)  # as with each snapshot
    load.enter()
    assert whole.used() == 2
    load.give()
    load.give()
    assert whole.used() == 0


def test_a_lane_that_is_full_does_not_spill() -> None:
    cell = table().cell("load")
    one, other = Load(cell, 0, 2), Load(cell, 1, 2)
    for _ in range(70_000):
        one.enter()
    assert (one.used(), one.held, other.held) == (65_535, 70_000, 0)
    for _ in range(69_999):
        one.give()
    assert one.used() == 1


def test_slower_counts_at_once_and_faster_little_by_little() -> None:
    cell = table().cell("load")
    one, other = Load(cell, 0, 2), Load(cell, 1, 2)
    one.note(0.1, NOW)
    assert other.latency(NOW) == pytest.approx(0.1)
    other.note(0.5, NOW + 0.001)
    assert one.latency(NOW + 0.001) == pytest.approx(0.5)
    one.note(0.1, NOW + 0.002)
    assert 0.49 < one.latency(NOW + 0.002) < 0.5
    for step in range(100_000):
        one.note(0.1, NOW + 1 + step * 0.001)
    assert one.latency(NOW + 101) == pytest.approx(0.1, rel=0.02)


def test_what_is_known_fades() -> None:
    load = Load(table().cell("load"), 0, 1)
    load.note(1.0, NOW)
    assert load.latency(NOW + 10) == pytest.approx(0.368, rel=0.01)
    assert load.latency(NOW + 100) < 1e-4
    assert load.latency(NOW + WRAP * 0.7) < 1e-4
    assert load.latency(NOW - 1) == pytest.approx(1.0)  # another worker's clock is a bit ahead
    load.note(0.01, NOW + WRAP * 1.5)  # the number is smaller now
    assert load.latency(NOW + WRAP * 1.5 + 10) == pytest.approx(0.00368, rel=0.01)


def test_nothing_is_known_at_first() -> None:
    assert Load(table().cell("load"), 0, 1).latency(NOW) == 0


def test_many_measure_together() -> None:
    """The average comes out, whoever measures."""
    cell = table().cell("load")
    loads = [Load(cell, slot, 8) for slot in range(8)]
    draw = random.Random(4)
    for step in range(40_000):
        draw.choice(loads).note(0.010 if step % 2 else 0.0101, NOW + step * 0.002)
    assert loads[0].latency(NOW + 80) == pytest.approx(0.0101, rel=0.02)
