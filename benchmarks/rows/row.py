"""What all rows share: the bench they run on, and how a row becomes a result."""

from __future__ import annotations

import shlex
import sys
from abc import ABC, abstractmethod
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.certificates import certificate
from benchmarks.machine import describe
from benchmarks.peers import PEERS, Peer, Setting
from benchmarks.processes import BenchError, free_ports
from benchmarks.results import Figures, Result, Verdict, medians

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

C_PROXIES = ("nginx", "haproxy")
ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where and how long rows measure."""

    rounds: int
    seconds: float
    peers: tuple[str, ...]
    """Names of the peers that are installed and asked for."""
    proxy_core: int
    load_core: int
    backends: Mapping[str, int]
    """Ports of the backends, by name."""
    folder: Path


@dataclass(frozen=True, slots=True)
class Column:
    """One figure in a table: its name, its heading and how it is written."""

    figure: str
    heading: str
    form: str = "{:.1f}"
    scale: float = 1.0

    def text(self, figures: Figures) -> str:
        return self.form.format(figures[self.figure] * self.scale) if self.figure in figures else "-"


@dataclass(frozen=True, slots=True)
class Variant:
    """A proxy as one line of a row."""

    label: str
    peer: str
    access_log: bool = False
    routes: int = 0
    workers: int = 1
    spoken: str = "http1"
    certificate: str = ""
    """The kind of the key, with TLS: ecdsa or rsa."""
    upstream: str = "http1"
    endpoints: int = 1
    """All of them the same backend."""
    service: Mapping[str, Any] = field(default_factory=dict)
    """What Headgate's configuration says more of the service."""
    route: Mapping[str, Any] = field(default_factory=dict)
    middlewares: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Trial:
    """What a row found so far, by the label of the variant."""

    rounds: dict[str, list[Figures]]
    commands: dict[str, str] = field(default_factory=dict)
    fields: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(ABC):
    """One kind of work, done by several proxies in interleaved rounds."""

    name: str
    title: str
    variants: tuple[Variant, ...]
    backend: str = "lean"
    heading: str = "proxy"
    """Of the first column."""
    held: bool = True
    """Whether the design holds a figure of this row."""

    @property
    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """The figures of the table, from left to right."""

    @abstractmethod
    def measure(self, bench: Bench, variants: Sequence[Variant]) -> Trial:
        """Run every round."""

    @abstractmethod
    def judge(self, figures: dict[str, Figures]) -> list[Verdict]:
        """What must hold; empty when the proxies that it needs were not measured."""

    def run(self, bench: Bench) -> Result:
        """Measure, take medians, judge. Raises BenchError when a proxy does not work."""
        variants = [variant for variant in self.variants if variant.peer in bench.peers]
        if not variants:
            raise BenchError(f"{self.name} needs one of: {', '.join(self.peers)}")
        measured, machine = datetime.now(UTC), describe()
        trial = self.measure(bench, variants)
        figures = {label: medians(rounds) for label, rounds in trial.rounds.items()}
        self.compare(figures)
        return Result(
            row=self.name,
            title=self.title,
            measured=measured.isoformat(timespec="seconds"),
            machine=machine,
            versions={name: PEERS[name].version() for name in {variant.peer: None for variant in variants}},
            commands={name: _plain(command, bench) for name, command in trial.commands.items()},
            fields=trial.fields,
            rounds=trial.rounds,
            figures=figures,
            verdicts=self.judge(figures),
            notes=trial.notes,
        )

    @property
    def peers(self) -> tuple[str, ...]:
        return tuple({variant.peer: None for variant in self.variants})

    def compare(self, figures: dict[str, Figures]) -> None:  # noqa: B027 - most rows compare nothing
        """Add figures that set one proxy against another."""


def proxies(*names: str, **options: Any) -> tuple[Variant, ...]:
    """One variant for each peer, with these options of Variant."""
    return tuple(Variant(PEERS[name].title, name, **options) for name in names)


def better(figures: dict[str, Figures], figure: str) -> float | None:
    """The lower figure of nginx and HAProxy, or None when one of them was not measured."""
    titles = [PEERS[name].title for name in C_PROXIES]
    if any(title not in figures for title in titles):
        return None
    return min(figures[title][figure] for title in titles)


def make_peer(bench: Bench, row: Row, variant: Variant) -> Peer:
    """The variant's proxy."""
    return PEERS[variant.peer](make_setting(bench, row, variant))


def make_setting(bench: Bench, row: Row, variant: Variant) -> Setting:
    """What the variant's proxy is told: free ports, and a folder of its own."""
    port, admin_port, second_port = free_ports(3)
    folder = bench.folder / row.name / variant.label.replace(" ", "-")
    return Setting(
        port=port,
        admin_port=admin_port,
        backend_port=bench.backends[row.backend],
        core=bench.proxy_core,
        folder=folder,
        workers=variant.workers,
        access_log=variant.access_log,
        routes=variant.routes,
        spoken=variant.spoken,
        second_port=second_port,
        certificate=str(certificate(variant.certificate, bench.folder)) if variant.certificate else "",
        upstream=variant.upstream,
        endpoints=variant.endpoints,
        service=variant.service,
        route=variant.route,
        middlewares=variant.middlewares,
    )


@contextmanager
def running(bench: Bench, row: Row, variants: Sequence[Variant]) -> Iterator[dict[str, Peer]]:
    """All variants at once, each ready."""
    with ExitStack() as stack:
        yield {v.label: stack.enter_context(make_peer(bench, row, v)) for v in variants}


def _plain(command: str, bench: Bench) -> str:
    """The command without the paths of this machine."""
    return command.replace(str(bench.folder), "$DIR").replace(f"{ROOT}/", "").replace(":0/", ":$PORT/")


def shell(command: Sequence[str]) -> str:
    return shlex.join(command)


def interleave(bench: Bench, labels: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Every label once in each round, beginning with another one each time."""
    for number in range(bench.rounds):
        shift = number % len(labels)
        for label in [*labels[shift:], *labels[:shift]]:
            yield number, label


def progress(text: str) -> None:
    """One line for whoever waits."""
    print(text, file=sys.stderr, flush=True)
