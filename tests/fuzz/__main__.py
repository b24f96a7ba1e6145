"""Fuzz: `python -m fuzz [--seconds N] [--seed N] [TARGET ...]`.

Each target runs in a process of its own with the sanitized core. What kills it, or breaks a promise,
is written into build/fuzz/crashes; run it again with `python -m fuzz --replay FILE TARGET`.
"""

from __future__ import annotations

import argparse
import hashlib
import mmap
import os
import subprocess
import sys
import traceback
from pathlib import Path
from random import Random

from fuzz.sanitized import ROOT, build, environment

FOLDER = ROOT / "build" / "fuzz"
CRASHES = FOLDER / "crashes"
PATIENCE_SECONDS = 30.0  # for one input


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="names; all of them when none is given")
    parser.add_argument("--seconds", type=float, default=600.0, help="for each target (600)")
    parser.add_argument("--seed", type=int, default=None, help="of the random numbers; another one each time")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one input and show what it does")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        return fuzz_inside(arguments)
    build()
    return run_all(arguments)


def run_all(arguments: argparse.Namespace) -> int:
    """One process for each target; the number of those that failed."""
    from fuzz.targets import TARGETS

    names = arguments.targets or [target.name for target in TARGETS]
    seed = arguments.seed if arguments.seed is not None else int.from_bytes(os.urandom(4))
    command = [sys.executable, "-X", "faulthandler", "-m", "fuzz", "--inside", f"--seed={seed}"]
    command += [f"--seconds={arguments.seconds}"]
    if arguments.replay:
        command += [f"--replay={arguments.replay.resolve()}"]
    failed = 0
    for name in names:
        print(f"{name}: fuzzing for {arguments.seconds:g} s, seed {seed}", flush=True)
        failed += _run_one([*command, name], name)
    return min(failed, 100)


def _run_one(command: list[str], name: str) -> int:
    if subprocess.run(command, env=environment(), check=False).returncode == 0:
        return 0
    current = FOLDER / f"{name}.current"
    if current.exists():
        data = current.read_bytes()
        data = data[8 : 8 + int.from_bytes(data[:8], "little")]
        CRASHES.mkdir(parents=True, exist_ok=True)
        crash = CRASHES / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
        crash.write_bytes(data)
        print(f"{name}: failed with {data[:2000]!r}\n  written to {crash.relative_to(ROOT)}", flush=True)
    return 1


def fuzz_inside(arguments: argparse.Namespace) -> int:
    """The process that runs one target."""
    import faulthandler

    from fuzz.coverage import EdgeCoverage, LineCoverage
    from fuzz.engine import Engine
    from fuzz.targets import TARGETS

    (target,) = [target for target in TARGETS if target.name == arguments.targets[0]]
    if arguments.replay:
        target.run(arguments.replay.read_bytes())
        print(f"{target}: nothing is wrong")
        return 0
    kept = FOLDER / "kept" / target.name
    kept.mkdir(parents=True, exist_ok=True)
    coverage = LineCoverage(target.watches) if target.watches else EdgeCoverage()
    with _current(target.name) as current:

        def note(data: bytes) -> None:
            current[:8] = len(data).to_bytes(8, "little")
            current[8 : 8 + len(data)] = data
            if engine.runs % 1024 == 0:
                faulthandler.dump_traceback_later(PATIENCE_SECONDS, exit=True)

        engine = Engine(target, coverage, Random(arguments.seed), note, kept)
        try:
            engine.start()
            engine.run(seconds=arguments.seconds)
        except Exception:  # noqa: BLE001 what a target raises is what is looked for
            traceback.print_exc()
            return 1
    print(f"{target}: {engine.runs} runs, {len(engine.pool)} inputs", flush=True)
    return 0


def _current(name: str) -> mmap.mmap:
    """A file that holds the input that is running, whatever becomes of the process."""
    path = FOLDER / f"{name}.current"
    path.write_bytes(bytes(65536))
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 65536)


if __name__ == "__main__":
    sys.exit(main())
