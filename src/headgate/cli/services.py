"""`headgate services`: the services of a running proxy, and how their endpoints are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from headgate.cli.remote import Remote, remote_options

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command()
@remote_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def command(remote: Remote, *, as_json: bool) -> None:
    """Show the services of a running proxy, and how their endpoints are.

    \b
    headgate services -c headgate.yaml
    headgate services --admin unix:/run/headgate/admin.sock --json

    Exit codes: 0 shown; 1 nobody answers, or the configuration is refused; 2 bad usage.
    """
    answer = remote.call("GET", "services")
    click.echo(json.dumps(answer, indent=2) if as_json else "\n".join(as_text(answer)))


def as_text(answer: dict[str, Any]) -> Iterator[str]:
    """The answer as lines for people."""
    for service in answer["services"]:
        probed = "" if service["probed"] else ", not probed"
        yield f"{service['name']}  ({service['balance']}{probed})"
        width = max((len(one["name"]) for one in service["endpoints"]), default=0)
        for endpoint in service["endpoints"]:
            yield f"  {endpoint['name']:<{width}}  {', '.join(_words(endpoint))}"


def _words(endpoint: dict[str, Any]) -> Iterator[str]:
    yield "healthy" if endpoint["healthy"] else "unhealthy"
    if endpoint["mode"] != "enabled":
        yield endpoint["mode"]
    if (left := max((one["ejected_for"] for one in endpoint["addresses"]), default=0)) > 0:
        yield f"ejected for {left:.0f} s"
    if endpoint["backup"]:
        yield "backup"
    if endpoint["tier"]:
        yield f"tier {endpoint['tier']}"
    if endpoint["zone"]:
        yield f"zone {endpoint['zone']}"
    yield f"weight {endpoint['weight']}"
    yield f"{endpoint['in_flight']} in flight"
