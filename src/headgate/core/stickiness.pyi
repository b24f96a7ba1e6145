from enum import IntEnum

class StickyWord(IntEnum):
    STICKY_NEW = 0
    STICKY_KEPT = 1
    STICKY_REPLACED = 2
    STICKY_TAMPERED = 3

def sealed(secret: bytes, identity: int, until: int) -> bytes: ...
def opened(secret: bytes, token: bytes) -> tuple[int, int]: ...
