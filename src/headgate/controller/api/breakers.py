"""Breakers: how they are, and operators that hold them open or closed."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headgate.controller.api.access import guarded, problem, there_are
from headgate.core import breaker
from headgate.core.breaker import BreakerState, BreakerWord
from headgate.observe.overload import breakers_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from headgate.controller.api.view import View
    from headgate.core.shared import SharedCell, SharedTable
    from headgate.spec import Service

_ORDERS = {"open": BreakerState.HELD_OPEN, "close": BreakerState.HELD_CLOSED, "auto": BreakerState.CLOSED}
_NAMES = {
    BreakerState.CLOSED: "closed",
    BreakerState.HALF_OPEN: "half_open",
    BreakerState.OPEN: "open",
    BreakerState.HELD_OPEN: "open",
    BreakerState.HELD_CLOSED: "closed",
}


def breakers_shown(shared: SharedTable, service: Service) -> Iterator[dict[str, Any]]:
    """The breakers of a service for people: one, or one for each endpoint, or none."""
    for labels, cells in breakers_of(shared, service):
        yield {"service": service.name, "endpoint": labels["endpoint"] or None, **_shown(service, cells)}


def _shown(service: Service, cells: list[SharedCell]) -> dict[str, Any]:
    """All addresses of an endpoint together: the worst state, and sums."""
    assert service.breaker is not None
    now = time.monotonic()
    worst = max(cells, key=breaker.state_in)
    state, since = breaker.state_in(worst), breaker.since_in(worst)
    counts = [breaker.counts_in(cell, service.breaker.window, now) for cell in cells]
    attempts, failures, slow = (sum(numbers) for numbers in zip(*counts, strict=True))
    return {
        "state": _NAMES[state],
        "held": state >= BreakerState.HELD_OPEN,
        "for_seconds": round(now - since, 3) if since else None,
        "window": {"attempts": attempts, "failures": failures, "slow": slow},
        "opened": sum(cell.read(BreakerWord.BREAKER_OPENED) for cell in cells),
        "refused": sum(cell.read(BreakerWord.BREAKER_REFUSED) for cell in cells),
    }


class Breakers:
    """The part of the API about breakers."""

    def __init__(self, log: logging.Logger, view: View) -> None:
        self._log = log
        self._view = view

    def routes(self) -> list[Route]:
        """Where it answers."""
        order = guarded(self.order, self._view)
        return [
            Route("/api/v1/breakers", self.show, methods=["GET"]),
            Route("/api/v1/breakers/{service}/{order}", order, methods=["POST"]),
            Route("/api/v1/breakers/{service}/endpoints/{endpoint:path}/{order}", order, methods=["POST"]),
        ]

    async def show(self, _: Request) -> Response:
        """All breakers."""
        shown = [
            one
            for service in self._view.snapshot.services
            for one in breakers_shown(self._view.shared, service)
        ]
        return JSONResponse({"breakers": shown})

    async def order(self, request: Request) -> Response:
        """Hold those of a service, or that of one of its endpoints, open or closed, or let it go."""
        name, order = request.path_params["service"], request.path_params["order"]
        endpoint = request.path_params.get("endpoint")
        services = [one for one in self._view.snapshot.services if one.breaker is not None]
        service = next((one for one in services if one.name == name), None)
        if service is None:
            return problem(404, f"there is no service {name!r} with a breaker", there_are(services))
        if order not in _ORDERS:
            return problem(404, f"there is no order {order!r}", "open, close or auto")
        found = [
            (labels["endpoint"], cells)
            for labels, cells in breakers_of(self._view.shared, service)
            if endpoint in (None, labels["endpoint"])
        ]
        if not found:
            scope = "it has one for all; name the service only, or write `scope: endpoint` in its breaker"
            endpoints = there_are(service.endpoints)
            reason = f"{name} has no breaker for an endpoint {endpoint!r}"
            return problem(404, reason, endpoints if self._per_endpoint(service) else scope)
        for label, cells in found:
            self._order(name + (f" for {label}" if label else ""), order, cells)
        shown = [
            one for one in breakers_shown(self._view.shared, service) if endpoint in (None, one["endpoint"])
        ]
        return JSONResponse({"breakers": shown})

    @staticmethod
    def _per_endpoint(service: Service) -> bool:
        return service.breaker is not None and service.breaker.scope == "endpoint"

    def _order(self, name: str, order: str, cells: list[SharedCell]) -> None:
        now = time.monotonic()
        changed = [breaker.order(cell, _ORDERS[order], now) for cell in cells]
        if any(changed):
            state = {"open": "held open", "close": "held closed", "auto": "on its own again"}[order]
            self._log.info("breaker of %s, as ordered: %s", name, state)
