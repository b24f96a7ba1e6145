"""`headgate check`: is a configuration file valid?"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from headgate.cli.configuration import REFUSED, load, show

if TYPE_CHECKING:
    from headgate.config import Loaded


@click.command()
@click.argument("file", envvar="HEADGATE_CONFIG")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def command(file: str, as_json: bool) -> None:
    """Check FILE ("-" is standard input) and print all errors and warnings. Binds nothing.

    \b
    headgate check headgate.yaml
    headgate check --json headgate.yaml | jq '.problems[].message'

    Exit codes: 0 valid (warnings allowed), 1 errors, 2 the file cannot be read.
    """
    loaded = with_certificates(load(file))
    if as_json:
        click.echo(json.dumps(report(file, loaded), indent=2))
    else:
        show(loaded.problems)
        click.echo(verdict(file, loaded))
    if loaded.model is None:
        raise SystemExit(REFUSED)


def with_certificates(loaded: Loaded) -> Loaded:
    """What loading gave, with what is wrong in the files that the configuration names."""
    from headgate.config import compile as compile_snapshot
    from headgate.controller.loading import placed, uses_files

    if loaded.model is None or not uses_files(snapshot := compile_snapshot(loaded.model)):
        return loaded
    from headgate.controller.certificates.furnishing import furnish

    found = [placed(finding, loaded.document) for finding in furnish(snapshot, make=False).findings]
    broken = any(problem.severity == "error" for problem in found)
    problems = sorted([*loaded.problems, *found], key=lambda problem: (problem.line, problem.column))
    return replace(loaded, problems=problems, model=None if broken else loaded.model)


def report(file: str, loaded: Loaded) -> dict[str, object]:
    """The outcome as data."""
    problems = [problem.as_dict() for problem in loaded.problems]
    return {"file": file, "valid": loaded.model is not None, "problems": problems}


def verdict(file: str, loaded: Loaded) -> str:
    """The last line: what was found, or what a valid file has."""
    counts = {"error": 0, "warning": 0}
    for problem in loaded.problems:
        counts[problem.severity] += 1
    found = ", ".join(_count(number, noun) for noun, number in counts.items() if number)
    if loaded.model is None:
        return f"{file}: {found}"
    model = loaded.model
    parts = [
        (len(model.listeners), "listener"),
        (len(model.routes), "route"),
        (len(model.services), "service"),
    ]
    has = ", ".join(_count(number, noun) for number, noun in parts)
    return f"{file}: valid ({has})" + (f", {found}" if found else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
