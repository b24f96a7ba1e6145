from enum import IntEnum
from typing import final

from headgate.core.lanes import Lanes
from headgate.core.shared import SharedCell

class PermitWord(IntEnum):
    PERMITS = 1
    LIMIT = 17
    BASE = 18
    WINDOW_END = 19
    SAMPLES = 20
    SAMPLE_SUM = 21
    PEAK = 22
    PROBING = 23
    QUEUED = 24
    REFUSED_FULL = 25
    REFUSED_TIMEOUT = 26
    REFUSED_DISPLACED = 27
    LEFT = 28
    HUNGRY = 29

@final
class Permits(Lanes):
    def __init__(self, cell: SharedCell, slot: int, workers: int) -> None: ...
    def take(self, limit: int) -> bool: ...
    def say_hungry(self, waits: bool, limit: int) -> None: ...
    def crowds_out(self, limit: int) -> bool: ...

@final
class AdaptiveLimit:
    def __init__(self, cell: SharedCell, *, minimum: float, maximum: float) -> None: ...
    def limit(self) -> int: ...
    def sample(self, seconds: float, used: int, now: float) -> None: ...
