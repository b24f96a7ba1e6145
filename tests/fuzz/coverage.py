"""What an input reached that none before it did: edges of the instrumented core, lines of Python."""

from __future__ import annotations

import ctypes
import sys
from types import FrameType
from typing import Any, Protocol

from fuzz.sanitized import COVERAGE


class Coverage(Protocol):
    """Watches one run of a target at a time."""

    def begin(self) -> None: ...

    def end(self) -> bool:
        """Whether the run reached something new."""


class NoCoverage:
    """Nothing is watched: an ordinary build."""

    def begin(self) -> None:
        pass

    def end(self) -> bool:
        return False


class EdgeCoverage:
    """Edges of the compiled core; works only where the library was loaded before the core."""

    def __init__(self) -> None:
        library = ctypes.CDLL(str(COVERAGE))
        self.begin = library.coverage_begin
        self._end = library.coverage_end

    def end(self) -> bool:
        return bool(self._end() > 0)


class LineCoverage:
    """Lines of Python modules whose file name contains `part`."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.seen: set[tuple[str, int]] = set()
        self.found = False

    def begin(self) -> None:
        self.found = False
        sys.settrace(self._call)

    def end(self) -> bool:
        sys.settrace(None)
        return self.found

    def _call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        return self._line if self.part in frame.f_code.co_filename else None

    def _line(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        place = (frame.f_code.co_filename, frame.f_lineno)
        if place not in self.seen:
            self.seen.add(place)
            self.found = True
        return self._line
