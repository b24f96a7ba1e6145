from enum import IntEnum

from headgate.core.shared import SharedCell

RETRY_CAUSES: tuple[str, ...]
OBSTACLES: tuple[str, ...]

class Cause(IntEnum):
    ON_CONNECT = 0
    ON_REFUSED = 1
    ON_RESET = 2
    ON_TIMEOUT = 3
    ON_STATUS = 4
    ON_GRPC = 5
    CAUSES = 6

class Obstacle(IntEnum):
    NO_ATTEMPT = 0
    NO_METHOD = 1
    NO_BODY = 2
    NO_TIME = 3
    NO_BUDGET = 4
    NO_OBSTACLE = 5

class AttemptWord(IntEnum):
    RETRIED = 1
    NOT_RETRIED = 8
    HEDGES_SENT = 16
    HEDGES_WON = 17
    HEDGES_LOST = 18
    HEDGES_WITHHELD = 19
    HEDGE_DELAY = 20

class BudgetWord(IntEnum):
    BUDGET = 1
    BUDGET_SPENT = 2

class RetryBudget:
    def __init__(self, cell: SharedCell, percent: float, per_second: float) -> None: ...
    def request(self, now: float) -> None: ...
    def allows(self, now: float) -> bool: ...
    def tokens(self, now: float) -> float: ...
    @property
    def withheld(self) -> int: ...

class HedgePolicy:
    def __init__(self, delay: float, percentile: float, percent: float, cell: SharedCell) -> None: ...
    def request(self) -> None: ...
    def allows(self) -> bool: ...
    def learn(self, seconds: float) -> float: ...

class AttemptPolicy:
    def __init__(self, retry: object, hedge: object, cell: SharedCell) -> None: ...
    def pauses(self, retried: int, random: int) -> float: ...
