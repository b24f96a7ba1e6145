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
        instructions = _instructions(bench, found, trial)
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


def _instructions(bench: Bench, found: dict[str, Callable[[int], None]], trial: Trial) -> dict[str, Figures]:
    """Callgrind counts inside the cases only."""
    valgrind = find_program("valgrind")
    if valgrind is None:
        trial.notes.append("valgrind is not installed, so instructions were not counted.")
        return {}
    out = bench.folder / "callgrind"
    command = [
        valgrind,
        "--tool=callgrind",
        f"--callgrind-out-file={out}",
    ]
    command += [sys.executable, "-m", "benchmarks.micro", str(COUNTED)]
    trial.commands["instructions"] = shell(command)
    _run(pinned(bench.load_core, command))
    costs = inclusive(_run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", str(out)]))
    return {name: {"instructions": costs[case.__name__] / COUNTED} for name, case in found.items()}


def inclusive(annotated: str) -> dict[str, int]:
    """Instructions inside each case, by the name of its function, from callgrind_annotate's lines.

    What was inlined into a function has lines of its own under the same name; the largest is the whole.
    """
    costs: dict[str, int] = {}
    for cost, name in re.findall(r"^ *([\d,]+) .*__pyx_pw_\w*?(case_\w+)", annotated, re.MULTILINE):
        costs[name] = max(costs.get(name, 0), int(cost.replace(",", "")))
    return costs


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise BenchError(f"{command[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout
