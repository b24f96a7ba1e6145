from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import final

from headgate.core.balance import Balancer
from headgate.core.cells import Block

class LevelWord(IntEnum):
    LEVEL_PICKS = 0
    LEVEL_SPILLED = 32

@final
class Level:
    @property
    def load(self) -> float: ...

@final
class Levels:
    def __init__(
        self, numbers: Sequence[int], balancer_of: Callable[[], Balancer], block: Block | None
    ) -> None: ...
    @property
    def levels(self) -> list[Level]: ...
    @property
    def loads(self) -> list[float]: ...
