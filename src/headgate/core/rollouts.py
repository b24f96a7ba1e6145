"""Progressive rollouts: where one is, what a share did, and whether that is good enough to go on.

Nothing here knows a route: controller/rollouts.py does what this decides. Where a rollout is stands in a
shared cell, which outlives snapshots and controllers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from headgate.core.cells import Word, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.core.shared import SharedCell

# A difference of latency below that is none: a pause of the machine makes as much.
LEAST_SECONDS = 0.005


class RolloutWord(IntEnum):
    """Words of the cell of a route's rollout (shm.names.rollout_cell)."""

    PLAN = 1  # identity of what the other words are about; 0: of nothing
    PHASE = 2
    STEP = 3  # from 0 on
    BEGAN = 4  # when the step did: microseconds of the monotonic clock
    CAUSE = 5  # of the phase
    OLD_ERRORS = 6  # the last known figures of the other shares: failed of a million, plus 1; 0: none known
    OLD_P99 = 7  # microseconds
    DECISIONS = 8  # one for each Decision


class Phase(IntEnum):
    """What a rollout does."""

    IDLE = 0  # it never began
    RUNNING = 1
    PAUSED = 2
    DONE = 3
    ABORTED = 4
    ROLLED_BACK = 5


class Decision(IntEnum):
    """What can become of it."""

    STARTED = 0
    ADVANCED = 1
    FINISHED = 2
    ROLLED_BACK = 3
    PAUSED = 4
    RESUMED = 5
    ABORTED = 6


class Cause(IntEnum):
    """Why it is where it is, when that was no order."""

    NONE = 0
    ERRORS = 1  # more of its exchanges failed
    LATENCY = 2  # they took longer
    WEIGHTS = 3  # somebody else set the weights


@dataclass(frozen=True, slots=True)
class Figures:
    """What exchanges were like."""

    requests: int
    error_ratio: float
    p99: float  # seconds; 0 of none

    @classmethod
    def between(cls, before: Sequence[int], after: Sequence[int]) -> Figures:
        """Of the exchanges that ended between two looks at the same counters."""
        words = [max(new - old, 0) for old, new in zip(before, after, strict=True)]
        failed = words[Word.RESPONSES_5XX] + words[Word.ABORTED]
        buckets = words[int(Word.HISTOGRAM) :]
        requests = sum(buckets)
        if not requests:
            return cls(0, 0.0, 0.0)
        return cls(requests, min(failed / requests, 1.0), quantile(buckets, 0.99))


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much worse than the others a share may be."""

    error_margin: float
    p99_factor: float

    def broken_by(self, new: Figures, old: Figures) -> Cause:
        """What of `new` is too bad beside `old`; NONE when nothing is."""
        if new.error_ratio > old.error_ratio + self.error_margin:
            return Cause.ERRORS
        if new.p99 > max(old.p99 * self.p99_factor, old.p99 + LEAST_SECONDS):
            return Cause.LATENCY
        return Cause.NONE


class Progress:
    """Where a rollout is, in its cell."""

    def __init__(self, cell: SharedCell) -> None:
        self._cell = cell

    @property
    def plan(self) -> int:
        """Identity of the plan that it follows."""
        return self._cell.read(RolloutWord.PLAN)

    @property
    def phase(self) -> Phase:
        """What it does."""
        return Phase(self._cell.read(RolloutWord.PHASE))

    @property
    def step(self) -> int:
        """The step that it is in, from 0 on."""
        return self._cell.read(RolloutWord.STEP)

    @property
    def began(self) -> float:
        """When the step began, by the clock of all."""
        return self._cell.read(RolloutWord.BEGAN) / 1e6

    @property
    def cause(self) -> Cause:
        """Why it is where it is."""
        return Cause(self._cell.read(RolloutWord.CAUSE))

    @property
    def old(self) -> Figures | None:
        """The figures of the other shares that were known last."""
        errors = self._cell.read(RolloutWord.OLD_ERRORS)
        if not errors:
            return None
        return Figures(0, (errors - 1) / 1e6, self._cell.read(RolloutWord.OLD_P99) / 1e6)

    def remember(self, old: Figures | None) -> None:
        """Keep the figures of the other shares, for when they get too little to have any."""
        self._cell.write(RolloutWord.OLD_P99, round(old.p99 * 1e6) if old else 0)
        self._cell.write(RolloutWord.OLD_ERRORS, round(old.error_ratio * 1e6) + 1 if old else 0)

    def adopt(self, plan: int) -> None:
        """Follow another plan, from its beginning; it does not run yet."""
        self._cell.write(RolloutWord.PHASE, Phase.IDLE)
        for word in (RolloutWord.STEP, RolloutWord.BEGAN, RolloutWord.CAUSE):
            self._cell.write(word, 0)
        self.remember(None)
        self._cell.write(RolloutWord.PLAN, plan)

    def enter(self, step: int, now: float) -> None:
        """Be in this step from now on."""
        self._cell.write(RolloutWord.STEP, step)
        self._cell.write(RolloutWord.BEGAN, int(now * 1e6))

    def decide(self, decision: Decision, phase: Phase, cause: Cause = Cause.NONE) -> None:
        """Take note of what was decided, and count it."""
        self._cell.write(RolloutWord.CAUSE, cause)
        self._cell.write(RolloutWord.PHASE, phase)
        self._cell.increase(RolloutWord.DECISIONS + decision)

    def count(self, decision: Decision) -> int:
        """How often that was decided."""
        return self._cell.read(RolloutWord.DECISIONS + decision)


def weights_at(percent: float, to: int, weights: Sequence[int]) -> list[int]:
    """Weights that give share number `to` so many percent, and the others the rest in relation to `weights`.

    Raises ValueError when the others have no weight.
    """
    whole = 1_000_000
    given = round(whole * percent / 100)
    others = [0 if number == to else weight for number, weight in enumerate(weights)]
    total = sum(others)
    if not total:
        raise ValueError("the other shares have no weight")
    parts = [(whole - given) * weight // total for weight in others]
    parts[others.index(max(others))] += whole - given - sum(parts)
    parts[to] = given
    return _shortened(parts)


def _shortened(weights: Sequence[int]) -> list[int]:
    """The same relation in smaller numbers."""
    divisor = math.gcd(*weights)
    return [weight // divisor for weight in weights]
