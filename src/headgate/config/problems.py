"""Problems: what is wrong in a configuration, where, and what to write instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

_plain_key = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One error or warning. `line` and `column` count from 1; 0 is unknown. `value` is as written: the
    name of a variable, never what came from it.
    """

    severity: Literal["error", "warning"] = "error"
    file: str = ""
    line: int = 0
    column: int = 0
    path: str = ""
    value: str = ""
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        subject = f"{self.path}: " if self.path else ""
        first = (
            f"{place}: {self.severity}: {subject}{self.message}"
            if place
            else (f"{self.severity}: {subject}{self.message}")
        )
        return f"{first}\n    {self.hint}" if self.hint else first

    def as_dict(self) -> dict[str, str | int]:
        """The parts by name, for machines."""
        return {
            name: getattr(self, name)
            for name in ("severity", "file", "line", "column", "path", "value", "message", "hint")
        }


class ConfigError(ValueError):
    """A configuration cannot be used; `problems` says why."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def dotted(path: Iterable[str | int]) -> str:
    """A path as people read it: `routes[2].match.path`, `services["a b"].host`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not _plain_key.fullmatch(part):
            text += f"[{quoted(part)}]"
        else:
            text += f".{part}" if text else part
    return text


def quoted(text: str) -> str:
    """The text in quotes on one line, cut when it is long."""
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    shown = shown.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in shown) + '"'


def nearest(word: str, words: Iterable[str], *, otherwise: bool = True) -> str:
    """A hint that names the word that was meant; all words, or nothing, when none is near."""
    known = sorted(words)
    if match := get_close_matches(word.lower(), known, n=1, cutoff=0.6):
        return f'did you mean "{match[0]}"?'
    if not known or not otherwise:
        return ""
    if len(known) > 20:
        return f"there are {len(known)}, such as {', '.join(known[:5])}"
    return f"known here: {', '.join(known)}"
