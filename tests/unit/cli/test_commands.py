"""The group: what it lists, what it suggests, and that calling one command loads no other."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from headgate.cli.commands import COMMANDS, headgate


def test_help_lists_every_command_with_its_line() -> None:
    shown = CliRunner().invoke(headgate, ["--help"], terminal_width=200)
    assert shown.exit_code == 0
    for name, entry in COMMANDS.items():
        assert f"  {name} " in shown.output
        assert entry.help in shown.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    shown = CliRunner().invoke(headgate, [name, "--help"], terminal_width=200)
    assert shown.exit_code == 0
    assert f"headgate {name}" in shown.output


@pytest.mark.parametrize("name", ["run", "proxy", "check", "explain", "demo"])
def test_exit_codes_are_in_the_help(name: str) -> None:
    assert "Exit codes:" in CliRunner().invoke(headgate, [name, "--help"]).output


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("chek", "There is no command 'chek'. Did you mean 'check'?"),
        ("start", "There is no command 'start'."),
        ("qqqqqq", "There is no command 'qqqqqq'. See 'headgate --help'."),
    ],
)
def test_an_unknown_command(typed: str, said: str) -> None:
    shown = CliRunner().invoke(headgate, [typed])
    assert shown.exit_code == 2
    assert said in shown.output


def test_help_and_run_load_little() -> None:
    program = """
import sys
from headgate.cli.commands import headgate
from headgate.cli import run
heavy = {"pydantic", "yaml", "uvloop", "msgspec", "starlette", "asyncio"}
print(*sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("module", ["headgate", "headgate.cli"])
def test_it_runs_as_a_module(module: str) -> None:
    command = [sys.executable, "-m", module, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith("headgate ")
