"""`headgate proxy`: serve a few targets without a configuration file."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from headgate.cli.options import log_option, single_option, workers_option


@click.command()
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@click.option(
    "-l",
    "--listen",
    metavar="ADDRESS",
    multiple=True,
    default=[":8080"],
    show_default=True,
    help="Where to listen: host:port, :port, [::]:port or unix:/path. May be given again.",
)
@click.option(
    "--balance",
    type=click.Choice(
        [
            "round_robin",
            "least_requests",
            "power_of_two",
            "least_time",
            "random",
            "first_available",
            "ip_hash",
        ]
    ),
    default="round_robin",
    show_default=True,
    help="How to choose between several targets.",
)
@click.option("--host", metavar="NAME", help="Host to send to the targets, in place of the client's.")
@click.option("--admin", metavar="ADDRESS", help="Where to serve /metrics, /healthz and /readyz.")
@click.option(
    "--access-log",
    type=click.Choice(["combined", "json", "off"]),
    default="combined",
    show_default=True,
    help="One record for each exchange, on standard output.",
)
@workers_option
@log_option
@single_option
def command(
    targets: tuple[str, ...],
    *,
    workers: int | None,
    log: str | None,
    single: bool,
    **described: Any,
) -> None:
    """Serve every request from the TARGETs: host:port, :port of this machine, unix:/path or https://host.

    \b
    headgate proxy 127.0.0.1:9001
    headgate proxy --listen :8080 --listen unix:/run/web.sock :9001 :9002
    headgate proxy --balance least_requests --admin 127.0.0.1:9080 app1:80 app2:80

    Exit codes: 0 stopped as asked; 1 serving failed; 2 bad usage or environment.
    """
    from headgate.supervisor import Options, main

    text = json.dumps(configuration(targets, **described)).encode()  # JSON is YAML
    sys.exit(main(Options(config_text=text, workers=workers, log=log, single=single)))


def configuration(
    targets: tuple[str, ...],
    *,
    listen: tuple[str, ...],
    balance: str,
    host: str | None,
    admin: str | None,
    access_log: str,
) -> dict[str, Any]:
    """What one would have written into the file."""
    names = ["web"] if len(listen) == 1 else [f"web{number}" for number in range(1, len(listen) + 1)]
    endpoints = [f"127.0.0.1{target}" if target.startswith(":") else target for target in targets]
    return {
        **({"admin": {"bind": admin}} if admin else {}),
        "access_log": access_log if access_log == "off" else {"format": access_log},
        "listeners": {name: {"bind": address} for name, address in zip(names, listen, strict=True)},
        "routes": [{"name": "all", "service": "targets"}],
        "services": {
            "targets": {"balance": balance, "endpoints": endpoints, **({"host": host} if host else {})},
        },
    }
