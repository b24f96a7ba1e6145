"""What a row found, as it is kept in benchmarks/results/."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import msgspec

from benchmarks.machine import Machine

FOLDER = Path(__file__).parent / "results"
BUSY = 0.95
"""A round counts when the proxy's core was so busy; below it, something else was the limit."""
DISTURBED = 0.1
"""Nor does it count when other processes took more than this of the core."""

# What was measured, by names that end in their unit.
Figures = dict[str, float]


class Verdict(msgspec.Struct, frozen=True):
    """A figure that must hold, and whether it does."""

    what: str
    value: float
    limit: float
    unit: str = ""
    doubt: str = ""
    """Why the value cannot be relied on; a doubtful figure does not hold."""

    @property
    def holds(self) -> bool:
        return self.value <= self.limit and not self.doubt

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        word = f"IN DOUBT, {self.doubt}" if self.doubt else "holds" if self.holds else "DOES NOT HOLD"
        return f"{self.what}: {self.value:.2f}{unit}, at most {self.limit:.2f}{unit}: {word}"


class Result(msgspec.Struct, kw_only=True):
    """One row: every round of every proxy, what follows from them, and what it was measured with."""

    row: str
    title: str
    measured: str
    """Date and time, UTC."""
    machine: Machine
    versions: dict[str, str]
    commands: dict[str, str]
    fields: dict[str, list[str]] = {}
    """Forwarding fields that the backend saw from each proxy."""
    rounds: dict[str, list[Figures]]
    figures: dict[str, Figures]
    verdicts: list[Verdict] = []
    notes: list[str] = []

    def save(self, folder: Path = FOLDER) -> Path:
        """Write `<date>-<row>.json`; a later run of the same day replaces it."""
        folder.mkdir(exist_ok=True)
        path = folder / f"{self.measured[:10]}-{self.row}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")
        return path


def newest(folder: Path = FOLDER) -> dict[str, Result]:
    """The latest result of each row."""
    found: dict[str, Result] = {}
    for path in sorted(folder.glob("*.json")):
        result = msgspec.json.decode(path.read_bytes(), type=Result)
        if result.row not in found or found[result.row].measured <= result.measured:
            found[result.row] = result
    return found


def counts(figures: Figures) -> bool:
    """Whether the round was limited by the proxy, nobody disturbed it, and every request was answered."""
    busy = figures.get("busy", 1.0)
    disturbed = busy - figures.get("share", busy) > DISTURBED
    return busy >= BUSY and not disturbed and not figures.get("broken")


def medians(rounds: list[Figures]) -> Figures:
    """The median of every figure over the rounds that count, or over all when none does."""
    counted = [figures for figures in rounds if counts(figures)]
    used = counted or rounds
    found = {name: median(figures[name] for figures in used) for name in used[0]}
    return {**found, "rounds": len(rounds), "counted": len(counted)}
