"""Starting, measuring and ending processes."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.backend import FIELDS, Backend, forwarding_fields
from benchmarks.processes import (
    BenchError,
    Process,
    Usage,
    core_times,
    family,
    fetch,
    free_ports,
    pss_bytes,
    usage,
)
from support import until

FAMILY = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"


def test_usage_grows_with_work() -> None:
    before, began = usage(os.getpid()), time.process_time()
    while time.process_time() - began < 0.05:
        pass
    assert (usage(os.getpid()) - before).total == pytest.approx(time.process_time() - began, abs=0.02)


def test_usage_is_split_by_ticks() -> None:
    spent = Usage(1.0, 0.2, 0.6) + Usage(1.0, 0.0, 0.2)
    assert spent.user == pytest.approx(0.4)
    assert Usage().user == 0


def test_stop_ends_the_whole_family(tmp_path: Path) -> None:
    process = Process("family", [sys.executable, "-c", FAMILY], tmp_path)
    try:
        until(lambda: len(family(process.pid)) == 2, "the child")
        members = family(process.pid)
        until(lambda: pss_bytes(members[1]) > 100_000, "the child's program to be loaded")
        assert len(process.usages()) == 2
    finally:
        process.stop()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in members), "init to reap an orphan")


def test_program_that_ends_early_is_quoted(tmp_path: Path) -> None:
    process = Process("broken", [sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path)
    with pytest.raises(BenchError, match="broken ended with 1:\nno such thing"):
        process.wait_ready(free_ports(1)[0], "/")


def test_ports_are_distinct() -> None:
    assert len(set(free_ports(20))) == 20


def test_core_times_are_of_one_core() -> None:
    busy, whole = core_times(min(os.sched_getaffinity(0)))
    assert 0 < busy <= whole
    with pytest.raises(BenchError, match="no core 9999"):
        core_times(9999)


def test_lean_backend_answers_and_echoes_heads(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with Backend.lean(port, min(os.sched_getaffinity(0)), tmp_path):
        status, body = fetch(port, "/small")
        assert (status, len(body)) == (200, 62)
        assert fetch(port, FIELDS)[1].startswith(b"GET /fields HTTP/1.1\r\n")
        assert forwarding_fields(port) == []
