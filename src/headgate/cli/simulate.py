"""`headgate simulate`: what a configuration would do in a scenario, found out under virtual time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from headgate.cli.configuration import REFUSED, UNREADABLE, show, valid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.simulation.scenario import Scenario
    from headgate.simulation.trial import Trial
    from headgate.spec import Snapshot

# What headgate.simulation.trial knows to leave out; not imported for it, so that `--help` needs no core.
POLICIES = ("breakers", "retries", "hedging", "outliers", "probes", "limits")


def _list(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from headgate.simulation.scenario import built_in

    known = built_in()
    width = max(map(len, known))
    click.echo("\n".join(f"{name:<{width}}  {description}" for name, description in known.items()))
    context.exit()


@click.command()
@click.argument("file", envvar="HEADGATE_CONFIG")
@click.option("--scenario", required=True, metavar="SCENARIO", help="A file, or a name that --list shows.")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list,
    help="List the scenarios that are there.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Which run; or the first of many.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=1,
    metavar="NUMBER",
    help="How many runs, one for each seed.",
)
@click.option(
    "--without",
    multiple=True,
    type=click.Choice(POLICIES),
    help="Leave a policy of the file out; may come again.",
)
@click.option("--compare", is_flag=True, help="Beside the file as it is, each of its policies left out.")
@click.option("--every-second", is_flag=True, help="A line for each second, not for each phase.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def command(
    file: str,
    scenario: str,
    seed: int,
    seeds: int,
    without: tuple[str, ...],
    *,
    compare: bool,
    every_second: bool,
    as_json: bool,
) -> None:
    """Show what FILE would do in a scenario: the exchanges are real, clients, endpoints and time are not.

    \b
    headgate simulate headgate.yaml --scenario slow-half
    headgate simulate headgate.yaml --scenario slow-half --compare
    headgate simulate headgate.yaml --scenario my-scenario.yaml --seeds 1000

    The same seed gives the same output, to the byte. Exit codes: 0 done; 1 the file or the scenario is
    refused, or something happened that must never happen; 2 bad usage, or a file cannot be read.
    """
    from headgate.config import compile as compile_snapshot
    from headgate.proxy.runtime import SnapshotRefused
    from headgate.simulation.trial import without as left_out

    if compare and seeds > 1:
        raise click.UsageError("--compare and --seeds exclude each other.")
    snapshot = left_out(compile_snapshot(valid(file)), without)
    wanted = _scenario(scenario, snapshot)
    try:
        if compare:
            _compare(snapshot, wanted, seed, as_json=as_json)
        elif seeds > 1:
            _campaign(
                snapshot, wanted, range(seed, seed + seeds), f"{file} --scenario {scenario}", as_json=as_json
            )
        else:
            _one(snapshot, wanted, seed, as_json=as_json, every_second=every_second)
    except SnapshotRefused as error:
        raise click.ClickException(f"workers refuse {file}: {error}") from None


def _scenario(name: str, snapshot: Snapshot) -> Scenario:
    from headgate.config.problems import ConfigError
    from headgate.simulation.preparation import fit
    from headgate.simulation.scenario import Unreadable, load

    try:
        scenario = load(name)
        fit(scenario, snapshot)
    except ConfigError as error:
        show(error.problems, err=True)
        raise SystemExit(UNREADABLE if isinstance(error, Unreadable) else REFUSED) from None
    return scenario


def _one(snapshot: Snapshot, scenario: Scenario, seed: int, *, as_json: bool, every_second: bool) -> None:
    from headgate.simulation.report import lines
    from headgate.simulation.trial import run

    trial = run(snapshot, scenario, seed)
    if as_json:
        click.echo(json.dumps(_data(trial), indent=2))
    else:
        click.echo("\n".join(lines(trial.outcome, every_second=every_second)))
    if trial.faults:
        _say(seed, trial)
        raise SystemExit(REFUSED)


def _compare(snapshot: Snapshot, scenario: Scenario, seed: int, *, as_json: bool) -> None:
    from headgate.simulation.report import comparison
    from headgate.simulation.trial import run, variants

    trials = {name: run(one, scenario, seed) for name, one in variants(snapshot).items()}
    if as_json:
        click.echo(json.dumps({name: _data(trial) for name, trial in trials.items()}, indent=2))
    else:
        click.echo("\n".join(comparison({name: trial.outcome for name, trial in trials.items()})))
    if any(trial.faults for trial in trials.values()):
        for trial in trials.values():
            _say(seed, trial)
        raise SystemExit(REFUSED)


def _campaign(snapshot: Snapshot, scenario: Scenario, seeds: range, call: str, *, as_json: bool) -> None:
    from headgate.simulation.report import spread
    from headgate.simulation.trial import run

    outcomes, failed = [], []
    for seed in seeds:
        trial = run(snapshot, scenario, seed)
        outcomes.append(trial.outcome)
        if trial.faults:
            failed.append(seed)
            _say(seed, trial)
            click.echo(f"    again: headgate simulate {call} --seed {seed}", err=True)
    if as_json:
        told = {"seeds": len(outcomes), "failed": failed, "figures": spread(outcomes)}
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo("\n".join(_spread_lines(spread(outcomes), len(outcomes), failed)))
    if failed:
        raise SystemExit(REFUSED)


def _spread_lines(figures: dict[str, Any], count: int, failed: list[int]) -> Iterator[str]:
    from headgate.simulation.report import table

    yield f"{count} seeds, {len(failed)} of them broke a rule"
    yield ""
    head = ("", "least", "median", "most")
    yield from table([head, *((name, *(f"{part:g}" for part in parts)) for name, parts in figures.items())])


def _data(trial: Trial) -> dict[str, Any]:
    return {**trial.outcome, "faults": list(trial.faults)}


def _say(seed: int, trial: Trial) -> None:
    for fault in trial.faults:
        click.echo(f"seed {seed}: must never happen: {fault}", err=True)
