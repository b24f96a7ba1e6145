from collections.abc import Mapping
from typing import final

from headgate.core.arena import Arena
from headgate.core.places import Places

@final
class Hosts:
    def __init__(self, hosts: Mapping[str, Places], arena: Arena) -> None: ...
    def levels(self, host: bytes) -> list[int]: ...
