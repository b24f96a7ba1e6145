"""What costs less than a microsecond drowns in a whole request: measured alone, in compiled loops."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.micro.build import ROOT, build
from benchmarks.processes import BenchError, find_program, pinned
from benchmarks.results import Verdict
from benchmarks.rows.row import Bench, Column, Row, Trial, progress, shell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.results import Figures
    from benchmarks.rows.row import Variant

COUNTED = 2000
"""Rounds under callgrind: enough that what a case does around its loop does not show."""


PICK_NANOSECONDS = 500.0
MOST_NANOSECONDS = {
    "a Python middleware that sets a field": 2000.0,
    "ten rules for fields": 1500.0,
    "rate_limit: a request": 500.0,
    "jwt: a token that was seen before": 2000.0,
}
MOST_TIMES = {
    ("jwt: a token for the first time", "jwt: its library alone"): 1.3,
    ("compress: 256 KiB with gzip", "compress: its library alone"): 1.05,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroRow(Row):
    """Nanoseconds (the median of rounds) and instructions (callgrind) of a single call."""

    @property
    def columns(self) -> tuple[Column, ...]:
        return (Column("nanoseconds", "ns", "{:,.0f}"), Column("instructions", "instructions", "{:,.0f}"))

    def measure(self, bench: Bench, variants: Sequence[Variant]) -> Trial:  # noqa: ARG002
        build()
        command = [sys.executable, "-m", "benchmarks.micro"]
        timed = json.loads(_run(pinned(bench.proxy_core, [*command, "time", str(bench.rounds)])))
        trial = Trial(rounds={})
        trial.commands["time"] = shell([*command, "time", str(bench.rounds)])
        costs = _costs(bench, [*command, "run", str(COUNTED)], trial)
        for name, function, rounds in timed:
            counted = {"instructions": costs[function] / COUNTED} if function in costs else {}
            trial.rounds[name] = [{"nanoseconds": nanoseconds, **counted} for nanoseconds in rounds]
        return trial

    def judge(self, figures: dict[str, Figures]) -> list[Verdict]:
        """Of balancers that look at each endpoint, the pick among a few."""
        few = {
            name: found["nanoseconds"] for name, found in figures.items() if name.startswith("pick of 10,")
        }
        tables = [f"pick of 100, {way}" for way in ("ring", "maglev")]
        most = dict.fromkeys((max(few, key=few.__getitem__), *tables), PICK_NANOSECONDS) | MOST_NANOSECONDS
        return [Verdict(name, figures[name]["nanoseconds"], limit, "ns") for name, limit in most.items()] + [
            Verdict(f"{name}, ratio", figures[name]["nanoseconds"] / figures[alone]["nanoseconds"], limit)
            for (name, alone), limit in MOST_TIMES.items()
        ]


def _costs(bench: Bench, command: list[str], trial: Trial) -> dict[str, int]:
    """Instructions that callgrind counts inside each function, calls included."""
    valgrind = find_program("valgrind")
    if valgrind is None:
        trial.notes.append("valgrind is not installed, so instructions were not counted.")
        return {}
    progress("micro: counting instructions, about two minutes")
    out = bench.folder / "callgrind"
    command = [valgrind, "--tool=callgrind", f"--callgrind-out-file={out}", *command]
    trial.commands["instructions"] = shell(command)
    _run(pinned(bench.load_core, command))
    return inclusive(_run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", str(out)]))


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
        hint = "a core that is not built from this tree does that: make build" if done.returncode < 0 else ""
        raise BenchError(f"{' '.join(command)} ended with {done.returncode} {hint}\n{done.stderr[-2000:]}")
    return done.stdout
