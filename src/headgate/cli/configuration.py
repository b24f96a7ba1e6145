"""Loading a configuration for a command: where the file comes from, and what is said when it is refused."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.config import Loaded
    from headgate.config.model import Config
    from headgate.config.problems import Problem

STDIN = "-"
REFUSED = 1
UNREADABLE = 2


def load(file: str) -> Loaded:
    """Load the file; "-" is standard input. Ends the command with code 2 when it cannot be read."""
    from headgate import config

    if file == STDIN:
        return config.load("stdin", text=sys.stdin.buffer.read().decode("utf-8-sig", "replace"))
    loaded = config.load(file)
    if not loaded.readable:
        show(loaded.problems, err=True)
        raise SystemExit(UNREADABLE)
    return loaded


def valid(file: str) -> Config:
    """Load the file and give its model. Ends the command with its errors and code 1 when there are any."""
    loaded = load(file)
    if loaded.model is None:
        show(loaded.problems, err=True)
        raise SystemExit(REFUSED)
    return loaded.model


def show(problems: Iterable[Problem], *, err: bool = False) -> None:
    """Print the problems for people."""
    for problem in problems:
        click.echo(str(problem), err=err)
