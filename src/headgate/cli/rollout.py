"""`headgate rollout`: the progressive rollouts of a running proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headgate.cli.remote import Remote, remote_options

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.group()
def command() -> None:
    """Start, watch and stop the progressive rollouts of a running proxy. Orders hold over reloads.

    \b
    headgate rollout start shop -c headgate.yaml
    headgate rollout status -c headgate.yaml
    headgate rollout abort shop --admin unix:/run/headgate/admin.sock

    Exit codes: 0 done; 1 refused, or nobody answers; 2 bad usage.
    """


@command.command()
@click.argument("route", required=False)
@remote_options
def status(route: str | None, remote: Remote) -> None:
    """Show where rollouts are."""
    rollouts = remote.call("GET", "rollouts")["rollouts"]
    shown = [one for one in rollouts if route in (None, one["route"])]
    if route is not None and not shown:
        raise click.ClickException(f"there is no route '{route}' with a rollout")
    click.echo("\n".join(line for one in shown for line in _lines(one)) or "no route has a rollout")


def _order(name: str, text: str) -> None:
    @command.command(name, help=text)
    @click.argument("route")
    @remote_options
    def give(route: str, remote: Remote) -> None:
        shown = remote.call("POST", "rollouts", route, name)
        click.echo("\n".join(_lines(shown)))


_order("start", "Begin with the first step.")
_order("pause", "Stay in the step that it is in.")
_order("resume", "Go on; the step begins anew.")
_order("abort", "Take everything back.")


def _lines(rollout: dict[str, Any]) -> Iterator[str]:
    step = rollout["step"]
    where = ""
    if step is not None:
        percent = rollout["steps"][step - 1]["percent"]
        where = f", step {step} of {len(rollout['steps'])} ({percent:g}%) for {rollout['for_seconds']:.0f} s"
    cause = f", because of {rollout['cause']}" if rollout["cause"] else ""
    yield f"{rollout['route']}  {rollout['to']} {rollout['phase'].replace('_', ' ')}{cause}{where}"
    for name, figures in (rollout["whole_step"] or {}).items():
        if figures["requests"]:
            yield (
                f"  {name}  {figures['requests']} exchanges, {figures['error_ratio']:.2%} failed, "
                f"p99 {figures['p99']:.3f} s"
            )
