"""`headgate demo`: the tour works word for word, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from headgate.cli.demo.stage import BACKENDS, Stage
from support import until

DEMO = [sys.executable, "-m", "headgate", "demo"]


@pytest.mark.timeout(120)
def test_the_tour_works_as_printed() -> None:
    done = subprocess.run([*DEMO, "--check"], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WRONG" not in done.stdout
    assert "Traceback" not in done.stderr
    printed = re.findall(r"^ *(\d+)\. ", done.stdout, re.MULTILINE)
    taken = re.findall(r"^ok +(\d+)\. ", done.stdout, re.MULTILINE)
    assert printed == taken
    assert len(taken) >= 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(number: signal.Signals, tmp_path: Path) -> None:
    output = tmp_path / "output"
    # As a script starts what runs in its background: with SIGINT ignored.
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *DEMO]
    with output.open("wb") as log:
        demo = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        until(lambda: "Ctrl-C stops everything" in output.read_text(), "the tour", 30)
        family = descendants(demo.pid)
        assert len(family) >= len(BACKENDS) + 1 + 1 + 2  # backends, supervisor, controller, workers
        demo.send_signal(number)
        assert demo.wait(20) == 0, output.read_text()
    finally:
        demo.kill()
        demo.wait()
    until(lambda: not any(alive(pid) for pid in family), "all processes to end", 5)
    assert output.read_text().endswith("Stopped.\n")
    assert "Traceback" not in output.read_text()


def test_backends_do_not_outlive_a_killed_demo(tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("wb") as log:
        demo = subprocess.Popen(DEMO, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    family: list[int] = []
    try:
        until(lambda: "Ctrl-C stops everything" in output.read_text(), "the tour", 30)
        family = descendants(demo.pid)
        backends = [pid for pid in family if b"backend.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(backends) == len(BACKENDS)
        demo.kill()
        demo.wait()
        until(lambda: not any(alive(pid) for pid in backends), "the backends to end", 5)
    finally:
        for pid in family:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def test_two_demos_side_by_side() -> None:
    with Stage(workers=1) as first, Stage(workers=1) as second:
        assert first.web != second.web
        for stage in (first, second):
            with urllib.request.urlopen(f"http://127.0.0.1:{stage.web}/hello", timeout=5) as response:
                assert response.headers["x-backend"] == "swift"


def test_a_backend_fails_now_and_then() -> None:
    part = next(part for part in BACKENDS if part.fail_every)
    with Stage(workers=1) as stage:
        seen = []
        started = time.monotonic()
        for _ in range(part.fail_every):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{stage.web}/moody/", timeout=5) as response:
                    seen.append(response.status)
            except urllib.error.HTTPError as error:
                seen.append(error.code)
                error.close()
        assert seen == [200] * (part.fail_every - 1) + [503]
        assert time.monotonic() - started >= part.fail_every * part.delay_seconds


def descendants(pid: int) -> list[int]:
    """All processes below `pid`."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(folder.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {pid})


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
