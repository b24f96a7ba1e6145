"""Latency at a steady rate: half of what nginx can do at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.load import Request, SteadyLoad, Wrk
from benchmarks.peers import PEERS
from benchmarks.processes import BenchError
from benchmarks.results import Figures, Verdict
from benchmarks.rows.row import Bench, Column, Row, Trial, interleave, progress, running, shell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.rows.row import Variant

PERCENTILES = {"p50_us": "p50", "p99_us": "p99", "p999_us": "p99.9"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRow(Row):
    """Percentiles of an open loop (`h2load --h1 --rps`), which a slow answer does not slow down."""

    connections: int = 64
    factor: float = 1.2
    slack_ms: float = 0.2

    @property
    def columns(self) -> tuple[Column, ...]:
        return (
            Column("rate", "requests/s", "{:,.0f}"),
            *(Column(name, f"{heading} ms", "{:.2f}", 1e-3) for name, heading in PERCENTILES.items()),
        )

    def measure(self, bench: Bench, variants: Sequence[Variant]) -> Trial:
        if PEERS["nginx"].title not in [variant.label for variant in variants]:
            raise BenchError(f"{self.name} takes its rate from nginx, so nginx must be among the peers")
        trial = Trial(rounds={variant.label: [] for variant in variants})
        load = SteadyLoad(Request(), self.connections, bench.load_core, bench.folder)
        with running(bench, self, variants) as peers:
            closed = Wrk([Request()], self.connections, bench.load_core, bench.folder, self.name)
            tries = [closed.run(peers[PEERS["nginx"].title].setting.port, 2) for _ in range(3)]
            most = max(outcome.requests / outcome.seconds for outcome in tries)
            rate = most / 2
            trial.notes.append(f"nginx served {most:,.0f} requests/s at most; the rate is half of that.")
            trial.commands.update({label: shell(peer.command) for label, peer in peers.items()})
            trial.commands["load"] = shell(load.command(0, bench.seconds, rate))
            for number, label in interleave(bench, list(peers)):
                outcome = load.run(peers[label].setting.port, bench.seconds, rate)
                if outcome.broken or outcome.refused:
                    raise BenchError(
                        f"{label}: {outcome.refused} requests of {self.name} were answered with 400 or "
                        f"above, {outcome.broken} not at all"
                    )
                figures = {
                    "requests": outcome.requests,
                    "broken": outcome.broken + outcome.refused,
                    "rate": outcome.requests / outcome.seconds,
                    **{name: getattr(outcome, name) for name in PERCENTILES},
                }
                trial.rounds[label].append(figures)
                progress(
                    f"{self.name}: round {number + 1} of {bench.rounds}, {label}: "
                    f"p50 {outcome.p50_us:.0f} µs, p99.9 {outcome.p999_us:.0f} µs"
                )
        return trial

    def judge(self, figures: dict[str, Figures]) -> list[Verdict]:
        ours, nginx = (figures.get(PEERS[name].title) for name in ("headgate", "nginx"))
        if ours is None or nginx is None:
            return []
        return [
            Verdict(heading, ours[name] / 1e3, nginx[name] / 1e3 * self.factor + self.slack_ms, "ms")
            for name, heading in PERCENTILES.items()
        ]
