"""What an exchange costs in instructions, which nothing else on the machine disturbs, and where they are."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from benchmarks.load import Request
from benchmarks.peers.headgate import Headgate
from benchmarks.processes import BenchError, find_program
from benchmarks.results import Verdict
from benchmarks.rows.row import Bench, Column, Row, Trial, make_setting, progress, shell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from benchmarks.results import Figures
    from benchmarks.rows.row import Variant

NONE = "none"
POLICIES: dict[str, dict[str, Any]] = {
    NONE: {"service": {"retry_budget": "off"}},
    "retry budget (the default)": {},
    "retry": {"route": {"retry": {"attempts": 3, "on": ["connect", "reset", "503"]}}},
    "hedge": {"route": {"hedge": "p95"}},
    "probes, slow start": {"service": {"health_check": {}, "slow_start": "30s"}},
    "outliers": {"service": {"outliers": {}}},
    "breaker": {"service": {"breaker": {}}},
    "concurrency": {"service": {"concurrency": {"limit": 100}}},
    "sticky": {"service": {"sticky": "cookie"}},
    "least time": {"service": {"balance": "least_time"}},
    "a Python middleware": {
        "route": {"middlewares": ["mark"]},
        "middlewares": {"mark": {"type": "mark:Mark"}},
    },
}
"""What a service and its route have. Where a policy is not named, it is off, but for the retry budget."""

_CORE = ("attempts", "affinity", "breaker", "outliers", "permits", "splits", "stickiness")
_PROXY = ("admission", "chain", "comparison", "faults", "mirroring")
POLICY_MODULES = frozenset((*_CORE, *_PROXY))
"""A policy that is off runs none of them; what is left of it is a branch of the exchange."""


HEAD = re.compile(rb"(?is)HTTP/1.1 200 .*?\r\ncontent-length: (\d+)\r\n.*?\r\n\r\n")


class CountedHeadgate(Headgate):
    """Headgate in one process under callgrind, which counts only when it is told to."""

    def configure(self) -> list[str]:
        *_, path = super().configure()
        return [
            program("valgrind"),
            "--tool=callgrind",
            "--instr-atstart=no",
            f"--callgrind-out-file={self.counted}",
            *(sys.executable, "-m", "headgate.cli", "run", "--single", "-c", path),
        ]

    @property
    def counted(self) -> Path:
        return self.setting.folder / "callgrind.out"

    def environ(self) -> dict[str, str]:
        return {"PYTHONHASHSEED": "0"}

    def count(self, *, on: bool) -> None:
        """Begin to count instructions, or pause."""
        command = [program("callgrind_control"), "-i", "on" if on else "off", str(self.process.pid)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstructionsRow(Row):
    """Instructions of `exchanges` on one connection, divided by their number."""

    exchanges: int = 2000
    base: str = NONE

    @property
    def columns(self) -> tuple[Column, ...]:
        return (
            Column("instructions", "instructions", "{:,.0f}"),
            Column("more", f"more than {self.base}", "{:+,.0f}"),
            Column("ratio", "ratio", "{:.3f}"),
            Column("modules", "in modules of policies", "{:,.0f}"),
        )

    def measure(self, bench: Bench, variants: Sequence[Variant]) -> Trial:
        trial = Trial(rounds={})
        for variant in variants:
            peer = CountedHeadgate(make_setting(bench, self, variant))
            with peer:
                trial.commands[variant.label] = shell(peer.command)
                with Connection(peer.setting.port) as connection:
                    connection.ask(self.exchanges // 10)  # pools, caches, what is learned
                    peer.count(on=True)
                    connection.ask(self.exchanges)
                    peer.count(on=False)
            counted = by_module(peer.counted.read_text().splitlines())
            trial.rounds[variant.label] = [
                {
                    "instructions": counted.total() / self.exchanges,
                    "modules": sum(counted[name] for name in POLICY_MODULES) / self.exchanges,
                }
            ]
            progress(f"{self.name}: {variant.label}: {counted.total() / self.exchanges:,.0f}")
        return trial

    def compare(self, figures: dict[str, Figures]) -> None:
        if self.base not in figures:
            return
        base = figures[self.base]["instructions"]
        for found in figures.values():
            found["more"] = found["instructions"] - base
            found["ratio"] = found["instructions"] / base


class PoliciesRow(InstructionsRow):
    """What policies add, and what is left of them where they are off."""

    def judge(self, figures: dict[str, Figures]) -> list[Verdict]:
        if self.base not in figures:
            return []
        modules = figures[self.base]["modules"]
        # Not zero: what is shed is looked at five times a second, whatever there is.
        return [Verdict("instructions of an exchange in modules of policies that are off", modules, 1.0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancersRow(InstructionsRow):
    """What choosing takes of an exchange, without the cost of where the exchanges go."""

    limit: float = 1.03

    def judge(self, figures: dict[str, Figures]) -> list[Verdict]:
        return [
            Verdict(f"{label}: instructions, ratio to {self.base}", found["ratio"], self.limit)
            for label, found in figures.items()
            if label != self.base and "ratio" in found
        ]


class Connection:
    """One keep-alive connection, asking one request after the other."""

    def __init__(self, port: int) -> None:
        self._request = Request().encode()
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)

    def ask(self, count: int) -> None:
        """Raises BenchError when an answer is not 200."""
        for _ in range(count):
            self._socket.sendall(self._request)
            answer = b""
            while not (
                whole := re.match(rb"(?is)HTTP/1.1 200 .*?\r\ncontent-length: (\d+)\r\n.*?\r\n\r\n", answer)
            ):
                answer += self._more()
            while len(answer) < whole.end() + int(whole[1]):
                answer += self._more()

    def _more(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise BenchError("the proxy closed the connection while its instructions were counted")
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def by_module(lines: Iterable[str]) -> Counter[str]:
    """Instructions of each binary, without those of the functions that it calls, from a file of callgrind.

    Names are given once, as `ob=(3) /folder/exchange.cpython-314-x86_64-linux-gnu.so`; then lines of a
    position and a cost follow. The one below a `calls=` is what the function that was called cost.
    """
    names: dict[str, str] = {}
    found: Counter[str] = Counter()
    module, foreign = "", False
    for line in lines:
        if named := re.match(r"(c?ob)=\((\d+)\)(?: .*?([^/]*))?$", line):
            if named[3]:
                names[named[2]] = named[3].partition(".")[0]
            if named[1] == "ob":
                module = names[named[2]]
        elif line.startswith("calls="):
            foreign = True
        elif cost := re.match(r"[+\-*\d]\S* (\d+)$", line):
            found[module] += 0 if foreign else int(cost[1])
            foreign = False
    return found


def program(name: str) -> str:
    """Where it is. Raises BenchError."""
    found = find_program(name)
    if found is None:
        raise BenchError(f"{name} is not installed: apt-get install valgrind")
    return found
