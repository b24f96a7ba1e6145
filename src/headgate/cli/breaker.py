"""`headgate breaker`: the breakers of a running proxy, and orders about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headgate.cli.remote import Remote, remote_options

if TYPE_CHECKING:
    from collections.abc import Iterable


@click.group()
def command() -> None:
    """Hold breakers of a running proxy open or closed. Orders hold over reloads.

    \b
    headgate breaker show -c headgate.yaml
    headgate breaker open api -c headgate.yaml
    headgate breaker auto api 10.0.0.2:8080 --admin unix:/run/headgate/admin.sock

    Without ENDPOINT it is for all breakers of the service.

    Exit codes: 0 done; 1 refused, or nobody answers; 2 bad usage.
    """


@command.command()
@remote_options
def show(remote: Remote) -> None:
    """Show all breakers."""
    _print(remote.call("GET", "breakers")["breakers"])


def _order(name: str, text: str) -> None:
    @command.command(name, help=text)
    @click.argument("service")
    @click.argument("endpoint", required=False)
    @remote_options
    def give(service: str, endpoint: str | None, remote: Remote) -> None:
        place = ("endpoints", endpoint) if endpoint is not None else ()
        _print(remote.call("POST", "breakers", service, *place, name)["breakers"])


_order("open", "Hold it open: nothing is asked, until `auto`.")
_order("close", "Hold it closed: whatever fails, it is asked, until `auto`.")
_order("auto", "Let it go by what it sees again.")


def _print(breakers: Iterable[dict[str, Any]]) -> None:
    click.echo("\n".join(_line(one) for one in breakers) or "no service has a breaker")


def _line(one: dict[str, Any]) -> str:
    name = " ".join(filter(None, (one["service"], one["endpoint"])))
    held = "held " if one["held"] else ""
    since = f" for {one['for_seconds']:.0f} s" if one["for_seconds"] is not None else ""
    counts = f"opened {one['opened']} times, refused {one['refused']}"
    return f"{name}  {held}{one['state'].replace('_', '-')}{since}, {counts}"
