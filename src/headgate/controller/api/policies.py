"""What the policies of services and routes did and would allow now, as plain data."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from headgate.core.attempts import OBSTACLES, RETRY_CAUSES, AttemptWord, RetryBudget
from headgate.core.cells import MirrorWord, Word
from headgate.core.permits import Permits, PermitWord
from headgate.observe.overload import limit_of
from headgate.shm.names import OVERLOAD_CELL, attempts_cell, permits_cell, service_cell

if TYPE_CHECKING:
    from headgate.core.cells import Sums
    from headgate.core.shared import SharedTable
    from headgate.spec import Concurrency, Mirror, Route, Service


def budget_shown(shared: SharedTable, service: Service) -> dict[str, Any] | None:
    """The retry budget of a service: how many retries it would allow now, and how many it did not."""
    policy = service.retry_budget
    if policy is None:
        return None
    budget = RetryBudget(shared.cell(service_cell(service.name)), policy.percent, policy.per_second)
    return {
        "percent": policy.percent,
        "per_second": policy.per_second,
        "tokens": round(budget.tokens(time.monotonic()), 3),
        "withheld": budget.withheld,
    }


def attempts_shown(shared: SharedTable, route: Route) -> dict[str, Any]:
    """The retries and hedges of a route; None for what it has no policy for."""
    if route.retry is None and route.hedge is None:
        return {"retries": None, "hedges": None}
    cell = shared.cell(attempts_cell(route.name))

    def counted(first: int, names: tuple[str, ...]) -> dict[str, int]:
        return {name: cell.read(first + number) for number, name in enumerate(names)}

    retries = (
        {
            "attempts": route.retry.attempts,
            "made": counted(AttemptWord.RETRIED, RETRY_CAUSES),
            "withheld": counted(AttemptWord.NOT_RETRIED, OBSTACLES),
        }
        if route.retry is not None
        else None
    )
    hedges = (
        {
            "percent": route.hedge.percent,
            "delay": route.hedge.delay or cell.read(AttemptWord.HEDGE_DELAY) / 1e6 or None,
            "sent": cell.read(AttemptWord.HEDGES_SENT),
            "won": cell.read(AttemptWord.HEDGES_WON),
            "lost": cell.read(AttemptWord.HEDGES_LOST),
            "withheld": cell.read(AttemptWord.HEDGES_WITHHELD),
        }
        if route.hedge is not None
        else None
    )
    return {"retries": retries, "hedges": hedges}


def concurrency_shown(
    shared: SharedTable, kind: str, name: str, policy: Concurrency, waiting: int, workers: int
) -> dict[str, Any] | None:
    """How many of a service or route run and wait, where that is limited."""
    if not policy.limits:
        return None
    cell = shared.cell(permits_cell(kind, name))
    return {
        "limit": limit_of(cell, policy) or None,
        "adaptive": policy.adaptive,
        "limit_of_each_endpoint": policy.endpoint or None,
        "running": Permits(cell, -1, workers).used(),
        "waiting": waiting,
        "queued": cell.read(PermitWord.QUEUED),
        "refused": {
            "full": cell.read(PermitWord.REFUSED_FULL),
            "timeout": cell.read(PermitWord.REFUSED_TIMEOUT),
            "displaced": cell.read(PermitWord.REFUSED_DISPLACED),
        },
        "left": cell.read(PermitWord.LEFT),
    }


def mirror_shown(sums: Sums, route: str, mirror: Mirror) -> dict[str, Any]:
    """The copies of a route's requests, and how their answers compared."""
    copies, results = sums.of(mirror.metric), sums.of(mirror.results_metric)
    equal = results[MirrorWord.COMPARED_EQUAL]
    differing = {
        "status": results[MirrorWord.COMPARED_STATUS],
        "fields": results[MirrorWord.COMPARED_FIELDS],
        "body": results[MirrorWord.COMPARED_BODY],
    }
    compared = equal + sum(differing.values())
    return {
        "route": route,
        "service": mirror.service,
        "percent": mirror.selection.percent,
        "in_flight": copies[Word.IN_FLIGHT],
        "skipped": {
            "busy": results[MirrorWord.MIRROR_BUSY],
            "too_large": results[MirrorWord.MIRROR_TOO_LARGE],
            "incomplete": results[MirrorWord.MIRROR_INCOMPLETE],
        },
        "compared": {
            "equal": equal,
            "differing": differing,
            "impossible": results[MirrorWord.COMPARED_NOT],
            "mismatch_rate": round(sum(differing.values()) / compared, 6) if compared else None,
        }
        if mirror.compare is not None
        else None,
    }


def shed_shown(shared: SharedTable) -> dict[str, int]:
    """What workers refused because they had too much to do, by importance."""
    cell = shared.cell(OVERLOAD_CELL)
    return {"low": cell.read(1), "normal": cell.read(2)}
