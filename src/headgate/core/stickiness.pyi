from enum import IntEnum

from headgate import spec
from headgate.core.cells import Block
from headgate.core.shared import SharedCell

class StickyWord(IntEnum):
    STICKY_NEW = 0
    STICKY_KEPT = 1
    STICKY_REPLACED = 2
    STICKY_TAMPERED = 3
    STICKY_LEARNED = 4
    STICKY_DISPLACED = 5
    STICKY_NOT_LEARNED = 6

class Stickiness:
    def __init__(self, service: str, spec: spec.Sticky, cell: SharedCell, block: Block) -> None: ...

def sealed(secret: bytes, identity: int, until: int) -> bytes: ...
def shared_secret(cell: SharedCell) -> bytes: ...
def opened(secret: bytes, token: bytes) -> tuple[int, int]: ...
