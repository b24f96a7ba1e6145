"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import msgspec


class Machine(msgspec.Struct, frozen=True):
    """The machine and how busy it was before the row began."""

    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    system: str
    python: str
    load: float
    """The load average of the last minute."""


def describe() -> Machine:
    """This machine, now."""
    return Machine(
        cpu=_value("/proc/cpuinfo", "model name") or platform.machine(),
        cores=os.cpu_count() or 1,
        memory_gib=round(int((_value("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 2**20, 1),
        kernel=platform.release(),
        system=platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
        python=platform.python_version(),
        load=round(os.getloadavg()[0], 2),
    )


def _value(path: str, key: str) -> str | None:
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None
