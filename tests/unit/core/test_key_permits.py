"""Permits by key that workers share."""

from __future__ import annotations

import mmap
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.key_permits import KeyPermits

SEED = os.urandom(16)
SETS = 4


def memory(sets: int = SETS) -> memoryview:
    return memoryview(mmap.mmap(-1, 64 * sets * 64))


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.booleans())), st.integers(0, 6))
def test_never_more_than_the_limit(plan: list[tuple[int, str, bool]], limit: int) -> None:
    shared = memory()
    workers = [KeyPermits(shared, SEED, slot) for slot in range(4)]
    held = {(slot, key): 0 for slot in range(4) for key in "abc"}
    for slot, key, takes in plan:
        used = sum(held[other, key] for other in range(4))
        if takes:
            assert workers[slot].take("m", key, limit, 4) == (used < limit)
            held[slot, key] += used < limit
        elif held[slot, key]:
            workers[slot].give("m", key)
            held[slot, key] -= 1
        assert workers[slot].used("m", key, 4) == sum(held[other, key] for other in range(4))


def test_the_next_worker_in_a_slot_begins_with_nothing() -> None:
    shared = memory()
    one, dead = KeyPermits(shared, SEED, 0), KeyPermits(shared, SEED, 1)
    assert [dead.take("m", "x", 3, 2) for _ in range(4)] == [1, 1, 1, 0]
    assert one.take("m", "x", 3, 2) == 0
    KeyPermits(shared, SEED, 1)
    assert one.take("m", "x", 3, 2) == 1


def test_slots_of_workers_that_leave_do_not_count() -> None:
    shared = memory()
    staying, leaving = KeyPermits(shared, SEED, 0), KeyPermits(shared, SEED, 5)
    assert leaving.take("m", "x", 1, 6) == 1
    assert staying.take("m", "x", 1, 6) == 0
    assert staying.take("m", "x", 1, 2) == 1


def test_middlewares_have_keys_of_their_own() -> None:
    permits = KeyPermits(memory(), SEED, 0)
    assert permits.take("one", "x", 1, 1) == 1
    assert permits.take("other", "x", 1, 1) == 1
    assert permits.take("one", "x", 1, 1) == 0
    permits.give("one", "y")  # of which nothing was taken
    assert permits.used("one", "x", 1) == 1


def test_new_keys_take_no_place_in_use() -> None:
    permits = KeyPermits(memory(), SEED, 0)
    taken = [permits.take("m", str(number), 1, 1) for number in range(200)]
    assert set(taken) == {1, -1}
    assert all(permits.used("m", str(number), 1) == (had == 1) for number, had in enumerate(taken))
    for number, had in enumerate(taken):
        if had == 1:
            permits.give("m", str(number))
    assert permits.take("m", "later", 1, 1) == 1


@pytest.mark.parametrize(("sets", "slot"), [(3, 0), (1, 0), (4, 64), (4, -1)])
def test_memory_that_does_not_fit(sets: int, slot: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        KeyPermits(memory(sets), SEED, slot)
