"""`headgate new middleware`: a package with a middleware that works at once."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

import click

_FILES = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{package}"
version = "0.1.0"
description = "A middleware for Headgate"
requires-python = ">=3.11"
dependencies = ["headgate"]

[project.optional-dependencies]
test = ["pytest>=8"]

# The name by which configuration files know it: `type: {name}`.
[project.entry-points."headgate.middlewares"]
{name} = "{name}:{kind}"

[tool.setuptools.packages.find]
where = ["src"]
""",
    "src/{name}/__init__.py": '''\
"""A middleware for Headgate."""

from __future__ import annotations

from dataclasses import dataclass

from headgate.middleware import Exchange, Middleware, Reply, option


class {kind}(Middleware):
    """Mark what goes through, and refuse what says that it is a robot."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """What the configuration can set; each has a type, and is checked by it."""

        mark: str = option("What is written into the field X-Mark.", "seen", example="by-us")
        refuse: tuple[str, ...] = option("Words in User-Agent that are refused.", ("bot",))

    counters = {{"refused": "Requests of robots that were refused"}}

    def on_request(self, exchange: Exchange) -> Reply | None:
        """Answer robots; everybody else goes on with a mark."""
        agent = exchange.request.headers.get("user-agent", "").lower()
        if any(word in agent for word in self.options.refuse):
            self.worker.count("refused")
            return Reply(403, "no robots here\\n")
        exchange.request.headers["x-mark"] = self.options.mark
        return None

    def on_response(self, exchange: Exchange) -> None:
        """Tell the client, too."""
        exchange.response.headers["x-mark"] = self.options.mark
''',
    "tests/test_{name}.py": '''\
"""Tests of the middleware: alone, and in the whole proxy."""

from __future__ import annotations

import asyncio
from urllib.request import urlopen

from headgate.testing import GatewayStarter, Trial
from {name} import {kind}


def test_a_mark_is_written() -> None:
    """Without sockets: one exchange through one instance."""
    outcome = asyncio.run(Trial({kind}, mark="by-us").run(path="/hello"))
    assert outcome.reply is None
    assert outcome.request_header("x-mark") == "by-us"
    assert outcome.response_header("x-mark") == "by-us"


def test_robots_are_refused() -> None:
    """What it counts is there to be seen."""
    trial = Trial({kind})
    outcome = asyncio.run(trial.run(headers={{"User-Agent": "a bot"}}))
    assert outcome.status == 403
    assert trial.worker.counts == {{"refused": 1}}


def test_in_the_proxy(headgate_gateway: GatewayStarter) -> None:
    """With everything: configuration, sockets, a real answer."""
    running = headgate_gateway(
        middlewares={{"mark": {{"type": "{name}:{kind}", "mark": "by-us"}}}},
        routes=[{{"name": "all", "middlewares": ["mark"], "respond": {{"body": "hello"}}}}],
    )
    with urlopen(running.url) as response:
        assert response.read() == b"hello"
        assert response.headers["x-mark"] == "by-us"
''',
    "headgate.yaml": """\
# headgate run -c headgate.yaml; in development, changes of the code are taken up when they are saved.
process: {{ development: true }}
listeners:
  web: {{ bind: 127.0.0.1:8080 }}
routes:
  - name: all
    middlewares: [mark]
    respond: {{ body: "hello\\n" }}
middlewares:
  mark: {{ type: "{name}:{kind}", mark: by-us }}   # installed, `type: {name}` is enough
""",
    "README.md": """\
# {package}

    pip install -e ".[test]"
    pytest
    headgate run -c headgate.yaml
    curl -i http://127.0.0.1:8080/
""",
}


@click.group()
def command() -> None:
    """Write the beginning of something, to be changed."""


@command.command()
@click.argument("name")
@click.option("--into", type=click.Path(file_okay=False), default=".", help="The folder to make it in.")
def middleware(name: str, into: str) -> None:
    """Write a package with a middleware NAME, its tests and its entry point, into a folder of that name.

    \b
    headgate new middleware robot-marks
    cd robot-marks && pip install -e ".[test]" && pytest

    Exit codes: 0 it is there, 2 the name is none, or such a folder exists.
    """
    package = name.lower().replace("_", "-")
    module = package.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", module) or keyword.iskeyword(module):
        raise click.UsageError(f"{name} cannot be the name of a package: write for example robot-marks")
    folder = Path(into) / package
    if folder.exists():
        raise click.UsageError(f"{folder} is there already: remove it, or take another name")
    kind = "".join(part.capitalize() for part in module.split("_"))
    for place, text in _FILES.items():
        path = folder / place.format(name=module)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(name=module, package=package, kind=kind))
        click.echo(path)
