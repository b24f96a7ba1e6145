"""Memory: proportional set size after work, and what 10,000 idle connections add."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.load import Request, Wrk
from benchmarks.peers import PEERS
from benchmarks.processes import BenchError, family, pss_bytes
from benchmarks.results import Figures, Verdict
from benchmarks.rows.row import Bench, Column, Row, Trial, Variant, make_peer, progress, shell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MEGABYTE = 1_000_000
BATCH = 100
# Connections from one source address; far below the number of its ports.
CONNECTIONS_AN_ADDRESS = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRow(Row):
    """PSS of a proxy's processes with 1 and 2 workers, each after some work.

    The worker is the process that did it; an idle connection is what the worker grows by.
    """

    idle_connections: int = 10_000
    limits: tuple[tuple[str, str, float, str, float], ...] = (
        ("worker_bytes", "a worker", 35, "MB", 1e-6),
        ("two_workers_bytes", "in all with 2 workers", 145, "MB", 1e-6),
        ("idle_bytes", "an idle connection of 10,000", 3, "KB", 1e-3),
    )

    @property
    def columns(self) -> tuple[Column, ...]:
        return (
            Column("worker_bytes", "a worker MB", "{:.1f}", 1e-6),
            Column("one_worker_bytes", "in all, 1 worker MB", "{:.1f}", 1e-6),
            Column("two_workers_bytes", "in all, 2 workers MB", "{:.1f}", 1e-6),
            Column("idle_bytes", "an idle connection KB", "{:.2f}", 1e-3),
        )

    def measure(self, bench: Bench, variants: Sequence[Variant]) -> Trial:
        trial = Trial(rounds={variant.label: [] for variant in variants})
        load = Wrk([Request()], 64, bench.load_core, bench.folder, self.name)
        trial.commands["load"] = shell(load.command(0, 1))
        for variant in variants:
            figures: Figures = {}
            with make_peer(bench, self, variant) as peer:
                trial.commands[variant.label] = shell(peer.command)
                load.run(peer.setting.port, 1)
                used = peer.process.usages()
                worker = max(used, key=lambda pid: used[pid].total)
                figures["worker_bytes"] = pss_bytes(worker)
                figures["one_worker_bytes"] = family_bytes(peer.process.pid)
                with idle(peer.setting.port, self.idle_connections):
                    grown = pss_bytes(worker) - figures["worker_bytes"]
                figures["idle_bytes"] = grown / self.idle_connections
            two = Variant(f"{variant.label} 2 workers", variant.peer, workers=2)
            with make_peer(bench, self, two) as peer:
                load.run(peer.setting.port, 1)
                figures["two_workers_bytes"] = family_bytes(peer.process.pid)
            trial.rounds[variant.label].append(figures)
            progress(f"{self.name}: {variant.label}: {figures['worker_bytes'] / MEGABYTE:.1f} MB a worker")
        return trial

    def judge(self, figures: dict[str, Figures]) -> list[Verdict]:
        ours = figures.get(PEERS["headgate"].title)
        if ours is None:
            return []
        return [
            Verdict(what, ours[figure] * scale, limit, unit)
            for figure, what, limit, unit, scale in self.limits
        ]


def family_bytes(pid: int) -> int:
    """The size of all processes of the family that still live."""
    total = 0
    for member in family(pid):
        try:
            total += pss_bytes(member)
        except OSError:  # ended between the two looks
            continue
    return total


@contextmanager
def idle(port: int, count: int) -> Iterator[None]:
    """So many keep-alive connections, each idle after one answered request."""
    request = Request().encode()
    with ExitStack() as stack:
        connections: list[socket.socket] = []
        while len(connections) < count:
            batch = [
                _connect(port, len(connections) + i) for i in range(min(BATCH, count - len(connections)))
            ]
            for connection in batch:
                stack.callback(connection.close)
                connection.sendall(request)
            for connection in batch:
                if not _answer(connection).startswith(b"HTTP/1.1 200"):
                    raise BenchError(f"connection {len(connections)} of {count} was not answered 200")
            connections.extend(batch)
        for number, connection in enumerate(connections):
            connection.setblocking(False)
            if _closed(connection):
                raise BenchError(f"idle connection {number} of {count} was closed by the proxy")
        yield


def _connect(port: int, number: int) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(10)
    connection.bind((f"127.0.0.{2 + number // CONNECTIONS_AN_ADDRESS}", 0))
    connection.connect(("127.0.0.1", port))
    return connection


def _answer(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except OSError:  # timed out or reset
        return b""


def _closed(connection: socket.socket) -> bool:
    try:
        return not connection.recv(65536)
    except BlockingIOError:
        return False
