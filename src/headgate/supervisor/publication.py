"""Two-phase publishing as a state machine: no processes, no clock, no descriptors.

    preparing ──every member prepared──▶ committing ──every member committed──▶ done
        │
        └─ one refuses, dies or is late ─▶ abandoned

While it prepares nothing has changed anywhere. Once the decision to commit fell it stands: a member
that dies after it is replaced by one that starts with the new snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Phase(Enum):
    """Where a publication is."""

    PREPARING = "preparing"
    COMMITTING = "committing"
    DONE = "done"
    ABANDONED = "abandoned"


class Publication:
    """One snapshot on its way to the workers of these slots. Without members it commits at once."""

    def __init__(self, number: int, members: Iterable[int]) -> None:
        self.number = number
        self.reasons: list[str] = []
        self._waiting = set(members)
        self._members = set(self._waiting)
        self.phase = Phase.PREPARING
        self._step()

    @property
    def members(self) -> frozenset[int]:
        """The slots that take part and live."""
        return frozenset(self._members)

    @property
    def waiting(self) -> frozenset[int]:
        """The slots whose answer is missing in this phase."""
        return frozenset(self._waiting)

    def prepared(self, slot: int) -> None:
        """The worker of `slot` has built the snapshot aside."""
        if self.phase is Phase.PREPARING:
            self._waiting.discard(slot)
            self._step()

    def refused(self, slot: int, reason: str) -> None:
        """The worker of `slot` cannot build the snapshot."""
        if self.phase is Phase.PREPARING and slot in self._members:
            self._abandon(f"worker {slot} refused it: {reason}")

    def committed(self, slot: int) -> None:
        """The worker of `slot` serves the snapshot."""
        if self.phase is Phase.COMMITTING:
            self._waiting.discard(slot)
            self._step()

    def lost(self, slot: int, reason: str) -> None:
        """The worker of `slot` is gone."""
        if slot not in self._members:
            return
        if self.phase is Phase.PREPARING:
            self._abandon(f"worker {slot} {reason} while it built the snapshot")
        elif self.phase is Phase.COMMITTING:
            self._members.discard(slot)
            self._waiting.discard(slot)
            self._step()

    def expired(self, seconds: float) -> frozenset[int]:
        """Time is up. Abandons what is not decided; returns the slots that did not commit in time."""
        late = self.waiting
        if self.phase is Phase.PREPARING:
            names = ", ".join(str(slot) for slot in sorted(late))
            self._abandon(f"no answer within {seconds:g} s from worker {names}")
            return frozenset()
        for slot in late:
            self.lost(slot, "is late")
        return late

    def abandon(self, reason: str) -> None:
        """Give it up for a reason of the supervisor's, when the decision did not fall yet."""
        if self.phase is Phase.PREPARING:
            self._abandon(reason)

    def _abandon(self, reason: str) -> None:
        self.reasons.append(reason)
        self._waiting.clear()
        self.phase = Phase.ABANDONED

    def _step(self) -> None:
        if self._waiting:
            return
        if self.phase is Phase.PREPARING:
            self.phase = Phase.COMMITTING
            self._waiting = set(self._members)
        if self.phase is Phase.COMMITTING and not self._waiting:
            self.phase = Phase.DONE
