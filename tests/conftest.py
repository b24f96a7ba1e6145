"""What holds for all tests."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import until


def pytest_collection_finish() -> None:
    """What was imported stays: tests that collect garbage need not look at it again, a thousand times."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_process_is_left() -> Iterator[None]:
    """Whatever a test starts, it ends."""
    yield
    until(lambda: not children(), "processes that tests started to end", 10)


def children() -> list[str]:
    """Command lines of the processes that this one started and that still run."""
    found = []
    for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            found.append(command)
    return found
