"""Who is in rotation, by what stands in the shared cells."""

from __future__ import annotations

import mmap
from typing import Any

import pytest

from headgate.core.rotation import HealthWord, Mode, ProbeState, Rotation, RotationWord, Verdict, in_rotation
from headgate.core.shared import SharedCell, SharedTable

NOW = 1000.0
UNHEALTHY = (HealthWord.PROBE_STATE, ProbeState.PROBE_UNHEALTHY)


class Stage:
    """Endpoints of weight 1, or as given, and their cells."""

    def __init__(self, count: int, backup: tuple[int, ...] = (), **options: Any) -> None:
        table = SharedTable(memoryview(mmap.mmap(-1, 64 * 256)))
        self.service = table.cell("service")
        self.cells: list[SharedCell] = [table.cell(f"endpoint {number}") for number in range(count)]
        weights = options.pop("weights", [1] * count)
        spare = [number in backup for number in range(count)]
        self.rotation = Rotation(self.service, self.cells, weights, spare, **options)

    def put(self, word: HealthWord, value: int, *numbers: int) -> None:
        for number in numbers:
            self.cells[number].write(word, value)

    def look(self, now: float = NOW) -> list[float]:
        return self.rotation.look(now)


def test_all_are_used_at_first() -> None:
    assert Stage(3, weights=[1, 2, 0]).look() == [1, 2, 0]


@pytest.mark.parametrize("state", [ProbeState.PROBE_UNHEALTHY, ProbeState.PROBE_AWAITED])
def test_probes_take_one_out(state: ProbeState) -> None:
    stage = Stage(3)
    stage.put(HealthWord.PROBE_STATE, state, 1)
    assert stage.look() == [1, 0, 1]
    stage.put(HealthWord.PROBE_STATE, ProbeState.PROBE_HEALTHY, 1)
    assert stage.look() == [1, 1, 1]


def test_an_ejection_ends_by_itself() -> None:
    stage = Stage(3)
    stage.put(HealthWord.EJECTED_UNTIL, int((NOW + 5) * 1e6), 0)
    assert stage.look(NOW + 4.9) == [0, 1, 1]
    assert stage.look(NOW + 5.1) == [1, 1, 1]


def test_orders() -> None:
    stage = Stage(4)
    stage.put(HealthWord.ORDERS, Mode.DRAINING, 0)
    stage.put(HealthWord.ORDERS, Mode.DISABLED, 1)
    stage.put(HealthWord.ORDERS, 6 << 8, 2)
    stage.put(HealthWord.ORDERS, 1 << 8, 3)
    assert stage.look() == [0, 0, 5, 0]
    stage.put(HealthWord.ORDERS, Verdict.UNHEALTHY << 2, 0, 1)
    stage.put(*UNHEALTHY, 2)
    stage.put(HealthWord.ORDERS, Verdict.HEALTHY << 2, 2)
    assert stage.look() == [0, 0, 1, 0]
    assert [in_rotation(cell, NOW) for cell in stage.cells] == [False, False, True, True]


def test_panic_tries_all_but_those_that_are_not_to_be_used() -> None:
    stage = Stage(5, panic_share=0.5)
    stage.put(*UNHEALTHY, 0, 1)
    assert stage.look() == [0, 0, 1, 1, 1]
    stage.put(*UNHEALTHY, 2)
    stage.put(HealthWord.ORDERS, Mode.DRAINING, 4)
    assert stage.look() == [1, 1, 1, 1, 0]
    assert stage.rotation.panics
    assert stage.look() == [1, 1, 1, 1, 0]
    assert stage.service.read(RotationWord.ROTATION_PANICS) == 1, "it is one panic"


def test_without_panic_nobody_is_left() -> None:
    stage = Stage(2)
    stage.put(*UNHEALTHY, 0, 1)
    assert stage.look() == [0, 0]
    assert not stage.rotation.panics


def test_spares() -> None:
    stage = Stage(4, backup=(2, 3), panic_share=0.5)
    assert stage.look() == [1, 1, 0, 0]
    stage.put(*UNHEALTHY, 0)
    assert stage.look() == [0, 1, 0, 0]
    stage.put(*UNHEALTHY, 1)
    assert stage.look() == [0, 0, 1, 1]
    stage.put(*UNHEALTHY, 2)
    assert stage.look() == [0, 0, 0, 1]
    stage.put(*UNHEALTHY, 3)
    assert stage.look() == [1, 1, 0, 0], "all are ill: the first group is tried"


def test_spares_of_endpoints_that_are_drained() -> None:
    stage = Stage(2, backup=(1,), panic_share=0.5)
    stage.put(HealthWord.ORDERS, Mode.DRAINING, 0)
    assert stage.look() == [0, 1]


def test_slow_start() -> None:
    stage = Stage(2, slow_start=10.0, weights=[4, 4])
    stage.put(HealthWord.STARTED, int(NOW * 1e6), 1)
    shares = [stage.look(NOW + seconds)[1] for seconds in (0, 0.5, 5, 9.9, 10, 1000)]
    assert shares == pytest.approx([0.4, 0.4, 2, 3.96, 4, 4])
    assert stage.look()[0] == 4


def test_slow_start_after_an_ejection_and_not_with_keys() -> None:
    stage = Stage(1, slow_start=10.0)
    stage.put(HealthWord.EJECTED_UNTIL, int(NOW * 1e6), 0)
    assert stage.look(NOW + 5) == pytest.approx([0.5])
    keyed = Stage(1, slow_start=10.0, ramps=False)
    keyed.put(HealthWord.STARTED, int(NOW * 1e6), 0)
    assert keyed.look() == [1]
