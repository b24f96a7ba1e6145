"""Who is in rotation, and why not, from the cells that all workers share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from headgate.core.rotation import HealthWord, RotationWord, in_rotation
from headgate.observe import families
from headgate.shm.names import endpoint_cell, service_cell

if TYPE_CHECKING:
    from headgate.core.shared import SharedTable
    from headgate.observe.families import Family
    from headgate.spec import Snapshot

Sample = tuple[dict[str, str], int]  # labels and value


def samples(shared: SharedTable, snapshot: Snapshot) -> dict[Family, list[Sample]]:
    """All samples by family, also of families without any."""
    found: dict[Family, list[Sample]] = {family: [] for family in families.ROTATION}
    now = time.monotonic()
    for service in snapshot.services:
        labels = {"service": service.name}
        cell = shared.cell(service_cell(service.name))
        found[families.SERVICE_PANICS].append((labels, cell.read(RotationWord.ROTATION_PANICS)))
        found[families.SERVICE_OUTLIERS_SPARED].append((labels, cell.read(RotationWord.ROTATION_SPARED)))
        for endpoint in service.endpoints:
            labels = {"service": service.name, "endpoint": endpoint.name}
            cells = [
                shared.cell(endpoint_cell(service.name, endpoint.name, address))
                for address in endpoint.addresses
            ]
            found[families.ENDPOINT_HEALTHY].append(
                (labels, int(any(in_rotation(one, now) for one in cells)))
            )
            for family, more, word in (
                (families.ENDPOINT_PROBES, {"result": "passed"}, HealthWord.PROBES_PASSED),
                (families.ENDPOINT_PROBES, {"result": "failed"}, HealthWord.PROBES_FAILED),
                (families.ENDPOINT_EJECTIONS, {}, HealthWord.EJECTIONS),
            ):
                found[family].append((labels | more, sum(one.read(word) for one in cells)))
    return found
