"""A configuration file as plain data that remembers where each value was written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headgate.config.problems import Problem, dotted

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(slots=True)
class Place:
    """Where a value stands: line and column from 1, its text as written, and the places inside it."""

    line: int = 0
    column: int = 0
    text: str | None = None  # scalars only
    variable: bool = False  # a variable was replaced in it
    children: dict[str, Place] | list[Place] | None = None
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)

    def child(self, key: str | int) -> Place | None:
        """The place of the value under a key or index, when there is one."""
        if isinstance(self.children, dict):
            return self.children.get(key) if isinstance(key, str) else None
        if isinstance(self.children, list) and isinstance(key, int) and 0 <= key < len(self.children):
            return self.children[key]
        return None


@dataclass(slots=True)
class Document:
    """Plain data, the place of its root, and what is wrong with its form.

    Data that was not read from a text (objects made in Python) has a root without a line; then paths are
    all that can be said.
    """

    file: str = ""
    data: Any = None
    place: Place = field(default_factory=Place)
    problems: list[Problem] = field(default_factory=list)

    @property
    def written(self) -> bool:
        """True when the data was read from a text."""
        return self.place.line > 0

    def find(self, path: Sequence[str | int]) -> tuple[Place, int]:
        """The deepest place on the way, and how many steps of the path lead there."""
        place = self.place
        for depth, key in enumerate(path):
            found = place.child(key)
            if found is None:
                return place, depth
            place = found
        return place, len(path)

    def problem(
        self,
        path: Sequence[str | int],
        message: str,
        hint: str = "",
        *,
        key: bool = False,
        warning: bool = False,
    ) -> Problem:
        """A problem with the value at `path`, or with its last key. The path is cut where the text ends."""
        place, depth = self.find(path[:-1] if key else path)
        position = (place.line, place.column)
        name = path[-1] if key else None
        if isinstance(name, str) and depth == len(path) - 1 and name in place.keys:
            position, depth = place.keys[name], depth + 1
        return Problem(
            severity="warning" if warning else "error",
            file=self.file,
            line=position[0],
            column=position[1],
            path=dotted(path[:depth] if self.written else path),
            value="" if key else place.text or "",
            message=message,
            hint=hint,
        )
