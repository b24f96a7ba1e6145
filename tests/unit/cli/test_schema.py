"""`headgate schema`."""

from __future__ import annotations

import json

from click.testing import CliRunner

from headgate import config
from headgate.cli.schema import command


def test_the_schema_is_the_one_of_the_models() -> None:
    shown = CliRunner().invoke(command, [])
    assert shown.exit_code == 0
    assert json.loads(shown.output) == config.json_schema()


def test_the_reference_names_every_section() -> None:
    shown = CliRunner().invoke(command, ["--format", "markdown"])
    assert shown.exit_code == 0
    for name in config.json_schema()["properties"]:
        assert f"`{name}`" in shown.output
