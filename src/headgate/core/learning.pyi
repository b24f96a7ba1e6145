from typing import final

from headgate import spec
from headgate.core.cells import Block
from headgate.core.head import Head
from headgate.core.sessions import SessionTable
from headgate.core.shared import SharedCell

@final
class Learning:
    def __init__(
        self, service: str, spec: spec.Sticky, cell: SharedCell, block: Block, table: SessionTable
    ) -> None: ...

def learned(rules: Learning, request: Head, response: Head, taken: int, wall: float) -> int: ...
