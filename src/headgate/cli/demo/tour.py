"""The tour: commands to try against the demo, printed for people and taken by the tests, word for word."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from headgate.cli.demo.stage import Stage

COMMAND_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Step:
    """One command and a pattern that its output must match."""

    title: str
    command: str
    shows: str


def steps(stage: Stage) -> list[Step]:
    """The commands of the tour, for the ports and processes of this stage."""
    web, admin = f"http://127.0.0.1:{stage.web}", f"http://127.0.0.1:{stage.admin}"
    file, pid = stage.file, stage.proxy.pid
    return [
        Step(
            "A request through the proxy.",
            f"curl -i {web}/hello",
            r"HTTP/1.1 200 OK\r\n(?s:.*)swift: GET /hello",
        ),
        Step(
            "What the backend received: forwarding fields were added.",
            f"curl {web}/headers",
            r"(?i)x-forwarded-for: 127\.0\.0\.1(?s:.*)x-request-id: ",
        ),
        Step(
            "Balancing over three backends; swift has weight 2.",
            f"for i in $(seq 12); do curl -s {web}/all/$i; done",
            r"(?s)(?=.*^swift: )(?=.*^steady: )(?=.*^moody: )",
        ),
        Step(
            "moody is slow, and every 7th of its requests fails: what a backend answers is passed on.",
            f"for i in $(seq 7); do curl -s -o /dev/null -w '%{{http_code}} ' {web}/moody/; done; echo",
            r"200 (?s:.*)503 ",
        ),
        Step(
            "A redirect, followed.",
            f"curl -sL -w '%{{num_redirects}} redirect to %{{url_effective}}\\n' {web}/old",
            rf"swift: GET /hello(?s:.*)1 redirect to {re.escape(web)}/hello",
        ),
        Step(
            "Nothing matches this one: a 404 made by the proxy, which names itself as the cause.",
            f"curl -i {web}/nowhere",
            r"HTTP/1.1 404 Not Found\r\n(?s:.*)(?i:proxy-status: )",
        ),
        Step(
            "Why? Every route, and the first condition of it that failed.",
            f"headgate explain POST {web}/moody/ -c {file}",
            r"(?s)moody.*method",
        ),
        Step(
            "Metrics of all workers, summed.",
            f"curl -s {admin}/metrics | grep '^headgate_.*hello'",
            r'route="hello"',
        ),
        Step(
            "Check a file before it is used: this one has a typing error.",
            f"sed 's/round_robin/round_robbin/' {file} | headgate check -",
            r'round_robbin(?s:.*)did you mean "round_robin"',
        ),
        Step(
            "Change the configuration and reload: no connection is refused meanwhile.",
            f"sed -i 's/short and stout/here is my handle/' {file} && kill -HUP {pid} && echo reloading",
            r"reloading",
        ),
        Step(
            "The new answer, as soon as the reload is done.",
            f"until curl -s {web}/teapot | grep handle; do sleep 0.1; done",
            r"here is my handle",
        ),
        Step(
            "Kill all workers and the controller: the request waits in a socket that the supervisor holds.",
            f"pkill -KILL -P {pid} && curl -s {web}/hello",
            r"swift: GET /hello",
        ),
    ]


class Tour:
    """The steps for one stage: as text, or taken one after the other."""

    def __init__(self, stage: Stage) -> None:
        self._steps = steps(stage)
        self._stage = stage
        self._path = _path_line()

    def text(self) -> str:
        """The printed tour."""
        stage = self._stage
        lines = [
            "",
            f"Headgate listens on http://127.0.0.1:{stage.web}, its admin address is http://127.0.0.1:{stage.admin}.",
            "Backends: " + ", ".join(f"{name} on port {port}" for name, port in stage.ports.items()) + ".",
            f"Configuration: {stage.file}",
            "",
            "Try these in a second terminal; the access log appears here. Ctrl-C stops everything.",
        ]
        if self._path:
            lines += ["", "    " + self._path]
        for number, step in enumerate(self._steps, 1):
            lines += ["", click.style(f"{number:2}. {step.title}", bold=True), f"    {step.command}"]
        return "\n".join([*lines, ""])

    def take(self) -> int:
        """Run every command as printed and compare what it shows; returns 1 when one differed, else 0."""
        for number, step in enumerate(self._steps, 1):
            seen = self._run(step)
            good = re.search(step.shows, seen, re.MULTILINE) is not None
            click.echo(f"{'ok    ' if good else 'WRONG '} {number:2}. {step.title}")
            if not good:
                click.echo(f"{step.command}\nshould show {step.shows!r}, but showed:\n{seen}")
                return 1
        return 0

    def _run(self, step: Step) -> str:
        """The output of the command."""
        done = subprocess.run(
            ["bash", "-c", f"{self._path}\n{step.command}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return done.stdout.decode(errors="replace")


def _path_line() -> str:
    """The line that makes `headgate` the one that runs here; "" where it is that already."""
    here = Path(sys.executable).parent
    if shutil.which("headgate") == str(here / "headgate"):
        return ""
    return f"export PATH={shlex.quote(str(here))}:$PATH"
