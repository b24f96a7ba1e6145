from collections.abc import Mapping
from typing import final

FACTS: tuple[str, ...]

@final
class Handshake: ...

def handshake_of(facts: Mapping[str, str]) -> Handshake: ...
