from typing import Final

TEMPLATE_NAMES: Final[tuple[str, ...]]
JSON_KEYS: Final[tuple[str, ...]]
COMBINED: Final[str]

class RecordFormat:
    query: Final[bool]

class JsonFormat(RecordFormat):
    def __init__(self, *, query: bool = True, fingerprints: bool = False) -> None: ...

class TemplateFormat(RecordFormat):
    template: Final[str]
    def __init__(self, template: str, *, query: bool = True) -> None: ...

class CombinedFormat(TemplateFormat):
    def __init__(self, *, query: bool = True) -> None: ...

def record_format(
    kind: str, template: str = "", *, query: bool = True, fingerprints: bool = False
) -> RecordFormat: ...
def format_record(kind: RecordFormat, **fields: str | bytes | float | None) -> bytes: ...
