from collections.abc import Mapping
from typing import Final, final

FACTS: tuple[str, ...]

@final
class Handshake:
    server_name: Final[bytes]
    protocol: Final[bytes]
    version: Final[bytes]
    cipher: Final[bytes]
    certificate: Final[bytes]
    ja3: Final[bytes]
    ja4: Final[bytes]

def handshake_of(facts: Mapping[str, str]) -> Handshake: ...
