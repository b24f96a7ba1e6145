"""`headgate demo`: three real backends, the proxy in front, and a tour of commands to try."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import click

from headgate.cli.demo.stage import Stage, StageError
from headgate.cli.demo.tour import Tour

if TYPE_CHECKING:
    from types import FrameType


@click.command()
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64), help="Worker processes.")
@click.option("--check", is_flag=True, hidden=True, help="Take the tour, compare what it shows, and end.")
def command(workers: int, check: bool) -> None:
    """Start three backends of different speed, one failing now and then, and the proxy in front of them.

    Prints a tour of commands to try in a second terminal. Ctrl-C stops everything.

    Exit codes: 0 stopped by Ctrl-C, 1 a process did not start or ended by itself.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        with Stage(workers) as stage:
            tour = Tour(stage)
            click.echo(tour.text())
            if check:
                sys.exit(tour.take())
            code = stage.wait()
            raise StageError(f"the proxy ended with code {code}")
    except StageError as error:
        raise click.ClickException(f"{error}.") from None
    except KeyboardInterrupt:
        click.echo("\nStopped.")


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End by either signal as by Ctrl-C, even where whoever started this ignores SIGINT."""
    del number, frame
    raise KeyboardInterrupt
