"""What start-up prints: what listens where, in one block."""

from __future__ import annotations

import os

from headgate.supervisor.edition import Edition
from headgate.supervisor.sockets import Table


def banner(edition: Edition, table: Table) -> str:
    """The block of lines."""
    workers = "1 worker" if edition.workers == 1 else f"{edition.workers} workers"
    names = [*(bound.binding.name for bound in table.values())]
    width = max((len(name) for name in names), default=0)
    lines = [f"{edition.product} serves {edition.provider} with {workers}, pid {os.getpid()}"]
    lines += [f"  {bound.binding.name:<{width}}  {_url(bound.address)}" for bound in table.values()]
    return "\n".join(lines) + "\n"


def _url(address: str) -> str:
    return address if address.startswith(("unix:", "fd:")) else f"http://{address}"
