"""Where rollouts are, and what was decided, from the cells that outlive the controller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.core.rollouts import Decision, Phase, Progress
from headgate.observe import families
from headgate.shm.names import rollout_cell

if TYPE_CHECKING:
    from headgate.core.shared import SharedTable
    from headgate.observe.families import Family
    from headgate.spec import Snapshot

Sample = tuple[dict[str, str], int]  # labels and value


def samples(shared: SharedTable, snapshot: Snapshot) -> dict[Family, list[Sample]]:
    """All samples by family, also of families without any."""
    found: dict[Family, list[Sample]] = {family: [] for family in families.ROLLOUTS}
    for route in snapshot.routes:
        if route.rollout is None:
            continue
        labels = {"route": route.name}
        progress = Progress(shared.cell(rollout_cell(route.name)))
        runs = progress.phase in (Phase.RUNNING, Phase.PAUSED)
        found[families.ROLLOUT_PHASE].append((labels, progress.phase))
        found[families.ROLLOUT_STEP].append((labels, progress.step + 1 if runs else 0))
        found[families.ROLLOUT_DECISIONS] += [
            (labels | {"decision": one.name.lower()}, progress.count(one)) for one in Decision
        ]
    return found
