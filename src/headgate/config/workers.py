"""How many workers `auto` means."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from headgate.shm.region import SLOTS

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_WORKERS = SLOTS


def resolve_workers(value: Literal["auto"] | int, root: Path = Path("/")) -> int:
    """The number itself, or for `auto` the processors that this process may use: those of its affinity, and
    no more than the quota of its cgroup (rounded up; version 1 and 2); from 1 to MAX_WORKERS.

    `root` is where /proc and /sys are looked for.
    """
    if value != "auto":
        return value
    processors = min([_affinity(), *_quotas(root)])
    return max(1, min(math.ceil(processors), MAX_WORKERS))


def _affinity() -> float:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    """The quotas of our cgroup and of those around it, in processors."""
    for controllers, path in _memberships(root):
        if not controllers:
            for folder in _upwards(root / "sys/fs/cgroup", path):
                yield from _quota(_words(folder / "cpu.max"))
        elif "cpu" in controllers.split(","):
            for mount in ("cpu", "cpu,cpuacct", "cpuacct,cpu"):
                for folder in _upwards(root / "sys/fs/cgroup" / mount, path):
                    yield from _quota(
                        [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]
                    )


def _memberships(root: Path) -> Iterator[tuple[str, str]]:
    """Controllers ("" for version 2) and path of each line of /proc/self/cgroup."""
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        yield controllers, path


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """The folder of a cgroup and all above it. Inside of a container the path may be that of the host;
    then only the mount itself is there.
    """
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for length in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:length])


def _quota(words: list[str]) -> Iterator[float]:
    """Quota and period in microseconds as processors; none for `max` and -1."""
    if len(words) >= 2 and words[0].isdecimal() and words[1].isdecimal() and int(words[1]):
        yield int(words[0]) / int(words[1])


def _words(path: Path) -> list[str]:
    return [word for line in _lines(path) for word in line.split()]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []  # no such version of cgroups here
