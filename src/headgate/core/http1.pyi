import enum
from typing import Final

from headgate.core.events import Event
from headgate.core.output import Output

class Reading(enum.IntEnum):
    READ_HEAD = 0
    READ_LENGTH = 1
    READ_CHUNK_SIZE = 2
    READ_CHUNK_EXTENSION = 3
    READ_CHUNK_SIZE_LF = 4
    READ_CHUNK_DATA = 5
    READ_CHUNK_CR = 6
    READ_CHUNK_LF = 7
    READ_TRAILERS = 8
    READ_TO_END = 9
    READ_HELD = 10
    READ_TUNNEL = 11
    READ_OVER = 12

class Writing(enum.IntEnum):
    WRITE_IDLE = 0
    WRITE_LENGTH = 1
    WRITE_CHUNKED = 2
    WRITE_TO_END = 3
    WRITE_NOTHING = 4
    WRITE_TUNNEL = 5
    WRITE_OVER = 6

class ProtocolError(Exception): ...

class Http1:
    reading: Final[int]
    writing: Final[int]
    input_ended: Final[bool]
    def receive(self, data: bytes, now: float = 0.0) -> list[Event]: ...
    def next(self) -> list[Event]: ...
    def output(self) -> bytes: ...
    def deadline(self) -> float | None: ...
    def send(self, event: Event, now: float = 0.0) -> None: ...
    @property
    def held_bytes(self) -> int: ...
    @property
    def kept_bytes(self) -> int: ...

class Http1Server(Http1):
    path_policy: Final[int]
    version: Final[int]
    head_only: Final[bool]
    closing: bool
    def __init__(
        self,
        output: Output | None = None,
        head_bytes: int = 32768,
        head_fields: int = 100,
        path_policy: int = 0,
    ) -> None: ...

class Http1Client(Http1):
    head_only: Final[bool]
    asked_upgrade: Final[bool]
    persistent: Final[bool]
    def __init__(
        self, output: Output | None = None, head_bytes: int = 32768, head_fields: int = 100
    ) -> None: ...
