import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from headgate.proxy.admission import Admissions
from headgate.proxy.chain import Step
from headgate.proxy.snapshot import LiveSnapshot

class Sink(Protocol):
    def offer(self, data: bytes) -> bool: ...

class Context:
    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...
    @property
    def log(self) -> logging.Logger: ...
    hook: Step | None
    hook_number: int
    hook_since: float
    snapshot: LiveSnapshot
    sink: Sink | None
    ready: bool
    draining: bool
    admission: Admissions
    shed_level: int
    most_connections: int
    most_pipes: int
    on_accept: Callable[[bool], None]
    def __init__(self, loop: asyncio.AbstractEventLoop, memory: memoryview, log: logging.Logger) -> None: ...
    @property
    def active(self) -> int: ...
    @property
    def connections(self) -> int: ...
    def refresh_date(self) -> None: ...
    def write_records(self) -> None: ...
    def close_pipes(self, everything: bool) -> None: ...
