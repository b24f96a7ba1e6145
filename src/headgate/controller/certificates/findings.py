"""What is wrong with a file of certificates, in words for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


class Broken(Exception):
    """A file cannot be used. The text names it and says why; `hint` says what to do."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. `path` is where the configuration names the file.

    `new` tells an error in what was not served before from one in what is served on as it was.
    """

    path: tuple[str | int, ...]
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"
    new: bool = True
