"""How long to wait before a process that died is started again."""

from __future__ import annotations

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 10.0
HEALTHY_SECONDS = 10.0  # one that lived so long has not "died again"


class Restarts:
    """The delays of one slot: none for the first death, then doubling from 0.1 s to 10 s."""

    def __init__(self) -> None:
        self.count = 0  # deaths so far
        self._in_a_row = 0

    def died(self, lived_seconds: float) -> float:
        """Note a death after `lived_seconds`; returns the seconds to wait before the next start."""
        self.count += 1
        if lived_seconds >= HEALTHY_SECONDS:
            self._in_a_row = 0
        self._in_a_row += 1
        if self._in_a_row == 1:
            return 0.0
        return min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(self._in_a_row - 2, 30))
