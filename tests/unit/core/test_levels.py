"""Tiers, zones and subsets: who is chosen how often, by every algorithm."""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.balance import Balancer
from headgate.core.balancers import ALGORITHMS, balancer
from headgate.core.cells import Block, bytes_of
from headgate.core.levels import Levels, LevelWord
from headgate.core.rotation import HealthWord, Mode, ProbeState, Rotation, RotationWord
from headgate.core.shared import SharedTable

NOW = 1000.0
PICKS = 4000
NAMES = [name for name in ALGORITHMS if name != "first_available"]


class Stage:
    """Endpoints with these levels."""

    def __init__(
        self,
        levels: Sequence[int],
        name: str = "round_robin",
        *,
        weights: Sequence[int] = (),
        backup: Sequence[int] = (),
        members: Sequence[bool] | None = None,
        falls_back: bool = False,
        panic: float = 0.5,
        table: str = "ring",
    ) -> None:
        table_of_cells = SharedTable(memoryview(mmap.mmap(-1, 128 * 256)))
        self.service = table_of_cells.cell("service")
        self.cells = [table_of_cells.cell(f"endpoint {number}") for number in range(len(levels))]
        self.memory = mmap.mmap(-1, bytes_of(1))
        self.block = Block(memoryview(self.memory), 0)

        def make() -> Balancer:
            return balancer(name, 5, table=table)

        self.balancer = make()
        self.levels = Levels(levels, make, self.block) if len(set(levels)) > 1 else None
        self.rotation = Rotation(
            self.service,
            self.cells,
            weights or [1] * len(levels),
            [number in backup for number in range(len(levels))],
            panic_share=panic,
            members=members,
            falls_back=falls_back,
            levels=self.levels,
        )

    def ill(self, *numbers: int) -> None:
        for number, cell in enumerate(self.cells):
            state = ProbeState.PROBE_UNHEALTHY if number in numbers else ProbeState.PROBE_HEALTHY
            cell.write(HealthWord.PROBE_STATE, state)

    def picks(self, count: int = PICKS, *, avoid: int = 0) -> Counter[int]:
        keys = [(number + 1) * 0x9E3779B97F4A7C15 % 2**64 for number in range(count)]
        return Counter(self.rotation.choose(self.balancer, NOW, count, keys=keys, avoid=avoid))

    def loads(self) -> list[float]:
        self.rotation.look(NOW)
        assert self.levels is not None
        return [round(load, 6) for load in self.levels.loads]


def near(found: Counter[int], expected: dict[int, float], tolerance: float = 0.05) -> None:
    """Shares are these, within a part of everything."""
    total = sum(found.values())
    for number in found.keys() | expected.keys():
        assert abs(found[number] / total - expected.get(number, 0)) < tolerance, (found, expected)


@pytest.mark.parametrize("table", ["ring", "maglev"])
@pytest.mark.parametrize("name", NAMES)
def test_the_own_zone_takes_everything_while_it_can(name: str, table: str) -> None:
    stage = Stage([0] * 7 + [1] * 7, name, table=table)
    near(stage.picks(), dict.fromkeys(range(7), 1 / 7))
    stage.ill(0, 6)  # 5 of 7, times 1.4, is everything
    near(stage.picks(), dict.fromkeys(range(1, 6), 1 / 5), 0.08)


@pytest.mark.parametrize("table", ["ring", "maglev"])
@pytest.mark.parametrize("name", NAMES)
def test_others_get_what_the_own_zone_is_too_weak_for(name: str, table: str) -> None:
    stage = Stage([0] * 4 + [1] * 4, name, table=table)
    stage.ill(2, 3, 7)
    # 2 of 4, times 1.4, are 0.7; three others share 0.3.
    near(stage.picks(), {0: 0.35, 1: 0.35, 4: 0.1, 5: 0.1, 6: 0.1})
    assert stage.block.read(LevelWord.LEVEL_PICKS) + stage.block.read(LevelWord.LEVEL_PICKS + 1) == PICKS
    assert stage.block.read(LevelWord.LEVEL_SPILLED) == stage.block.read(LevelWord.LEVEL_PICKS + 1)
    stage.ill(0, 1, 2, 3)
    near(stage.picks(), dict.fromkeys(range(4, 8), 0.25), 0.06)


def test_spilling_is_exact() -> None:
    stage = Stage([0] * 10 + [1] * 10)
    stage.ill(*range(5))
    found = stage.picks(1000)
    assert sum(found[number] for number in range(10)) == 700


def test_the_first_available_of_the_level() -> None:
    stage = Stage([1, 0, 0], "first_available")
    assert set(stage.picks(50)) == {1}
    stage.ill(1)
    near(stage.picks(1000), {2: 0.7, 0: 0.3})


def test_tiers_in_a_row() -> None:
    stage = Stage([0, 0, 2, 2, 4, 4])
    assert stage.loads() == [1, 0, 0]
    stage.ill(0)
    assert stage.loads() == [0.7, 0.3, 0]
    stage.ill(0, 2)
    assert stage.loads() == [0.7, 0.3, 0]
    stage.ill(0, 1, 2)
    assert stage.loads() == [0, 0.7, 0.3]
    stage.ill(0, 1, 2, 3)
    assert stage.loads() == [0, 0, 1]
    assert not stage.rotation.panics


def test_weights_hold_within_a_level() -> None:
    stage = Stage([0, 0, 1, 1], weights=[3, 1, 1, 2])
    near(stage.picks(), {0: 0.75, 1: 0.25}, 0.01)


def test_all_too_weak_together_share_in_proportion() -> None:
    """As Envoy does: what they can take is scaled up to everything, and the weak ones try all of theirs."""
    stage = Stage([0] * 10 + [1] * 10)
    stage.ill(*range(9), *range(12, 20))  # 14 % and 28 %
    assert stage.loads() == [pytest.approx(1 / 3, abs=1e-5), pytest.approx(2 / 3, abs=1e-5)]
    found = stage.picks(3000)
    assert stage.rotation.panics
    assert all(found[number] == pytest.approx(100, abs=2) for number in range(10))
    assert all(found[number] == pytest.approx(200, abs=2) for number in range(10, 20))
    assert stage.service.read(RotationWord.ROTATION_PANICS) == 1


def test_nobody_is_healthy() -> None:
    stage = Stage([0, 0, 1, 1])
    stage.ill(0, 1, 2, 3)
    near(stage.picks(100), {0: 0.5, 1: 0.5})
    stage = Stage([0, 0, 1, 1], panic=0)
    stage.ill(0, 1, 2, 3)
    assert set(stage.picks(10)) == {-1}


def test_orders_take_endpoints_out_of_their_level() -> None:
    """Who drains is not there: the others of the level are all of it."""
    stage = Stage([0, 0, 0, 1])
    for number in (0, 1):
        stage.cells[number].write(HealthWord.ORDERS, Mode.DRAINING)
    assert set(stage.picks(50)) == {2}
    stage.cells[2].write(HealthWord.ORDERS, Mode.DISABLED)
    assert set(stage.picks(50)) == {3}


def test_spares_come_in_when_all_levels_are_too_weak() -> None:
    stage = Stage([0, 0, 1, 1, 0, 1], backup=[4, 5])
    stage.ill(0, 1)
    assert set(stage.picks(50)) == {2, 3}
    stage.ill(0, 1, 2, 3)
    assert set(stage.picks(50)) == {4}
    stage.ill(0, 1, 2, 3, 4)
    assert set(stage.picks(50)) == {5}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_what_was_tried_is_left_for_another_level(name: str) -> None:
    stage = Stage([0, 0, 2], name)
    assert set(stage.picks(50, avoid=0b01)) == {1}
    assert set(stage.picks(50, avoid=0b11)) == {2}
    assert set(stage.picks(50, avoid=0b111)) <= {0, 1}


def test_equal_keys_stay_when_another_level_is_ill() -> None:
    """Only what has to move moves."""
    keys = [(number + 1) * 0x9E3779B97F4A7C15 % 2**64 for number in range(2000)]

    def row(stage: Stage) -> list[int]:
        return stage.rotation.choose(stage.balancer, NOW, 0, keys=keys)

    stage = Stage([0] * 4 + [1] * 4, "consistent_hash")
    before = row(stage)
    assert row(stage) == before
    stage.ill(3)
    after = row(stage)
    # 3 of 4, times 1.4, take everything: only keys of the ill one moved.
    assert all(one == other for one, other in zip(before, after, strict=True) if one != 3)
    stage.ill(2, 3)
    later = row(stage)
    moved = sum(one != other for one, other in zip(after, later, strict=True) if one in (0, 1))
    spilled = sum(one >= 4 for one in later)
    assert abs(spilled / 2000 - 0.3) < 0.05
    assert moved / 2000 < 0.35


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), min_size=2, max_size=16),
    st.sampled_from(ALGORITHMS),
    st.sampled_from([0.0, 0.5, 0.9]),
)
def test_the_chosen_can_always_be_had(
    endpoints: list[tuple[int, bool, bool]], name: str, panic: float
) -> None:
    """Somebody healthy as long as there is one and no panic; nobody who drains; never nobody by bad luck."""
    levels, ill, drains = map(list, zip(*endpoints, strict=True))
    stage = Stage(levels, name, panic=panic)
    stage.ill(*(number for number, is_ill in enumerate(ill) if is_ill))
    for cell, draining in zip(stage.cells, drains, strict=True):
        cell.write(HealthWord.ORDERS, Mode.DRAINING if draining else Mode.ENABLED)
    open_ones = {number for number, draining in enumerate(drains) if not draining}
    healthy = {number for number in open_ones if not ill[number]}
    found = set(stage.picks(60))
    allowed = open_ones if stage.rotation.panics else healthy
    assert found <= (allowed or {-1})
    assert found or not allowed
    if stage.levels is not None and healthy:
        assert sum(stage.levels.loads) == pytest.approx(1)


# --- Subsets ---

V2 = [number % 2 == 1 for number in range(8)]


@pytest.mark.parametrize("table", ["ring", "maglev"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("levels", [[0] * 8, [0] * 4 + [1] * 4], ids=["plain", "zones"])
def test_a_subset_is_all_that_is_asked(name: str, table: str, levels: list[int]) -> None:
    stage = Stage(levels, name, members=V2, table=table)
    wanted = [1, 3, 5, 7] if len(set(levels)) == 1 else [1, 3]
    near(stage.picks(), dict.fromkeys(wanted, 1 / len(wanted)), 0.06)
    stage.ill(1)
    found = stage.picks()
    assert found[1] == 0
    assert set(found) <= {3, 5, 7}


def test_an_ill_subset_is_asked_all_the_same() -> None:
    stage = Stage([0] * 8, members=V2)
    stage.ill(1, 3, 5, 7)
    assert set(stage.picks(100)) == {1, 3, 5, 7}
    stage = Stage([0] * 8, members=V2, panic=0)
    stage.ill(1, 3, 5, 7)
    assert set(stage.picks(100)) == {-1}


@pytest.mark.parametrize("name", NAMES)
def test_an_ill_subset_falls_back_on_all(name: str) -> None:
    stage = Stage([0] * 8, name, members=V2, falls_back=True)
    stage.ill(1, 3, 5)
    assert set(stage.picks(100)) in ({7}, {1, 3, 5, 7})  # 1 of 4: a panic, and no reason to fall back
    stage.ill(1, 3, 5, 7)
    near(stage.picks(), dict.fromkeys([0, 2, 4, 6], 1 / 4))
    assert stage.service.read(RotationWord.ROTATION_FELL_BACK) == 1
    stage.ill()
    near(stage.picks(), dict.fromkeys([1, 3, 5, 7], 1 / 4))
