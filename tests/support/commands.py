"""Other people's programs, as commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SECONDS = 60.0


def program(name: str) -> str:
    """Where a program that tests need is: beside this Python, on the PATH, or where Debian has servers."""
    folders = [str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"]
    found = shutil.which(name, path=os.pathsep.join(folders))
    assert found, f"{name} is not installed; `make test` as root does it"
    return found


def outcome(
    command: Sequence[str | Path], *, folder: Path | None = None, stdin: bytes = b"", seconds: float = SECONDS
) -> subprocess.CompletedProcess[bytes]:
    """Run a program of `program` in `folder` to its end, in whatever way it ends."""
    return subprocess.run(
        [program(str(command[0])), *command[1:]],
        input=stdin,
        capture_output=True,
        cwd=folder,
        timeout=seconds,
        check=False,
    )


def output(
    command: Sequence[str | Path], *, folder: Path | None = None, stdin: bytes = b"", seconds: float = SECONDS
) -> bytes:
    """What a program prints that `outcome` runs. Raises AssertionError when it fails."""
    done = outcome(command, folder=folder, stdin=stdin, seconds=seconds)
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout!r} {done.stderr!r}"
    return done.stdout
