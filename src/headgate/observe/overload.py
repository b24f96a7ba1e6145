"""What breakers, limits of concurrency and shedding did, from the cells that all workers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.core.breaker import BreakerWord, state_in
from headgate.core.permits import AdaptiveLimit, Permits, PermitWord
from headgate.observe import families
from headgate.shm.names import OVERLOAD_CELL, endpoint_cell, permits_cell, service_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.core.shared import SharedCell, SharedTable
    from headgate.observe.families import Family
    from headgate.spec import Concurrency, Service, Snapshot

Sample = tuple[dict[str, str], int]  # labels and value

_REASONS = {
    "full": PermitWord.REFUSED_FULL,
    "timeout": PermitWord.REFUSED_TIMEOUT,
    "displaced": PermitWord.REFUSED_DISPLACED,
}
_IMPORTANCES = ("low", "normal")  # of what is shed, by the words of the cell from 1 on


def samples(shared: SharedTable, snapshot: Snapshot) -> dict[Family, list[Sample]]:
    """All samples by family, also of families without any."""
    found: dict[Family, list[Sample]] = {family: [] for family in families.OVERLOAD}
    for service in snapshot.services:
        for labels, cells in breakers_of(shared, service):
            _add_breaker(found, labels, cells)
    limited = [("service", service.name, service.concurrency) for service in snapshot.services]
    limited += [("route", route.name, route.concurrency) for route in snapshot.routes]
    for kind, name, policy in limited:
        if policy.limits:
            cell = shared.cell(permits_cell(kind, name))
            _add_permits(
                found, {"service": "", "route": "", kind: name}, cell, policy, snapshot.process.workers
            )
    shed = shared.cell(OVERLOAD_CELL)
    found[families.SHED] += [
        ({"importance": importance}, shed.read(word)) for word, importance in enumerate(_IMPORTANCES, 1)
    ]
    return found


def breakers_of(shared: SharedTable, service: Service) -> Iterator[tuple[dict[str, str], list[SharedCell]]]:
    """The breakers of a service, each with its cells: an endpoint has one for each of its addresses."""
    if service.breaker is None:
        return
    if service.breaker.scope == "service":
        yield {"service": service.name, "endpoint": ""}, [shared.cell(service_cell(service.name))]
        return
    for endpoint in service.endpoints:
        cells = [
            shared.cell(endpoint_cell(service.name, endpoint.name, address)) for address in endpoint.addresses
        ]
        yield {"service": service.name, "endpoint": endpoint.name}, cells


def _add_breaker(found: dict[Family, list[Sample]], labels: dict[str, str], cells: list[SharedCell]) -> None:
    found[families.BREAKER_STATE].append((labels, max((int(state_in(cell)) for cell in cells), default=0)))
    for family, word in (
        (families.BREAKER_OPENED, BreakerWord.BREAKER_OPENED),
        (families.BREAKER_REFUSED, BreakerWord.BREAKER_REFUSED),
    ):
        found[family].append((labels, sum(cell.read(word) for cell in cells)))


def _add_permits(
    found: dict[Family, list[Sample]],
    labels: dict[str, str],
    cell: SharedCell,
    policy: Concurrency,
    workers: int,
) -> None:
    found[families.CONCURRENCY_LIMIT].append((labels, limit_of(cell, policy)))
    found[families.CONCURRENCY_RUNNING].append((labels, Permits(cell, -1, workers).used()))
    found[families.CONCURRENCY_QUEUED].append((labels, cell.read(PermitWord.QUEUED)))
    found[families.CONCURRENCY_LEFT].append((labels, cell.read(PermitWord.LEFT)))
    for reason, word in _REASONS.items():
        found[families.CONCURRENCY_REFUSED].append(({**labels, "reason": reason}, cell.read(word)))


def limit_of(cell: SharedCell, policy: Concurrency) -> int:
    """How many may run now; 0 for no limit."""
    if not policy.adaptive:
        return policy.limit
    return AdaptiveLimit(cell, minimum=policy.minimum, maximum=policy.most).limit()
