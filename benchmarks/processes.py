"""Processes that the benchmarks start: pinned to a core, measured from /proc, stopped for certain."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TICK = 1 / os.sysconf("SC_CLK_TCK")
# The kernel's name for "the CPU time of process PID", see clock_getcpuclockid(3).
CPUCLOCK_SCHED = 2


class BenchError(Exception):
    """Something that the benchmarks need is missing or does not work; the text is for people."""


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds of one or more processes: exact in all, split into user and system by ticks."""

    total: float = 0.0
    user_ticks: float = 0.0
    system_ticks: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.total + other.total,
            self.user_ticks + other.user_ticks,
            self.system_ticks + other.system_ticks,
        )

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            self.total - other.total,
            self.user_ticks - other.user_ticks,
            self.system_ticks - other.system_ticks,
        )

    @property
    def user(self) -> float:
        """The user part of `total`; ticks of 10 ms only decide the split."""
        ticks = self.user_ticks + self.system_ticks
        return self.total * self.user_ticks / ticks if ticks else 0.0


def usage(pid: int) -> Usage:
    """CPU time of a process with all its threads, ended ones included."""
    total = time.clock_gettime_ns((~pid << 3) | CPUCLOCK_SCHED) / 1e9
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return Usage(total, int(fields[11]) * TICK, int(fields[12]) * TICK)


def family(pid: int) -> list[int]:
    """A process and all its descendants that are alive, itself first."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found.extend(int(child) for child in children.read_text().split())
            except OSError:  # the thread or its process ended meanwhile
                continue
    return found


def pss_bytes(pid: int) -> int:
    """Proportional set size of a process, private and its share of shared pages."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise BenchError(f"/proc/{pid}/smaps_rollup has no Pss line; memory needs Linux 4.14 or later")


def core_times(core: int) -> tuple[float, float]:
    """Busy and all seconds of a core since boot, in ticks of 10 ms."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            times = [int(field) * TICK for field in fields[:8]]
            return sum(times) - times[3] - times[4], sum(times)
    raise BenchError(f"this machine has no core {core}")


def find_program(name: str) -> str | None:
    """The path of a program in this Python's environment or on the system, sbin included."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]
    return shutil.which(name, path=os.pathsep.join(places))


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, outside the range of outgoing connections."""
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = list(range(10_000, max(first_outgoing, 20_000)))
    Random().shuffle(candidates)
    ports: list[int] = []
    for port in candidates:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise BenchError(f"no {count} free ports on 127.0.0.1")


def pinned(core: int, command: Sequence[str]) -> list[str]:
    """The command, held to one core."""
    return ["taskset", "-c", str(core), *command]


class Process:
    """A program started for a benchmark, in a session of its own, its output kept in a file."""

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.command = list(command)
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **(environ or {})},
                start_new_session=True,
            )
        self.pid = self._popen.pid

    def usages(self) -> dict[int, Usage]:
        """CPU time so far, by process of the family."""
        found = {}
        for pid in family(self.pid):
            try:
                found[pid] = usage(pid)
            except OSError:  # ended between the two looks
                continue
        return found

    def wait_ready(self, port: int, path: str, host: str = "localhost", seconds: float = 30.0) -> None:
        """Wait until a GET of `path` is answered 200. Raises BenchError with the program's last words."""
        deadline = time.monotonic() + seconds
        while not answers(port, path, host):
            if self._popen.poll() is not None:
                raise BenchError(f"{self.name} ended with {self._popen.returncode}:\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise BenchError(f"{self.name} did not answer in {seconds:g} s:\n{self.last_words()}")
            time.sleep(0.001)

    def last_words(self) -> str:
        """The end of what the program wrote."""
        return self._log.read_text(errors="replace")[-2000:].strip() or "(it wrote nothing)"

    def stop(self, seconds: float = 10.0) -> None:
        """End the family: SIGTERM, and SIGKILL for what is left after `seconds`."""
        members = family(self.pid)
        if self._popen.poll() is None:
            self._popen.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(seconds)
        for pid in members:
            try:
                if os.getsid(pid) == self.pid:
                    os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._popen.wait()


def answers(port: int, path: str, host: str) -> bool:
    """Whether a GET on a new connection is answered 200."""
    try:
        return fetch(port, path, host)[0] == 200
    except (OSError, HTTPException):
        return False


def fetch(port: int, path: str, host: str = "localhost", seconds: float = 5.0) -> tuple[int, bytes]:
    """Status and body of one GET on a connection of its own."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(request.encode())
        with HTTPResponse(connection) as response:
            response.begin()
            return response.status, response.read()
