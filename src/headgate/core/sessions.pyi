from enum import IntEnum
from typing import final

class Bound(IntEnum):
    BOUND_NEW = 0
    BOUND_AGAIN = 1
    BOUND_FOR_ANOTHER = 2
    NOT_BOUND = 3

@final
class SessionTable:
    def __init__(self, memory: memoryview) -> None: ...
    def find(self, key: int, now: int, lifetime: int) -> int: ...
    def bind(self, key: int, endpoint: int, now: int, lifetime: int) -> Bound: ...
