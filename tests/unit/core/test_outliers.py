"""Outlier detection, with a clock of its own."""

from __future__ import annotations

import mmap
from typing import Any

import pytest

from headgate.core.outliers import Observed, Outliers, Reason
from headgate.core.rotation import HealthWord, RotationWord
from headgate.core.shared import SharedCell, SharedTable

DEFAULTS: dict[str, Any] = {
    "consecutive": 0,
    "error_ratio": 0.0,
    "latency": 0.0,
    "latency_floor": 0.05,
    "interval": 1.0,
    "minimum": 10,
    "ejection_seconds": 30.0,
    "longest_seconds": 70.0,
    "most": 1,
    "dry_run": False,
}


class Stage:
    """A service of `count` endpoints whose attempts the test makes up."""

    def __init__(self, count: int = 3, table: SharedTable | None = None, **options: Any) -> None:
        self.table = table or SharedTable(memoryview(mmap.mmap(-1, 64 * 256)))
        self.cell: SharedCell = self.table.cell("service")
        self.observed = [Observed(self.table.cell(f"endpoint {number}")) for number in range(count)]
        self.said: list[tuple[int, Reason, float]] = []
        self.outliers = Outliers(self.cell, self.observed, report=self._report, **(DEFAULTS | options))
        self.now = 100.0

    def _report(self, observed: Observed, reason: Reason, seconds: float) -> None:
        self.said.append((self.observed.index(observed), Reason(reason), seconds))

    def tell(self, number: int, seconds: float = 0.01, *, failed: bool = False, times: int = 1) -> None:
        for _ in range(times):
            self.outliers.tell(self.observed[number], failed, True, seconds, self.now)

    def second(self, *seconds: float, failed: tuple[int, ...] = (), times: int = 20) -> None:
        """A second in which each endpoint had so many answers, each after so many seconds."""
        for number, each in enumerate(seconds):
            self.tell(number, each, failed=number in failed, times=times)
        self.now += 1.0
        self.tell(0, seconds[0])


def test_consecutive_errors() -> None:
    stage = Stage(consecutive=3)
    stage.tell(0, failed=True, times=2)
    stage.tell(0)
    stage.tell(0, failed=True, times=2)
    assert stage.said == []
    stage.tell(0, failed=True)
    assert stage.said == [(0, Reason.CONSECUTIVE_ERRORS, 30.0)]
    assert stage.observed[0].cell.read(HealthWord.EJECTED_UNTIL) == 130_000_000
    assert stage.cell.read(RotationWord.ROTATION_CHANGES) == 1


def test_it_grows_and_is_forgotten() -> None:
    stage = Stage(consecutive=1)
    for seconds in (30.0, 60.0, 70.0):
        stage.tell(0, failed=True)
        assert stage.said[-1] == (0, Reason.CONSECUTIVE_ERRORS, seconds)
        stage.now += seconds + 1
    stage.now += 70
    stage.tell(0, failed=True)
    assert stage.said[-1][2] == 30.0
    assert stage.observed[0].cell.read(HealthWord.EJECTIONS) == 4


def test_not_more_than_some() -> None:
    stage = Stage(5, consecutive=1, most=2)
    for number in range(4):
        stage.tell(number, failed=True)
    assert [number for number, _, _ in stage.said] == [0, 1]


def test_latency() -> None:
    stage = Stage(latency=5.0)
    stage.second(0.01, 0.01, 0.01)
    stage.second(0.01, 0.5, 0.01)
    assert stage.said == [(1, Reason.LATENCY, 30.0)]


@pytest.mark.parametrize(
    ("slow", "times"), [(0.04, 20), (0.055, 20), (0.5, 3)], ids=["not 5 times", "below the floor", "too few"]
)
def test_latency_that_ejects_nobody(slow: float, times: int) -> None:
    stage = Stage(latency=5.0)
    stage.second(0.01, 0.01, 0.01)
    stage.second(0.01, slow, 0.01, times=times)
    assert stage.said == []


def test_error_ratio_against_the_others() -> None:
    stage = Stage(error_ratio=0.5)
    stage.second(0.01, 0.01, 0.01)
    stage.second(0.01, 0.01, 0.01, failed=(0, 1, 2))
    assert stage.said == [], "all fail: it is nobody's own fault"
    stage.second(0.01, 0.01, 0.01, failed=(2,))
    assert stage.said == [(2, Reason.ERROR_RATIO, 30.0)]


def test_a_dry_run_reports_once_and_ejects_nobody() -> None:
    stage = Stage(consecutive=2, dry_run=True)
    stage.tell(0, failed=True, times=9)
    assert stage.said == [(0, Reason.CONSECUTIVE_ERRORS, 30.0)]
    assert stage.observed[0].cell.read(HealthWord.EJECTED_UNTIL) == 0
    assert stage.cell.read(RotationWord.ROTATION_SPARED) == 1


def test_errors_of_all_workers_count_together() -> None:
    one = Stage(consecutive=3)
    other = Stage(consecutive=3, table=one.table)
    one.tell(0, failed=True)
    other.tell(0)
    other.tell(0, failed=True)
    one.tell(0, failed=True)
    assert one.said == other.said == []
    other.tell(0, failed=True)
    assert other.said == [(0, Reason.CONSECUTIVE_ERRORS, 30.0)]


def test_workers_that_saw_little_each_judge_together() -> None:
    """One judges for all, once in an interval, and by what all of them saw."""
    workers = [Stage(latency=5.0)]
    workers += [Stage(latency=5.0, table=workers[0].table) for _ in range(3)]
    for _ in range(8):  # an interval to begin with, and one to judge
        for worker in workers:
            worker.tell(0)
            worker.tell(1, 0.5)
            worker.tell(2)
            worker.now += 0.25
    assert [said for worker in workers for said in worker.said] == [(1, Reason.LATENCY, 30.0)]


def test_workers_eject_together() -> None:
    one = Stage(consecutive=1)
    other = Stage(consecutive=1, table=one.table)
    one.tell(0, failed=True)
    other.tell(0, failed=True)
    other.tell(1, failed=True)
    assert (len(one.said), len(other.said)) == (1, 0)
