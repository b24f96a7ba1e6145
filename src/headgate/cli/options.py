"""Options that several commands have."""

from __future__ import annotations

import click

workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="NUMBER",
    help="Worker processes, in place of what the file says; or HEADGATE_WORKERS.",
)
log_option = click.option(
    "--log",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="What Headgate says about itself on standard error; or HEADGATE_LOG.",
)
single_option = click.option(
    "--single", is_flag=True, help="All roles in one process: for laptops and tests."
)
