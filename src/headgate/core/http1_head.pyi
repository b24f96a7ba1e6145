from typing import Final

FAULTS: Final[dict[int, tuple[int, str]]]
