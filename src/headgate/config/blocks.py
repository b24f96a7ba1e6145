"""Numbers of metric blocks: given by name, kept over reloads, never given to another name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.config.problems import ConfigError, Problem
from headgate.shm.region import BLOCKS
from headgate.spec import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterable


def assign_blocks(names: Iterable[str], previous: Metrics | None = None) -> Metrics:
    """The blocks of `names` (such as "route:api") and of all names before them. Raises ConfigError when the
    shared memory has no more blocks.
    """
    blocks = dict(previous.blocks) if previous is not None else {}
    number = previous.next if previous is not None else 1
    needed = 0
    for name in names:
        needed += 1
        if name not in blocks:
            blocks[name] = number
            number += 1
    if number > BLOCKS:
        raise ConfigError([_full(needed, retired=len(blocks) - needed)])
    return Metrics(blocks=blocks, next=number)


def _full(needed: int, retired: int) -> Problem:
    hint = (
        f"{retired} of them belong to names that were removed since the start: restart Headgate to free them"
        if needed < BLOCKS
        else "use fewer routes, services and endpoints in one Headgate"
    )
    return Problem(
        message=f"metrics need {needed + retired} blocks for listeners, routes, services and "
        f"endpoints; there are {BLOCKS - 1}",
        hint=hint,
    )
