"""CPU per request: wrk drives each proxy as fast as its core allows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.backend import FORWARDING, forwarding_fields
from benchmarks.load import Request, Streams, Wrk
from benchmarks.peers import PEERS
from benchmarks.processes import BenchError, Usage, core_times
from benchmarks.results import BUSY, Figures, Verdict, counts
from benchmarks.rows.row import (
    Bench,
    Column,
    Row,
    Trial,
    better,
    interleave,
    make_peer,
    progress,
    shell,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.load import Outcome
    from benchmarks.peers import Peer
    from benchmarks.rows.row import Variant

Base = str
MOST_ADDED_US = 2.0
BETTER: Base = "the better of nginx and HAProxy"
NGINX: Base = PEERS["nginx"].title


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuRow(Row):
    """User and system time of all processes of a proxy, divided by the requests that it served."""

    requests: Callable[[Variant], list[Request]]
    connections: int = 64
    limit: float = 1.0
    base: Base = BETTER
    """What the ratio is to: BETTER, or the label of a variant."""
    judged: tuple[str, ...] = (PEERS["headgate"].title,)
    misses: bool = False
    """Whether answers of 400 and above are part of the work."""
    streams: int = 0
    """Of each connection, over HTTP/2; 0 for HTTP/1.1."""

    @property
    def columns(self) -> tuple[Column, ...]:
        return (
            Column("user_us", "user µs"),
            Column("system_us", "system µs"),
            Column("cpu_us", "CPU µs a request"),
            Column("ratio", "ratio", "{:.2f}"),
            Column("others_us", "not in the worker µs", "{:.2f}"),
            Column("rate", "requests/s", "{:,.0f}"),
            Column("p50_us", "p50 ms", "{:.2f}", 1e-3),
            Column("p99_us", "p99 ms", "{:.2f}", 1e-3),
            Column("p999_us", "p99.9 ms", "{:.2f}", 1e-3),
            Column("busy", "core busy %", "{:.0f}", 100),
            Column("load_busy", "load's core %", "{:.0f}", 100),
            Column("counted", "rounds that count", "{:.0f}"),
        )

    def measure(self, bench: Bench, variants: Sequence[Variant]) -> Trial:
        trial = Trial(rounds={variant.label: [] for variant in variants})
        loads = {variant.label: self._load(bench, variant) for variant in variants}
        trial.commands["load"] = shell(loads[variants[0].label].command(0, bench.seconds))
        by_label = {variant.label: variant for variant in variants}
        for number, label in interleave(bench, list(by_label)):
            # A process keeps for its life the luck of where its memory came to lie, which is a few per cent.
            with make_peer(bench, self, by_label[label]) as peer:
                if self.backend == "lean" and not self.misses:
                    trial.fields[label] = forwarding_fields(peer.setting.port)
                trial.commands[label] = shell(peer.command)
                loads[label].run(peer.setting.work_port, 1)
                figures = self._round(bench, peer, loads[label])
            trial.rounds[label].append(figures)
            seen = f"{label}: {figures['cpu_us']:.1f} µs, core {figures['busy']:.0%} busy"
            said = "" if counts(figures) else f"; does not count, {self._reason(figures)}"
            progress(f"{self.name}: round {number + 1} of {bench.rounds}, {seen}{said}")
        trial.notes.extend(self._notes(trial))
        return trial

    def _load(self, bench: Bench, variant: Variant) -> Wrk | Streams:
        requests = self.requests(variant)
        if self.streams:
            return Streams(requests[0], self.connections, self.streams, bench.load_core, bench.folder)
        name = f"{self.name}-{variant.label.replace(' ', '-')}"
        secure = variant.spoken == "tls"
        return Wrk(requests, self.connections, bench.load_core, bench.folder, name, secure=secure)

    def _round(self, bench: Bench, peer: Peer, load: Wrk | Streams) -> Figures:
        busy, whole = core_times(bench.proxy_core)
        load_busy, load_whole = core_times(bench.load_core)
        before, began = peer.process.usages(), time.monotonic()
        outcome = load.run(peer.setting.work_port, bench.seconds)
        after, wall = peer.process.usages(), time.monotonic() - began
        busy_now, whole_now = core_times(bench.proxy_core)
        load_busy_now, load_whole_now = core_times(bench.load_core)
        if outcome.refused and not self.misses:
            raise BenchError(
                f"{peer.title} answered {outcome.refused} requests of {self.name} with 400 or above"
            )
        spent = {pid: used - before.get(pid, Usage()) for pid, used in after.items()}
        return cpu_figures(outcome, list(spent.values()), wall) | {
            "busy": (busy_now - busy) / (whole_now - whole),
            "load_busy": (load_busy_now - load_busy) / (load_whole_now - load_whole),
        }

    def _notes(self, trial: Trial) -> list[str]:
        notes = []
        for label, fields in trial.fields.items():
            missing = [name for name in FORWARDING if name not in fields]
            if missing:
                notes.append(f"{label} does not send {', '.join(missing)}.")
        for label, rounds in trial.rounds.items():
            lost = [figures for figures in rounds if not counts(figures)]
            if lost:
                reasons = ", ".join(dict.fromkeys(self._reason(figures) for figures in lost))
                notes.append(f"{label}: {len(lost)} of {len(rounds)} rounds do not count: {reasons}.")
        return notes

    @staticmethod
    def _reason(figures: Figures) -> str:
        if figures["broken"]:
            return "requests were not answered"
        if figures["busy"] >= BUSY:
            return "other processes ran on the proxy's core"
        if figures["load_busy"] >= BUSY:
            return "the load generator's core was the limit"
        return f"the proxy's core was below {BUSY:.0%}"

    def compare(self, figures: dict[str, Figures]) -> None:
        base = self._base(figures)
        for found in figures.values():
            if base:
                found["ratio"] = found["cpu_us"] / base

    def judge(self, figures: dict[str, Figures]) -> list[Verdict]:
        judged = [label for label in self.judged if label in figures]
        if not self.held or not judged or self._base(figures) is None:
            return []
        lost = [label for label in figures if not figures[label]["counted"] and self._matters(label)]
        doubt = f"no round of {' and '.join(lost)} counted" if lost else ""
        what = f"CPU per request, ratio to {self.base}"
        return [
            Verdict(
                what if len(self.judged) == 1 else f"{label}: {what}",
                figures[label]["ratio"],
                self.limit,
                doubt=doubt,
            )
            for label in judged
        ]

    def _matters(self, label: str) -> bool:
        bases = (PEERS["nginx"].title, PEERS["haproxy"].title) if self.base == BETTER else (self.base,)
        return label in (*self.judged, *bases)

    def _base(self, figures: dict[str, Figures]) -> float | None:
        if self.base == BETTER:
            return better(figures, "cpu_us")
        return figures[self.base]["cpu_us"] if self.base in figures else None


def cpu_figures(outcome: Outcome, spent: list[Usage], wall: float) -> Figures:
    """CPU per request from what each process of a proxy spent; the worker is the one that spent most."""
    total = sum(spent, Usage())
    worker = max(spent, key=lambda used: used.total)
    microseconds = 1e6 / outcome.requests
    return {
        "requests": outcome.requests,
        "broken": outcome.broken,
        "rate": outcome.requests / outcome.seconds,
        "user_us": total.user * microseconds,
        "system_us": (total.total - total.user) * microseconds,
        "cpu_us": total.total * microseconds,
        "others_us": (total.total - worker.total) * microseconds,
        "p50_us": outcome.p50_us,
        "p99_us": outcome.p99_us,
        "p999_us": outcome.p999_us,
        "share": total.total / wall,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedRow(CpuRow):
    """What something adds to a request, beside the same without it (`base`)."""

    def judge(self, figures: dict[str, Figures]) -> list[Verdict]:
        if self.base not in figures:
            return []
        lost = [label for label in figures if not figures[label]["counted"]]
        doubt = f"no round of {' and '.join(lost)} counted" if lost else ""
        base = figures[self.base]["cpu_us"]
        return [
            Verdict(f"CPU that {label} adds", figures[label]["cpu_us"] - base, MOST_ADDED_US, "µs", doubt)
            for label in self.judged
            if label in figures
        ]
