"""Types of options, as people write them and as a middleware gets them.

An `Options` class is a frozen dataclass of these, of str, int, float, bool, Literal, tuples, dicts with texts
as keys, other frozen dataclasses, and `| None`. The configuration checks what is written against it.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from typing import Annotated, Any, Literal

from headgate.spec import Secret

__all__ = [
    "Duration",
    "FieldName",
    "File",
    "Int",
    "Pattern",
    "Percent",
    "Prefix",
    "PrivateFile",
    "Range",
    "Ranges",
    "Rate",
    "Secret",
    "Size",
    "Url",
    "option",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """How a text of the file becomes a value; config/options.py knows each."""

    name: Literal[
        "duration",
        "field",
        "file",
        "int",
        "pattern",
        "percent",
        "prefix",
        "private_file",
        "range",
        "rate",
        "size",
        "url",
    ]
    lowest: int = 0
    highest: int = 1_000_000_000


Duration = Annotated[float, Kind("duration")]  # "5s" to seconds
Size = Annotated[int, Kind("size")]  # "1MiB" to bytes
Rate = Annotated[float, Kind("rate")]  # "100/s" to times per second
ByteRate = Annotated[float, Kind("byte_rate")]  # "1MiB/s" to bytes per second
Percent = Annotated[float, Kind("percent")]  # "5%" to 5.0
Prefix = Annotated[str, Kind("prefix")]  # "/v1"
Pattern = Annotated[str, Kind("pattern")]  # a regular expression of linear time
FieldName = Annotated[str, Kind("field")]  # name of a header field
File = Annotated[str, Kind("file")]  # a path, made absolute from where the configuration lies
PrivateFile = Annotated[str, Kind("private_file")]  # the same, with a warning when everybody may read it
Url = Annotated[str, Kind("url")]  # http:// or https://, or service://NAME/path; what `worker.fetch` takes
Range = Annotated[str, Kind("range")]  # an address or CIDR range
Ranges = tuple[Range, ...]


def Int(lowest: int, highest: int) -> Any:  # noqa: N802 - stands where a type stands
    """A whole number within bounds."""
    return Annotated[int, Kind("int", lowest, highest)]


def option(description: str, default: Any = MISSING, *, example: Any = None) -> Any:
    """A field of an Options class with its description, which goes into errors, schema and reference."""
    metadata = {"description": description, "example": example}
    if isinstance(default, dict):  # each instance has its own
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)
