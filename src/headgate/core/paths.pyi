from enum import IntEnum, IntFlag
from typing import Literal

class PathPolicy(IntFlag):
    REJECT_SLASH = 1
    DECODE_SLASH = 2
    KEEP_BACKSLASH = 4
    KEEP_NUL = 8

class PathResult(IntEnum):
    CLEAN = 0
    NORMALISED = 1
    BAD_TRIPLET = -1
    ENCODED_SLASH = -2
    BACKSLASH = -3
    NUL = -4
    HIDDEN_DOTS = -5
    NOT_ABSOLUTE = -6
    BAD_BYTE = -7

class PathRefused(ValueError): ...

def path_policy(
    *,
    encoded_slash: Literal["keep", "reject", "decode"] = "keep",
    encoded_backslash: Literal["reject", "keep"] = "reject",
    encoded_nul: Literal["reject", "keep"] = "reject",
) -> int: ...
def normalise_path(path: bytes, policy: int = 0) -> bytes: ...
def path_pattern(path: str) -> bytes: ...
