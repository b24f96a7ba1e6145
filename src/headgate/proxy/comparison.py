"""What differs between the answer that a client got and the one of a mirror."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from headgate import spec

SHOWN = 80  # characters of each side of a difference


class Seen(Protocol):
    """One answer."""

    @property
    def status(self) -> int: ...
    @property
    def fields(self) -> list[tuple[str, str]]: ...
    @property
    def body(self) -> bytes | bytearray | None: ...


class Comparison:
    """How answers are compared: status, then chosen fields, then bodies, as JSON where both are."""

    PARTS = ("", "status", "fields", "body")

    def __init__(self, rules: spec.Compare) -> None:
        self._bodies = rules.body
        self._ignored = [tuple(path.split(".")) for path in rules.ignore]

    def difference(self, expected: Seen, got: Seen) -> tuple[str, str]:
        """In which part they differ first, and how; two empty texts when they are equal."""
        if expected.status != got.status:
            return "status", f"{expected.status} and {got.status}"
        if expected.fields != got.fields:
            return "fields", _both(dict(expected.fields), dict(got.fields))
        if not self._bodies or expected.body == got.body:
            return "", ""
        if expected.body is None or got.body is None:
            return "body", "one of the two is longer than is kept"
        return self._difference_of_bodies(bytes(expected.body), bytes(got.body))

    def _difference_of_bodies(self, expected: bytes, got: bytes) -> tuple[str, str]:
        try:
            one, other = json.loads(expected), json.loads(got)
        except (ValueError, RecursionError):
            return "body", _both(expected, got)
        where = _first(one, other, (), self._ignored)
        return ("body", where) if where else ("", "")


def _first(one: Any, other: Any, at: tuple[str, ...], ignored: list[tuple[str, ...]]) -> str:
    """Where two values of JSON differ first, outside of what is ignored; "" when nowhere."""
    if any(_fits(path, at) for path in ignored):
        return ""
    place = ".".join(at) or "the whole"
    if isinstance(one, dict) and isinstance(other, dict):
        missing = object()
        for key in sorted(one.keys() | other.keys()):
            if found := _first(one.get(key, missing), other.get(key, missing), (*at, key), ignored):
                return found
        return ""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            if found := _first(a, b, (*at, str(number)), ignored):
                return found
        return ""
    return "" if type(one) is type(other) and one == other else f"{place}: {_both(one, other)}"


def _fits(path: tuple[str, ...], at: tuple[str, ...]) -> bool:
    return len(path) == len(at) and all(a in ("*", b) for a, b in zip(path, at, strict=True))


def _both(one: object, other: object) -> str:
    return f"{_shown(one)} and {_shown(other)}"


def _shown(value: object) -> str:
    if type(value) is object:
        return "nothing"
    text = repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
