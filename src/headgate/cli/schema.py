"""`headgate schema`: the configuration described for editors, and for people."""

from __future__ import annotations

import json

import click


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "markdown"]),
    default="json",
    show_default=True,
    help="JSON Schema for editors, or the reference as a page.",
)
def command(form: str) -> None:
    """Print the JSON Schema of the configuration file.

    \b
    headgate schema > headgate.schema.json

    Then let the editor know, as the first line of the file:

    \b
    # yaml-language-server: $schema=headgate.schema.json
    """
    if form == "markdown":
        from headgate.config.reference import markdown

        click.echo(markdown(), nl=False)
        return
    from headgate.config import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
