"""What the API looks at: the snapshot that is served, and the memory in which its live state is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headgate.core.cells import Sums
from headgate.core.shared import SharedTable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headgate.controller.rollouts import Rollouts
    from headgate.controller.rotation import Fleet
    from headgate.controller.status import Status
    from headgate.shm.region import Region
    from headgate.spec import Snapshot


@dataclass(frozen=True)
class View:
    """Handed to every part of the API. `served` gives the snapshot of now, `ask` what each worker knows."""

    region: Region
    fleet: Fleet
    status: Status
    rollouts: Rollouts
    served: Callable[[], Snapshot]
    ask: Callable[[str, str], Awaitable[list[Any]]]

    @property
    def snapshot(self) -> Snapshot:
        """What is served now."""
        return self.served()

    @property
    def shared(self) -> SharedTable:
        """What all workers know together."""
        return SharedTable(self.region.shared)

    def sums(self) -> Sums:
        """The counters of all workers, summed."""
        return Sums([self.region.slot(number) for number in range(self.status.slots)])
