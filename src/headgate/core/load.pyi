from enum import IntEnum
from typing import final

from headgate.core.lanes import Lanes
from headgate.core.shared import SharedCell

class LoadWord(IntEnum):
    LATENCY = 1
    FLYING = 2

@final
class WholeLoad(Lanes):
    def __init__(self, cell: SharedCell, slot: int, workers: int) -> None: ...

@final
class Load(Lanes):
    whole: WholeLoad | None
    def __init__(self, cell: SharedCell, slot: int, workers: int) -> None: ...
    def join(self, whole: WholeLoad) -> None: ...
    def latency(self, now: float) -> float: ...
    def note(self, seconds: float, now: float) -> None: ...
