"""`headgate split`: how a running proxy divides the exchanges of its routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headgate.cli.remote import Remote, remote_options

if TYPE_CHECKING:
    from collections.abc import Iterable


@click.command()
@click.argument("route", required=False)
@click.argument("weights", nargs=-1, metavar="[NAME=WEIGHT]...")
@click.option("--activate", metavar="NAME", help="Give everything to this share (blue-green).")
@click.option("--file", "of_file", is_flag=True, help="Let the weights of the configuration hold again.")
@remote_options
def command(
    route: str | None,
    weights: tuple[str, ...],
    activate: str | None,
    remote: Remote,
    *,
    of_file: bool,
) -> None:
    """Show how the exchanges of routes go to several services, or change it. Changes hold over reloads.

    \b
    headgate split -c headgate.yaml
    headgate split shop stable=90 canary=10 -c headgate.yaml
    headgate split shop --activate green -c headgate.yaml

    Exit codes: 0 done; 1 refused, or nobody answers; 2 bad usage.
    """
    order = _order(weights, activate, of_file=of_file)
    if route is None or order is None:
        splits = remote.call("GET", "splits")["splits"]
        shown = [one for one in splits if route in (None, one["route"])]
        if route is not None and not shown:
            raise click.ClickException(f"there is no route '{route}' with several services")
    else:
        shown = [remote.call("POST", "splits", route, body=order)]
    click.echo("\n".join(_line(split) for split in shown) or "no route has several services")


def _order(weights: Iterable[str], activate: str | None, *, of_file: bool) -> dict[str, Any] | None:
    given = dict(_weight(text) for text in weights)
    if sum((bool(given), activate is not None, of_file)) > 1:
        raise click.UsageError("Weights, --activate and --file exclude each other.")
    if activate is not None:
        return {"activate": activate}
    if of_file:
        return {"weights": None}
    return {"weights": given} if given else None


def _weight(text: str) -> tuple[str, int]:
    name, _, weight = text.rpartition("=")
    if not name or not weight.isdecimal():
        raise click.BadParameter(f"'{text}' is not NAME=WEIGHT, such as canary=10.")
    return name, int(weight)


def _line(split: dict[str, Any]) -> str:
    return f"{split['route']}  " + ", ".join(f"{one['name']} {one['weight']}" for one in split["shares"])
