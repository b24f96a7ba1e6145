from enum import IntEnum
from typing import Any, Final

class Closer(IntEnum):
    NOBODY = 0
    CLIENT = 1
    SERVER = 2

class FrameScanner:
    messages: Final[int]
    pings: Final[int]
    pongs: Final[int]
    close_code: Final[int]
    broken: Final[bool]
    def scan(self, data: bytes) -> None: ...
    def describe(self) -> tuple[Any, ...]: ...

class WebSocketWatch:
    client: Final[FrameScanner]
    server: Final[FrameScanner]
    closed_by: Final[int]
    @property
    def close_code(self) -> int: ...
    def watch(self, from_client: bool, data: bytes) -> None: ...
