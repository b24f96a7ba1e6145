"""The load of endpoints, as far as balancers ask for it: one for each, however often snapshots change."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

from headgate.core.balancers import looks_at_load
from headgate.core.load import Load, WholeLoad
from headgate.shm.names import load_cell, whole_load_cell

if TYPE_CHECKING:
    from headgate import spec
    from headgate.core.shared import SharedTable
    from headgate.proxy.snapshot import Endpoint


Kind = TypeVar("Kind", Load, WholeLoad)


class Loads:
    """One per worker, whose slot is `worker`."""

    def __init__(self, shared: SharedTable, worker: int) -> None:
        self._shared = shared
        self._worker = worker
        # An endpoint that is gone may be back while exchanges of its former life are under way.
        self._loads: WeakValueDictionary[str, Load] = WeakValueDictionary()
        self._wholes: WeakValueDictionary[str, WholeLoad] = WeakValueDictionary()

    def attach(
        self, endpoint: Endpoint, service: spec.Service, identity: tuple[str, str, spec.Address], workers: int
    ) -> None:
        """Count what an endpoint has to do, if the service's balancer asks for it. Raises TableFull."""
        balance = service.balance
        if not looks_at_load(balance.algorithm, balance.bounded_load):
            return
        load = self._known(self._loads, Load, load_cell(*identity), workers)
        endpoint.share(load)
        if balance.bounded_load:
            load.join(self._known(self._wholes, WholeLoad, whole_load_cell(service.name), workers))

    def _known(self, kept: WeakValueDictionary[str, Kind], kind: type[Kind], name: str, workers: int) -> Kind:
        found = kept.get(name)
        if found is None:
            found = kept[name] = kind(self._shared.cell(name), self._worker, workers)
        found.set_workers(workers)
        return found
