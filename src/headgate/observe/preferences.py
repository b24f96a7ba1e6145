"""Which tiers and zones endpoints were chosen from, and when subsets fell back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.core.levels import LevelWord
from headgate.core.rotation import RotationWord
from headgate.observe import families
from headgate.shm.names import service_cell

if TYPE_CHECKING:
    from headgate.core.cells import Sums
    from headgate.core.shared import SharedTable
    from headgate.observe.families import Family
    from headgate.spec import Snapshot

Sample = tuple[dict[str, str], int]  # labels and value

_ZONES = ("own", "other")


def samples(sums: Sums, shared: SharedTable, snapshot: Snapshot) -> dict[Family, list[Sample]]:
    """All samples by family, also of families without any."""
    found: dict[Family, list[Sample]] = {family: [] for family in families.PREFERENCES}
    for service in snapshot.services:
        labels = {"service": service.name}
        fallbacks = shared.cell(service_cell(service.name)).read(RotationWord.ROTATION_FELL_BACK)
        found[families.SUBSET_FALLBACKS].append((labels, fallbacks))
        levels = sorted({endpoint.level for endpoint in service.endpoints})
        if len(levels) < 2:
            continue
        words = sums.of(service.levels_metric)
        for level in levels:
            place = {"tier": str(level // 2), "zone": _ZONES[level % 2]}
            found[families.LEVEL_PICKS].append((labels | place, words[LevelWord.LEVEL_PICKS + level]))
        found[families.LEVEL_SPILLED].append((labels, words[LevelWord.LEVEL_SPILLED]))
    return found
