from enum import IntEnum

class HelloOutcome(IntEnum):
    HELLO_INCOMPLETE = 0
    HELLO_READ = 1
    HELLO_NOT_TLS = 2
    HELLO_BROKEN = 3

class ClientHello:
    @property
    def server_name(self) -> str | None: ...
    @property
    def protocols(self) -> list[bytes]: ...
    @property
    def body(self) -> bytes: ...
    def receive(self, data: bytes, most_bytes: int = 16384) -> int: ...
