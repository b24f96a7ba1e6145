"""What costs less than a microsecond drowns in a whole request: measured alone, in compiled loops."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.micro.build import ROOT, build, cases
from benchmarks.processes import BenchError, find_program, pinned
from benchmarks.rows.row import Bench, Column, Row, Trial, interleave, progress, shell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.results import Figures, Verdict
    from benchmarks.rows.row import Variant

SECONDS_A_ROUND = 0.05
COUNTED = 2000
"""Rounds under callgrind: enough that what a case does around its loop does not show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroRow(Row):
    """Nanoseconds (the median of rounds) and instructions (callgrind) of a single call."""

    @property
    def columns(self) -> tuple[Column, ...]:
        return (Column("nanoseconds", "ns", "{:,.0f}"), Column("instructions", "instructions", "{:,.0f}"))

    def measure(self, bench: Bench, variants: Sequence[Variant]) -> Trial:  # noqa: ARG002
        build()
        found = cases()
        trial = Trial(rounds={name: [] for name in found})
        repeats = {name: _repeats(case) for name, case in found.items()}
        instructions = _instructions(bench, list(found), trial)
        for _, name in interleave(bench, list(found)):
            began = time.perf_counter_ns()
            found[name](repeats[name])
            figures = {"nanoseconds": (time.perf_counter_ns() - began) / repeats[name]}
            trial.rounds[name].append(figures | instructions.get(name, {}))
        progress(f"{self.name}: {len(found)} cases")
        return trial

    def judge(self, figures: dict[str, Figures]) -> list[Verdict]:  # noqa: ARG002 - the design holds none
        return []


def _repeats(case: Callable[[int], None]) -> int:
    """So many that a round takes SECONDS_A_ROUND; the first calls warm up."""
    count, spent = 1, 0.0
    while spent < SECONDS_A_ROUND / 10:
        count *= 2
        began = time.perf_counter()
        case(count)
        spent = time.perf_counter() - began
    return max(1, round(count * SECONDS_A_ROUND / spent))


def _instructions(bench: Bench, names: list[str], trial: Trial) -> dict[str, Figures]:
    """Callgrind counts inside the cases only and dumps after each: a warm-up, then COUNTED rounds."""
    valgrind = find_program("valgrind")
    if valgrind is None:
        trial.notes.append("valgrind is not installed, so instructions were not counted.")
        return {}
    out = bench.folder / "callgrind"
    inside = "__pyx_pw_*case_*"
    command = [
        valgrind,
        "--tool=callgrind",
        f"--toggle-collect={inside}",
        f"--dump-after={inside}",
        f"--callgrind-out-file={out}",
        *(sys.executable, "-m", "benchmarks.micro", "1", str(COUNTED)),
    ]
    trial.commands["instructions"] = shell(command)
    done = subprocess.run(
        pinned(bench.load_core, command), cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    dumps = [out.with_name(f"callgrind.{number}") for number in range(1, 2 * len(names) + 1)]
    if done.returncode or not all(dump.exists() for dump in dumps):
        raise BenchError(f"callgrind ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return {name: {"instructions": _total(dumps[2 * i + 1]) / COUNTED} for i, name in enumerate(names)}


def _total(dump: Path) -> int:
    found = re.search(r"^(?:summary|totals): (\d+)", dump.read_text(), re.MULTILINE)
    if found is None:
        raise BenchError(f"{dump} has no total")
    return int(found[1])
