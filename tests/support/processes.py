"""What the kernel says about the product's processes."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from support.product import Product, until

_TICK = os.sysconf("SC_CLK_TCK")
LISTEN = "0A"  # a state in /proc/net/tcp


def client_ports(pid: int, port: int) -> set[int]:
    """The peers' ports of the connections to `port` that the process has accepted."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except FileNotFoundError:
            continue
        if matched := re.fullmatch(r"socket:\[(\d+)\]", target):
            inodes.add(matched[1])
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote, state, inode = fields[1], fields[2], fields[3], fields[9]
        if state != LISTEN and int(local.rpartition(":")[2], 16) == port and inode in inodes:
            found.add(int(remote.rpartition(":")[2], 16))
    return found


def pid_of(product: Product, title: str) -> int:
    """The process of that name, such as "w0" or "ctl"; 0 when there is none, or when it has ended."""
    for pid in product.pids():
        try:
            named = Path(f"/proc/{pid}/comm").read_text().strip() == f"headgate: {title}"
        except OSError:
            continue
        if named and not gone(pid):
            return pid
    return 0


def workers(product: Product) -> list[int]:
    """The processes of all workers, by slot."""
    found = ((slot, pid_of(product, f"w{slot}")) for slot in range(16))
    return [pid for _, pid in found if pid]


def pss(pid: int) -> int:
    """Proportional set size, in bytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    matched = re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)
    assert matched, text
    return int(matched[1]) * 1024


def cpu_seconds(pid: int) -> float:
    """User and system time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def busy(pid: int, seconds: float = 1.0) -> float:
    """The share of a processor that the process uses, measured over that time."""
    before, start = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / (time.monotonic() - start)


def descriptors(pid: int) -> int:
    """Open files."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def state(pid: int) -> str:
    """R, S, T and so on; "" when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def gone(pid: int) -> bool:
    """Whether the process has ended."""
    return state(pid) in ("", "Z")


def waiting(port: int) -> list[int]:
    """For each socket that listens on the port, the connections in its queue."""
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}") and fields[3] == LISTEN:
            found.append(int(fields[4].partition(":")[2], 16))
    return found


def stop(pid: int) -> None:
    """SIGSTOP, and wait until it counts."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: state(pid) == "T", f"process {pid} to stop")


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Processes that stand still during the block."""
    try:
        for pid in pids:
            stop(pid)
        yield
    finally:
        for pid in pids:
            if not gone(pid):
                os.kill(pid, signal.SIGCONT)


@dataclass(frozen=True)
class Kill:
    """A worker that was killed: when, and the clients' ports of the connections that were its own."""

    at: float
    ports: set[int] = field(repr=False)

    def explains(self, port: int, opened: float, failed: float) -> bool:
        """Whether a connection with this port and these times was one of them."""
        return port in self.ports and opened < self.at < failed


def _stopped_worker(product: Product, slot: int) -> int:
    """The worker of a slot, which stands still from now on; 0 when there is none, or it has just ended."""
    pid = pid_of(product, f"w{slot}")
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    return pid if pid and state(pid) == "T" else 0


def kill_worker(product: Product, slot: int) -> Kill:
    """SIGKILL the worker of a slot.

    It stands still while the kernel is asked which connections it has accepted: that list is exact, and
    no other connection may be hurt. What waits in its queue belongs to nobody yet.
    """
    pid = until(lambda: _stopped_worker(product, slot), f"worker {slot} to stand still", 30)
    kill = Kill(time.monotonic(), client_ports(pid, product.port))
    os.kill(pid, signal.SIGKILL)
    until(lambda: gone(pid), "its end")
    return kill


def kill_controller(product: Product) -> None:
    """SIGKILL the controller, whatever it is doing."""
    pid = until(lambda: pid_of(product, "ctl"), "a controller", 30)
    os.kill(pid, signal.SIGKILL)
    until(lambda: gone(pid), "its end")


def ready(product: Product, seconds: float = 30) -> None:
    """Wait until every worker serves."""

    def all_serve() -> bool:
        try:
            return product.admin("/readyz")[0] == 200
        except OSError:
            return False

    until(all_serve, "all workers to serve", seconds)
