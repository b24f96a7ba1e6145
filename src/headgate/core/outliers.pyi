from collections.abc import Callable
from enum import IntEnum
from typing import Final, final

from headgate.core.shared import SharedCell

class Reason(IntEnum):
    CONSECUTIVE_ERRORS = 1
    ERROR_RATIO = 2
    LATENCY = 3

@final
class Observed:
    cell: Final[SharedCell]
    def __init__(self, cell: SharedCell) -> None: ...

@final
class Outliers:
    def __init__(
        self,
        cell: SharedCell,
        observed: list[Observed],
        *,
        consecutive: int,
        error_ratio: float,
        latency: float,
        latency_floor: float,
        interval: float,
        minimum: int,
        ejection_seconds: float,
        longest_seconds: float,
        most: int,
        dry_run: bool,
        report: Callable[[Observed, Reason, float], None],
    ) -> None: ...
    def tell(self, observed: Observed, failed: bool, answered: bool, seconds: float, now: float) -> int: ...
