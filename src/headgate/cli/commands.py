"""The group of commands. Each command lives in a module of its own and is imported only when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

import click


class Entry(NamedTuple):
    """Where a command is, and the line that `headgate --help` shows for it."""

    module: str
    help: str


COMMANDS = {
    "run": Entry("headgate.cli.run", "Serve what a configuration file says."),
    "proxy": Entry("headgate.cli.proxy", "Serve one listener in front of a few targets, without a file."),
    "check": Entry("headgate.cli.check", "Check a configuration file; binds nothing."),
    "explain": Entry("headgate.cli.explain", "Show which route a request takes, and why not the others."),
    "services": Entry("headgate.cli.services", "Show the services of a running proxy, and their endpoints."),
    "endpoint": Entry("headgate.cli.endpoint", "Drain, enable or disable an endpoint of a running proxy."),
    "split": Entry("headgate.cli.split", "Show or change how routes of a running proxy divide exchanges."),
    "new": Entry("headgate.cli.new", "Write a package with a middleware of your own."),
    "ca": Entry("headgate.cli.ca", "Print or install the root of the local authority of `tls: internal`."),
    "schema": Entry("headgate.cli.schema", "Print the JSON Schema of the configuration, for editors."),
    "demo": Entry(
        "headgate.cli.demo", "Start three backends, a proxy in front, and a tour of things to try."
    ),
    "version": Entry("headgate.cli.version", "Print versions, and how the core was built."),
    "completion": Entry("headgate.cli.completion", "Print the completion script of a shell."),
}


class Commands(click.Group):
    """A group that knows the names and help lines of its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of a first acquaintance."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command `cmd_name`, or return None when there is none."""
        del ctx
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = import_module(entry.module).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, so that help imports nothing."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and suggest the nearest one for a name that is none."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else " See 'headgate --help'."
            ctx.fail(f"There is no command '{name}'.{hint}")
        return super().resolve_command(ctx, args)


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 as asked, 1 refused or failed, 2 bad usage or environment.",
)
@click.version_option(package_name="headgate", prog_name="headgate", message="%(prog)s %(version)s")
def headgate() -> None:
    """Headgate: a reverse proxy, load balancer and API gateway.

    \b
    headgate proxy --listen :8080 127.0.0.1:9001 127.0.0.1:9002
    headgate run -c headgate.yaml
    headgate explain GET http://api.example.com/v1/users -c headgate.yaml
    headgate demo
    """
