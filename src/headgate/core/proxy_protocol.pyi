from enum import IntEnum, IntFlag
from typing import Any, Final

class Outcome(IntEnum):
    INCOMPLETE = 0
    COMPLETE = 1
    ABSENT = 2
    BROKEN = 3

class Limit(IntEnum):
    V1_LIMIT = 107
    V2_LIMIT = 4112

class ClientBit(IntFlag):
    CLIENT_TLS = 1
    CLIENT_CERTIFICATE = 2
    CLIENT_CERTIFICATE_SESSION = 4

class Side:
    has_address: Final[bool]
    text: Final[bytes]
    port: Final[int]
    path: Final[bytes]
    @property
    def packed(self) -> bytes: ...
    def describe(self) -> tuple[Any, ...]: ...

class TlsFacts:
    client: Final[int]
    verify: Final[int]
    version: Final[bytes]
    common_name: Final[bytes]
    cipher: Final[bytes]
    signature: Final[bytes]
    key: Final[bytes]
    def __init__(
        self,
        client: int = 1,
        verify: int = 1,
        *,
        version: bytes = b"",
        common_name: bytes = b"",
        cipher: bytes = b"",
        signature: bytes = b"",
        key: bytes = b"",
    ) -> None: ...
    def describe(self) -> tuple[Any, ...]: ...

class ProxyHeader:
    outcome: Final[int]
    size: Final[int]
    reason: Final[str | None]
    version: Final[int]
    keep: Final[bool]
    source: Final[Side]
    destination: Final[Side]
    alpn: Final[bytes | None]
    authority: Final[bytes | None]
    unique_id: Final[bytes | None]
    checked: Final[bool]
    tls: Final[TlsFacts | None]
    def describe(self) -> tuple[Any, ...]: ...

def read_proxy_header(data: bytes) -> ProxyHeader: ...
def write_v1(source: bytes, source_port: int, destination: bytes, destination_port: int) -> bytes: ...
def write_local() -> bytes: ...
def write_v2(
    source: bytes,
    source_port: int,
    destination: bytes,
    destination_port: int,
    *,
    alpn: bytes = b"",
    authority: bytes = b"",
    unique_id: bytes = b"",
    tls: TlsFacts | None = None,
    checksum: bool = False,
) -> bytes: ...
