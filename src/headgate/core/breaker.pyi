from collections.abc import Collection
from enum import IntEnum
from typing import final

from headgate.core.shared import SharedCell

class BreakerWord(IntEnum):
    BREAKER_STATE = 16
    BREAKER_WINDOWS = 17
    BREAKER_CONSECUTIVE = 21
    BREAKER_OPENED = 22
    BREAKER_REFUSED = 23

class BreakerState(IntEnum):
    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2
    HELD_OPEN = 3
    HELD_CLOSED = 4

class Change(IntEnum):
    UNCHANGED = 0
    NOW_CLOSED = 1
    NOW_HALF_OPEN = 2
    NOW_OPEN = 3

@final
class Breaker:
    def __init__(
        self,
        cell: SharedCell,
        *,
        error_ratio: float,
        slow_ratio: float,
        slow_seconds: float,
        consecutive: int,
        minimum: int,
        window: float,
        open_seconds: float,
        longest_seconds: float,
        trials: int,
        statuses: Collection[int],
    ) -> None: ...
    @property
    def state(self) -> BreakerState: ...
    @property
    def last_change(self) -> Change: ...
    @property
    def slow_seconds(self) -> float: ...
    def allows(self, now: float) -> bool: ...
    def tell(self, answered: bool, status: int, seconds: float, now: float) -> Change: ...
    def seconds_left(self, now: float) -> float: ...

def state_in(cell: SharedCell) -> BreakerState: ...
def since_in(cell: SharedCell) -> float: ...
def order(cell: SharedCell, state: BreakerState, now: float) -> bool: ...
def counts_in(cell: SharedCell, window: float, now: float) -> tuple[int, int, int]: ...
