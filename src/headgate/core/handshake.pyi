from collections.abc import Mapping
from typing import final

FACTS: tuple[str, ...]

@final
class Handshake:
    server_name: bytes
    protocol: bytes
    version: bytes
    cipher: bytes
    certificate: bytes
    ja3: bytes
    ja4: bytes

def handshake_of(facts: Mapping[str, str]) -> Handshake: ...
