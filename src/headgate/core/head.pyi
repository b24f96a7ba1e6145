import enum
from typing import Final

from headgate.core.events import Event

TOKEN_NAMES: Final[dict[int, bytes]]

class Method(enum.IntEnum):
    METHOD_OTHER = 0
    METHOD_GET = 1
    METHOD_HEAD = 2
    METHOD_POST = 3
    METHOD_PUT = 4
    METHOD_DELETE = 5
    METHOD_OPTIONS = 6
    METHOD_PATCH = 7
    METHOD_TRACE = 8
    METHOD_CONNECT = 9

class TargetForm(enum.IntEnum):
    ORIGIN_FORM = 0
    ABSOLUTE_FORM = 1
    AUTHORITY_FORM = 2
    ASTERISK_FORM = 3

class Head(Event):
    version: Final[int]
    content_length: Final[int]
    chunked: Final[bool]
    keep_alive: Final[bool]
    te_trailers: Final[bool]
    expect_continue: Final[bool]
    method: Final[int]
    target_form: Final[int]
    port: Final[int]
    status: Final[int]
    def __init__(self, kind: int = 1) -> None: ...
    def items(self) -> list[tuple[bytes, bytes]]: ...
    @property
    def method_name(self) -> str | None: ...
    @property
    def target_text(self) -> str | None: ...
    @property
    def path_text(self) -> str | None: ...
    @property
    def query_text(self) -> str | None: ...
    @property
    def host_text(self) -> str: ...
    @property
    def authority_text(self) -> str | None: ...
    @property
    def reason_text(self) -> str | None: ...
    @property
    def upgrade_text(self) -> str | None: ...
