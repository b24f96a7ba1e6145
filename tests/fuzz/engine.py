"""Runs a target over and over with changed inputs, and keeps those that reach something new."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from fuzz.coverage import Coverage
from fuzz.mutation import mutate
from fuzz.targets import Target


@dataclass
class Engine:
    """One target and its pool of inputs. `note` is told each input before it runs, so that what
    kills the process is known.
    """

    target: Target
    coverage: Coverage
    chance: Random
    note: Callable[[bytes], None] = lambda _: None
    folder: Path | None = None  # where inputs that reach something new are kept
    runs: int = 0
    pool: list[bytes] = field(default_factory=list)

    def start(self) -> None:
        """Run the seeds, and what earlier campaigns kept."""
        self.pool = list(self.target.seeds)
        kept = sorted(self.folder.glob("*")) if self.folder else []
        self.pool += [path.read_bytes() for path in kept]
        for data in self.pool:
            self._run(data)

    def run(self, *, seconds: float = float("inf"), count: int | None = None) -> None:
        """Change inputs for so long, or so often. Raises what the target raises."""
        end = time.monotonic() + seconds
        last = self.runs + count if count is not None else None
        while time.monotonic() < end and self.runs != last:
            data = mutate(
                self.chance.choice(self.pool), self.pool, self.target.morsels, self.chance, self.target.limit
            )
            if self._run(data):
                self.pool.append(data)
                self._keep(data)

    def _run(self, data: bytes) -> bool:
        self.note(data)
        self.runs += 1
        self.coverage.begin()
        try:
            self.target.run(data)
        finally:
            found = self.coverage.end()
        return found

    def _keep(self, data: bytes) -> None:
        if self.folder:
            (self.folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
