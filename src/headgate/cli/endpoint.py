"""`headgate endpoint`: orders about an endpoint of a running proxy."""

from __future__ import annotations

from typing import Any

import click

from headgate.cli.remote import Remote, remote_options
from headgate.cli.services import as_text


@click.group()
def command() -> None:
    """Give orders about an endpoint of a running proxy. They hold over reloads.

    \b
    headgate endpoint drain api 10.0.0.2:8080 -c headgate.yaml
    headgate endpoint weight api 10.0.0.2:8080 5 --admin unix:/run/headgate/admin.sock

    Exit codes: 0 done; 1 refused, or nobody answers; 2 bad usage.
    """


def _give(remote: Remote, service: str, endpoint: str, order: str, body: Any = None) -> None:
    shown = remote.call("POST", "services", service, "endpoints", endpoint, order, body=body)
    lines = as_text({"services": [{"name": service, "balance": "", "probed": True, "endpoints": [shown]}]})
    click.echo(list(lines)[1].strip())


def _order(name: str, text: str) -> None:
    @command.command(name, help=text)
    @click.argument("service")
    @click.argument("endpoint")
    @remote_options
    def give(service: str, endpoint: str, remote: Remote) -> None:
        _give(remote, service, endpoint, name)


_order("drain", "Send nothing new there; what runs is finished.")
_order("enable", "Take back a drain or disable.")
_order("disable", "Send nothing new there, and do not probe it.")


@command.command()
@click.argument("service")
@click.argument("endpoint")
@click.argument("weight")
@remote_options
def weight(service: str, endpoint: str, weight: str, remote: Remote) -> None:
    """Set its weight, a number or `file` for that of the configuration."""
    if weight != "file" and not weight.isdecimal():
        raise click.BadParameter(f"'{weight}' is neither a number nor 'file'.")
    number = None if weight == "file" else int(weight)
    _give(remote, service, endpoint, "weight", {"weight": number})


@command.command()
@click.argument("service")
@click.argument("endpoint")
@click.argument("health", type=click.Choice(["healthy", "unhealthy", "probes"]))
@remote_options
def health(service: str, endpoint: str, health: str, remote: Remote) -> None:
    """Have it count as healthy or unhealthy, whatever probes say; `probes` lets these decide."""
    _give(remote, service, endpoint, "health", {"health": health})
