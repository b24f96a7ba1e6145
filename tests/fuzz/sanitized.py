"""The core built with AddressSanitizer, UndefinedBehaviorSanitizer and edge coverage, beside the real
one, and the environment in which Python runs with it.

    python -m fuzz.sanitized            build it
    python -m fuzz.sanitized -m pytest tests/codec    build it, and run Python with it
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "sanitized"
LIBRARIES = BUILD / "lib"
COVERAGE = BUILD / "coverage.so"
FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g1"


def build() -> None:
    """Compile what changed. Exits when it does not compile."""
    BUILD.mkdir(parents=True, exist_ok=True)
    source = Path(__file__).with_name("coverage.c")
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", COVERAGE, source], check=True)
    environment = {
        **os.environ,
        "CFLAGS": f"{FLAGS} -fsanitize-coverage=trace-pc",
        "LDFLAGS": "-fsanitize=address,undefined",
    }
    environment.pop("HEADGATE_CORE", None)
    folders = [f"--build-lib={LIBRARIES}", f"--build-temp={BUILD / 'temp'}"]
    command = [sys.executable, "setup.py", "--quiet", "build", *folders]
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
        sys.exit("The sanitized core does not compile; see above.")


def environment() -> dict[str, str]:
    """The sanitizers come before everything else, the sanitized core before the real one; Python's
    own allocator would hide what is done to memory.
    """
    preload = [_library("libasan.so"), _library("libubsan.so"), str(COVERAGE)]
    return {
        **os.environ,
        "LD_PRELOAD": " ".join(preload),
        # Python never frees everything; a small quarantine keeps tests of memory meaningful.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=4",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": os.pathsep.join([str(LIBRARIES), str(ROOT / "tests")]),
    }


def _library(name: str) -> str:
    output = subprocess.run(["gcc", f"-print-file-name={name}"], check=True, capture_output=True, text=True)
    return output.stdout.strip()


if __name__ == "__main__":
    build()
    if sys.argv[1:]:
        os.execvpe(sys.executable, [sys.executable, *sys.argv[1:]], environment())
