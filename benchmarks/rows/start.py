"""Start: from the command to the first request served through the proxy."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.peers import PEERS
from benchmarks.results import Figures, Verdict
from benchmarks.rows.row import Bench, Column, Row, Trial, interleave, make_peer, progress, shell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.rows.row import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRow(Row):
    """Wall time; one new process family for each round."""

    limit: float = 1.0

    @property
    def columns(self) -> tuple[Column, ...]:
        return (Column("start_seconds", "first request served s", "{:.3f}"),)

    def measure(self, bench: Bench, variants: Sequence[Variant]) -> Trial:
        trial = Trial(rounds={variant.label: [] for variant in variants})
        by_label = {variant.label: variant for variant in variants}
        for _, label in interleave(bench, list(by_label)):
            peer = make_peer(bench, self, by_label[label])
            began = time.perf_counter()
            with peer:
                seconds = time.perf_counter() - began
                trial.commands[label] = shell(peer.command)
            trial.rounds[label].append({"start_seconds": seconds})
            progress(f"{self.name}: {label}: {seconds:.3f} s")
        return trial

    def judge(self, figures: dict[str, Figures]) -> list[Verdict]:
        ours = figures.get(PEERS["headgate"].title)
        return [Verdict("first request served", ours["start_seconds"], self.limit, "s")] if ours else []
