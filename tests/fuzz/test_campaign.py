"""The long form: every target for minutes, with the sanitized core. `make fuzz` gives them more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fuzz.sanitized import ROOT

SECONDS = 120  # for each target


@pytest.mark.long
def test_a_campaign_finds_nothing() -> None:
    command = [sys.executable, "-m", "fuzz", "--seconds", str(SECONDS)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    ended = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
