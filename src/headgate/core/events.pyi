import enum
from typing import Final

class EventKind(enum.IntEnum):
    REQUEST_HEAD = 1
    RESPONSE_HEAD = 2
    DATA = 3
    TRAILERS = 4
    TUNNEL = 5
    CREDIT = 6
    RESET = 7
    CLOSING = 8
    VIOLATION = 9

class Event:
    kind: Final[int]
    stream: Final[int]
    last: Final[bool]
    def describe(self) -> tuple[object, ...]: ...

class Data(Event):
    def __init__(self, payload: bytes = b"", stream: int = 0, last: bool = False) -> None: ...
    @property
    def payload(self) -> bytes: ...

class Tunnel(Event):
    def __init__(self, stream: int = 0) -> None: ...

class Credit(Event):
    size: Final[int]
    def __init__(self, size: int, stream: int = 0) -> None: ...

class Reset(Event):
    reason: Final[str]
    code: Final[int]
    ours: Final[bool]
    unprocessed: Final[bool]
    def __init__(self, reason: str, stream: int = 0, code: int = 0) -> None: ...

class Closing(Event):
    code: Final[int]
    last_stream: Final[int]
    def __init__(self) -> None: ...

class Violation(Event):
    status: Final[int]
    reason: Final[str]
    code: Final[int]
    def __init__(self, status: int, reason: str, stream: int = 0) -> None: ...
