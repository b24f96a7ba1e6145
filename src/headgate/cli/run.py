"""`headgate run`: serve what a configuration file says."""

from __future__ import annotations

import sys

import click

from headgate.cli.options import log_option, single_option, workers_option


@click.command()
@click.option(
    "-c",
    "--config",
    envvar="HEADGATE_CONFIG",
    metavar="FILE",
    help="The configuration file; or HEADGATE_CONFIG.",
)
@workers_option
@log_option
@single_option
def command(config: str | None, workers: int | None, log: str | None, single: bool) -> None:
    """Serve what the configuration FILE says, in the foreground.

    \b
    headgate run -c headgate.yaml
    HEADGATE_CONFIG=headgate.yaml HEADGATE_WORKERS=2 headgate run

    \b
    SIGTERM, SIGINT   finish what runs, then stop; a second one stops at once
    SIGHUP            read the file again; a refused one changes nothing
    SIGUSR1           open log files again

    Exit codes: 0 stopped as asked; 1 the configuration is refused, or serving failed; 2 bad usage or
    environment: an unreadable file, a port in use, a missing right.
    """
    from headgate.supervisor import Options, main

    sys.exit(main(Options(config=config, workers=workers, log=log, single=single)))
