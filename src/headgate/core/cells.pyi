from collections.abc import Sequence
from enum import IntEnum
from typing import Final, final

class Word(IntEnum):
    RESPONSES_2XX = 0
    RESPONSES_3XX = 1
    RESPONSES_4XX = 2
    RESPONSES_5XX = 3
    BYTES_IN = 4
    BYTES_OUT = 5
    DURATION_SUM = 6
    IN_FLIGHT = 7
    RESPONSES_1XX = 8
    ABORTED = 9
    CONNECTIONS = 10
    RETRIES = 11
    FAILURES = 12
    TIMEOUTS = 13
    REJECTED = 14
    OPEN = 15
    HISTOGRAM = 16
    BLOCK_WORDS = 128

class WorkerWord(IntEnum):
    WORKER_PID = 0
    WORKER_STARTED = 1
    WORKER_VERSION = 2
    WORKER_CONNECTIONS = 3
    WORKER_TUNNELS = 4
    WORKER_VIOLATIONS = 5
    WORKER_RECORDS = 6
    WORKER_RECORDS_DROPPED = 7
    WORKER_ACCEPT_PAUSES = 8
    WORKER_CLIENT_LIMIT = 9
    WORKER_LAG_SUM = 10
    WORKER_LAG_COUNT = 11
    WORKER_SWEEPS = 12
    WORKER_ERRORS = 13
    WORKER_HANDSHAKES = 14
    WORKER_HANDSHAKES_RESUMED = 15
    WORKER_HANDSHAKES_FAILED = 16
    WORKER_MISDIRECTED = 17
    WORKER_SUSPECTS = 18
    WORKER_SUSPECTS_DELAYED = 19
    WORKER_OLDEST = 20
    WORKER_ABUSES = 32

class MirrorWord(IntEnum):
    MIRROR_BUSY = 0
    MIRROR_TOO_LARGE = 1
    MIRROR_INCOMPLETE = 2
    COMPARED_EQUAL = 3
    COMPARED_STATUS = 4
    COMPARED_FIELDS = 5
    COMPARED_BODY = 6
    COMPARED_NOT = 7

class MiddlewareWord(IntEnum):
    MIDDLEWARE_CALLS = 0
    MIDDLEWARE_ERRORS = 1
    MIDDLEWARE_CPU = 2
    MIDDLEWARE_WAITS = 3
    MIDDLEWARE_WAITED = 4
    MIDDLEWARE_BEYOND = 5
    MIDDLEWARE_BLOCKED = 6
    MIDDLEWARE_REPLIES = 7
    MIDDLEWARE_HOOK_WORDS = 8
    MIDDLEWARE_OWN = 32
    MIDDLEWARE_COUNTERS = 32
    MIDDLEWARE_HISTOGRAMS = 64
    MIDDLEWARE_HISTOGRAM_WORDS = 32

class FaultWord(IntEnum):
    FAULT_DELAYED = 0
    FAULT_ABORTED = 1
    FAULT_SLOWED = 2

@final
class Block:
    number: Final[int]
    def __init__(self, memory: memoryview, number: int) -> None: ...
    def values(self) -> list[int]: ...
    def read(self, word: int) -> int: ...
    def write(self, word: int, value: int) -> None: ...
    def increase(self, word: int, count: int = 1) -> None: ...
    def record(self, status: int, microseconds: int, bytes_in: int = 0, bytes_out: int = 0) -> None: ...
    def clear_gauges(self) -> None: ...

@final
class Sums:
    def __init__(self, memories: Sequence[memoryview]) -> None: ...
    def of(self, number: int) -> list[int]: ...

def sum_blocks(memories: Sequence[memoryview], number: int) -> list[int]: ...
def bucket(microseconds: int) -> int: ...
def bytes_of(blocks: int) -> int: ...
def bucket_bounds() -> list[float]: ...
def quantile(counts: Sequence[int], fraction: float) -> float: ...
