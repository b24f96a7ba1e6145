"""An installation without its compiled core says what to do; nothing runs slowly in silence."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import headgate


def test_a_core_that_is_not_compiled(tmp_path: Path) -> None:
    package = Path(headgate.__file__).parent
    shutil.copytree(
        package, tmp_path / "headgate", ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__")
    )
    done = subprocess.run(
        [sys.executable, "-c", "import headgate.core.routing"],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "core is not compiled. Install a C compiler" in done.stderr
