"""Plain data as a file has it, where parts of it may have another shape than they should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.config.problems import quoted

if TYPE_CHECKING:
    from headgate.config.document import Document


def mapping(value: Any) -> dict[str, Any]:
    """The mapping, or an empty one."""
    return value if isinstance(value, dict) else {}


def section(value: Any, short: str) -> dict[str, Any]:
    """A section that may be written as the value of one of its keys alone."""
    if isinstance(value, (str, bool)):
        return {short: value}
    return mapping(value)


def items(value: Any) -> list[Any]:
    """The items of a list that may be written as its only item."""
    if isinstance(value, (list, tuple)):
        return list(value)
    return [] if value is None or isinstance(value, dict) else [value]


def is_on(value: Any) -> bool:
    """Whether a switch is set."""
    return value in ("on", True)


def shown(document: Document, path: tuple[str | int, ...], value: object) -> str:
    """The value as it was written: the name of a variable instead of what it holds."""
    place, _ = document.find(path)
    return quoted(place.text if document.written and place.text is not None else str(value))
