"""Services and their endpoints: how they are, and what operators order."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headgate.controller.api.access import guarded, problem, there_are
from headgate.controller.api.breakers import breakers_shown
from headgate.controller.api.policies import budget_shown, concurrency_shown
from headgate.core.cells import Word
from headgate.core.outliers import Reason
from headgate.core.rotation import HealthWord, Mode, ProbeState, Verdict, healthy

if TYPE_CHECKING:
    from starlette.requests import Request

    from headgate.controller.api.view import View
    from headgate.controller.rotation import LiveEndpoint
    from headgate.core.cells import Sums
    from headgate.spec import Endpoint, Service

MOST_WEIGHT = 1_000_000
_MODES = {"drain": Mode.DRAINING, "enable": Mode.ENABLED, "disable": Mode.DISABLED}
_VERDICTS = {"probes": Verdict.BY_PROBES, "healthy": Verdict.HEALTHY, "unhealthy": Verdict.UNHEALTHY}


def service_shown(view: View, service: Service, sums: Sums) -> dict[str, Any]:
    """A service, its policies and its endpoints."""
    words = sums.of(service.metric)
    workers = view.snapshot.process.workers
    return {
        "name": service.name,
        "balance": service.balance.algorithm,
        "probed": service.health_check is not None,
        "in_flight": words[Word.IN_FLIGHT],
        "breakers": list(breakers_shown(view.shared, service)),
        "retry_budget": budget_shown(view.shared, service),
        "concurrency": concurrency_shown(
            view.shared, "service", service.name, service.concurrency, words[Word.OPEN], workers
        ),
        "endpoints": [_endpoint(view, service, one, sums) for one in service.endpoints],
    }


def _endpoint(view: View, service: Service, endpoint: Endpoint, sums: Sums) -> dict[str, Any]:
    lives = view.fleet.of(service.name, endpoint)
    addresses = [_address(live) for live in lives]
    orders = lives[0].orders if lives else None
    return {
        "name": endpoint.name,
        "mode": orders.mode.name.lower() if orders else "enabled",
        "weight": endpoint.weight if orders is None or orders.weight is None else orders.weight,
        "weight_of_file": endpoint.weight,
        "backup": endpoint.backup,
        "tier": endpoint.level // 2,
        "zone": endpoint.zone or None,
        "labels": dict(endpoint.labels),
        "healthy": any(one["healthy"] for one in addresses),
        "ordered_health": _name(_VERDICTS, orders.verdict) if orders else "probes",
        "in_flight": sums.of(endpoint.metric)[Word.IN_FLIGHT],
        "addresses": addresses,
    }


class Services:
    """The part of the API about services."""

    def __init__(self, log: logging.Logger, view: View) -> None:
        self._log = log
        self._view = view

    def routes(self) -> list[Route]:
        """Where it answers."""
        endpoint = "/api/v1/services/{service}/endpoints/{endpoint:path}"
        return [
            Route("/api/v1/services", self.show, methods=["GET"]),
            Route("/api/v1/services/{service}", self.show_one, methods=["GET"]),
            Route(endpoint + "/{order:str}", guarded(self.order, self._view), methods=["POST"]),
        ]

    async def show(self, _: Request) -> Response:
        """All services."""
        sums = self._view.sums()
        shown = [service_shown(self._view, one, sums) for one in self._view.snapshot.services]
        return JSONResponse({"services": shown})

    async def show_one(self, request: Request) -> Response:
        """One service."""
        name = request.path_params["service"]
        found = self._find(name)
        if found is None:
            return self._unknown(name)
        return JSONResponse(service_shown(self._view, found, self._view.sums()))

    def _find(self, name: str) -> Service | None:
        return next((one for one in self._view.snapshot.services if one.name == name), None)

    def _unknown(self, name: str) -> Response:
        return problem(404, f"there is no service {name!r}", there_are(self._view.snapshot.services))

    async def order(self, request: Request) -> Response:
        """Drain, enable or disable an endpoint, or set its weight or health."""
        service, name, order = (request.path_params[key] for key in ("service", "endpoint", "order"))
        found = self._find(service)
        if found is None:
            return self._unknown(service)
        endpoint = next((one for one in found.endpoints if one.name == name), None)
        if endpoint is None:
            return problem(404, f"{service} has no endpoint {name!r}", there_are(found.endpoints))
        try:
            change = _change(order, await request.body())
        except ValueError as error:
            return problem(*error.args)
        for live in self._view.fleet.of(service, endpoint):
            live.order(replace(live.orders, **change))
        shown = ", ".join(f"{key} {_shown(value)}" for key, value in change.items())
        self._log.info("endpoint %s of %s, as ordered: %s", name, service, shown)
        return JSONResponse(_endpoint(self._view, found, endpoint, self._view.sums()))


def _address(live: LiveEndpoint) -> dict[str, Any]:
    address = live.identity[2]
    state = live.probe_state
    ejected_for = live.ejected_for
    reason = live.cell.read(HealthWord.EJECTION) & 0xFF
    return {
        "address": f"unix:{address.unix}" if address.unix else f"{address.host}:{address.port}",
        "healthy": healthy(live.cell, time.monotonic()),
        "probes": "unknown" if state is ProbeState.PROBE_AWAITED else state.name[6:].lower(),
        "ejected_for": round(ejected_for, 3),
        "ejected_because": Reason(reason).name.lower() if ejected_for and reason else None,
        "ejections": live.cell.read(HealthWord.EJECTIONS),
    }


def _change(order: str, body: bytes) -> dict[str, Any]:
    """What an order changes. Raises ValueError with status, reason and hint."""
    if order in _MODES:
        return {"mode": _MODES[order]}
    if order not in ("weight", "health"):
        raise ValueError(404, f"there is no order {order!r}", "drain, enable, disable, weight or health")
    try:
        value = json.loads(body)[order]
    except (ValueError, KeyError, TypeError):
        raise ValueError(400, f"the body has no {order}", f'send JSON such as {{"{order}": ...}}') from None
    if order == "health":
        if value not in _VERDICTS:
            raise ValueError(400, "health is none of healthy, unhealthy and probes", "write one of them")
        return {"verdict": _VERDICTS[value]}
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (whole and 0 <= value <= MOST_WEIGHT):
        raise ValueError(
            400, f"weight is no whole number from 0 to {MOST_WEIGHT}", "null is that of the file"
        )
    return {"weight": value}


def _name(words: dict[str, Verdict], value: Verdict) -> str:
    return next(word for word, meant in words.items() if meant is value)


def _shown(value: object) -> str:
    return value.name.lower().replace("_", " ") if isinstance(value, Mode | Verdict) else str(value)
