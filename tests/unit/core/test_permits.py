"""Permits that workers share, and the limit that finds itself."""

from __future__ import annotations

import mmap
import random

from hypothesis import given
from hypothesis import strategies as st

from headgate.core.permits import AdaptiveLimit, Permits, PermitWord
from headgate.core.shared import SharedCell, SharedTable


def cell() -> SharedCell:
    return SharedTable(memoryview(mmap.mmap(-1, 64 * 256))).cell("admission:a")


def test_workers_share_the_permits() -> None:
    shared = cell()
    workers = [Permits(shared, slot, 6) for slot in range(6)]
    assert sum(workers[number % 6].take(10) for number in range(20)) == 10
    assert [worker.used() for worker in workers] == [10] * 6
    workers[5].give() if workers[5].held else workers[0].give()
    assert workers[3].take(10)
    assert not workers[3].take(10)


def test_the_next_worker_in_a_slot_begins_with_nothing() -> None:
    shared = cell()
    one, dead = Permits(shared, 0, 2), Permits(shared, 1, 2)
    assert all(dead.take(5) for _ in range(3))
    assert one.take(5)
    Permits(shared, 1, 2)
    assert one.used() == 1


def test_slots_of_workers_that_leave_do_not_count() -> None:
    shared = cell()
    workers = [Permits(shared, slot, 6) for slot in range(6)]
    assert all(worker.take(6) for worker in workers)
    workers[0].set_workers(2)
    assert workers[0].used() == 2


@given(st.lists(st.tuples(st.integers(0, 63), st.booleans())), st.integers(0, 70))
def test_never_more_than_the_limit(plan: list[tuple[int, bool]], limit: int) -> None:
    shared = cell()
    workers = [Permits(shared, slot, 64) for slot in range(64)]
    held = [0] * 64
    for slot, takes in plan:
        if takes:
            free = sum(held) < limit
            assert workers[slot].take(limit) == free
            held[slot] += free
        elif held[slot]:
            workers[slot].give()
            held[slot] -= 1
        assert workers[slot].used() == sum(held)


def test_a_worker_with_its_share_makes_room_for_a_hungry_one() -> None:
    shared = cell()
    greedy, hungry = Permits(shared, 0, 2), Permits(shared, 1, 2)
    assert all(greedy.take(4) for _ in range(3))
    assert not greedy.crowds_out(4)
    hungry.say_hungry(True, 4)
    assert greedy.crowds_out(4)
    assert not hungry.crowds_out(4)
    greedy.give()
    greedy.give()
    assert not greedy.crowds_out(4)  # one more is its share
    assert hungry.take(4)
    assert hungry.take(4)
    hungry.say_hungry(True, 4)  # has its share
    assert not greedy.crowds_out(4)
    hungry.say_hungry(False, 4)
    assert shared.read(PermitWord.HUNGRY) == 0


def test_the_next_worker_in_a_slot_is_not_hungry() -> None:
    shared = cell()
    Permits(shared, 1, 2).say_hungry(True, 4)
    assert shared.read(PermitWord.HUNGRY) == 2
    Permits(shared, 1, 2)
    assert shared.read(PermitWord.HUNGRY) == 0


def simulate(capacity: int, offered: int, seconds: float, *, start: float = 1000.0, noise: float = 0.2,
             shared: SharedCell | None = None) -> list[int]:  # fmt: skip
    """The limit over time in front of a server that does `capacity` at a time in 50 ms each, and lets others
    wait; `offered` exchanges want to run all the time.
    """
    adaptive = AdaptiveLimit(shared or cell(), minimum=3, maximum=1000)
    chance = random.Random(5)
    now, limits = start, []
    while now < start + seconds:
        running = min(adaptive.limit(), offered)
        latency = 0.05 * max(1.0, running / capacity)
        for _ in range(running):
            adaptive.sample(latency * chance.uniform(1 - noise, 1 + noise), running, now + latency)
        now += latency
        limits.append(adaptive.limit())
    return limits


def test_the_limit_goes_to_what_the_server_can_do() -> None:
    """Enough to keep it busy, and not so much that answers take more than twice as long."""
    for capacity in (8, 40, 200):
        late = simulate(capacity, 2000, 60)[-200:]
        usual = sorted(late)[len(late) // 2]
        assert capacity * 0.9 <= usual <= capacity * 2, (capacity, usual)


def test_the_limit_does_not_grow_without_need() -> None:
    assert max(simulate(1000, 10, 30)) <= 20


def test_the_limit_follows_a_server_that_became_slower_and_faster() -> None:
    shared = cell()
    simulate(100, 2000, 40, shared=shared)
    slower = simulate(20, 2000, 40, start=1040.0, shared=shared)
    assert slower[-1] <= 45
    faster = simulate(100, 2000, 60, start=1080.0, shared=shared)
    assert faster[-1] >= 90


def test_a_limit_that_is_too_high_from_the_start_comes_down() -> None:
    """Its first measure was taken under load: what is measured with half of it corrects that."""
    shared = cell()
    shared.write(PermitWord.LIMIT, 400_000)
    late = simulate(20, 2000, 400, shared=shared)[-50:]
    assert sorted(late)[25] <= 50
