from enum import IntEnum

class Abuse(IntEnum):
    RAPID_RESETS = 0
    REFUSED_STREAMS = 1
    PINGS = 2
    SETTINGS_CHANGES = 3
    EMPTY_FRAMES = 4
    WINDOW_UPDATES = 5
    PRIORITIES = 6
    CONTINUATIONS = 7
    UNKNOWN_FRAMES = 8
    LARGE_HEADS = 9
    TINY_WINDOWS = 10
    GOAWAYS = 11
    ABUSES = 12

LIMITS: dict[Abuse, tuple[float, float]]

class Tolerance:
    exceeded: int
