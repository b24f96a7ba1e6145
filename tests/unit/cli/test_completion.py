"""`headgate completion`: the scripts, and that a shell gets completions from them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from headgate.cli.completion import SHELLS, command


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_each_shell(shell: str) -> None:
    shown = CliRunner().invoke(command, [shell])
    assert shown.exit_code == 0
    assert "_HEADGATE_COMPLETE" in shown.output


def test_commands_are_completed() -> None:
    environ = {
        **os.environ,
        "_HEADGATE_COMPLETE": "bash_complete",
        "COMP_WORDS": "headgate ex",
        "COMP_CWORD": "1",
    }
    program = "import sys; sys.argv = ['headgate']; from headgate.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout.split() == ["plain,explain"]
