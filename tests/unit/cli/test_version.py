"""`headgate version`."""

from __future__ import annotations

import json
import platform

from click.testing import CliRunner

from headgate.cli.version import command
from headgate.core import build


def test_it_says_what_runs_and_how_the_core_was_built() -> None:
    shown = CliRunner().invoke(command, ["--json"])
    assert shown.exit_code == 0
    found = json.loads(shown.output)
    assert platform.python_version() in found["python"]
    assert found["core compiler"].split()[0] in {"gcc", "clang"}
    assert "-O2" in found["core flags"]
    assert found["core cython"][0].isdigit()
    assert {"headgate", "uvloop", "openssl"} <= set(found)


def test_people_get_one_line_for_each() -> None:
    lines = CliRunner().invoke(command, []).output.splitlines()
    assert any(line.split() == ["core", "cython", build.cython()] for line in lines)
