from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final, final

from headgate.core.balance import Balancer
from headgate.core.levels import Levels
from headgate.core.shared import SharedCell

class HealthWord(IntEnum):
    PROBE_STATE = 8
    EJECTED_UNTIL = 9
    EJECTION = 10
    EJECTIONS = 11
    ORDERS = 12
    STARTED = 13
    PROBES_PASSED = 14
    PROBES_FAILED = 15

class RotationWord(IntEnum):
    ROTATION_CHANGES = 8
    ROTATION_PANICS = 9
    ROTATION_SPARED = 10
    ROTATION_FELL_BACK = 11

class ProbeState(IntEnum):
    PROBE_UNKNOWN = 0
    PROBE_HEALTHY = 1
    PROBE_UNHEALTHY = 2
    PROBE_AWAITED = 3

class Mode(IntEnum):
    ENABLED = 0
    DRAINING = 1
    DISABLED = 2

class Verdict(IntEnum):
    BY_PROBES = 0
    HEALTHY = 1
    UNHEALTHY = 2

def healthy(cell: SharedCell, now: float) -> bool: ...
def in_rotation(cell: SharedCell, now: float) -> bool: ...

@final
class Rotation:
    panics: Final[bool]
    def __init__(
        self,
        cell: SharedCell,
        cells: list[SharedCell],
        weights: Sequence[float],
        backup: Sequence[bool],
        *,
        slow_start: float = 0,
        panic_share: float = 0,
        ramps: bool = True,
        members: Sequence[bool] | None = None,
        falls_back: bool = False,
        levels: Levels | None = None,
    ) -> None: ...
    def choose(
        self,
        balancer: Balancer,
        now: float,
        picks: int,
        *,
        keys: Iterable[int] | None = None,
        avoid: int = 0,
    ) -> list[int]: ...
    def look(self, now: float) -> list[float]: ...
