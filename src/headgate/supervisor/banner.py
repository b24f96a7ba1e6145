"""What start-up prints: what listens where, in one block."""

from __future__ import annotations

import os

from headgate.supervisor.sockets import Bound, Table


def banner(product: str, provider: str, workers: int, table: Table) -> str:
    """The block of lines. `provider` is where the configuration is from."""
    count = "1 worker" if workers == 1 else f"{workers} workers"
    names = [*(bound.binding.name for bound in table.values())]
    width = max((len(name) for name in names), default=0)
    lines = [f"{product} serves {provider} with {count}, pid {os.getpid()}"]
    lines += [f"  {bound.binding.name:<{width}}  {_url(bound)}" for bound in table.values()]
    return "\n".join(lines) + "\n"


def _url(bound: Bound) -> str:
    address = bound.address
    return address if address.startswith(("unix:", "fd:")) else f"{bound.binding.scheme}://{address}"
