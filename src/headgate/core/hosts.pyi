from collections.abc import Iterable
from typing import final

from headgate.core.arena import Arena

@final
class Hosts:
    def __init__(self, hosts: Iterable[str], arena: Arena) -> None: ...
    def levels(self, host: bytes) -> list[int]: ...
