"""Splits: how the exchanges of a route go to several services, and what operators make of it."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headgate.controller.api.access import guarded, problem
from headgate.controller.splits import SplitRefused, activate, forget_weights, set_weights, weights_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from headgate import spec
    from headgate.controller.api.view import View

_FORMS = 'send {"weights": {"NAME": 5}}, {"weights": null} for those of the file, or {"activate": "NAME"}'


def split_shown(view: View, route: spec.Route) -> dict[str, Any]:
    """The shares of a route, with the weights that hold now."""
    now = weights_of(view.region, route)
    return {
        "route": route.name,
        "shares": [
            {
                "name": share.name,
                "service": share.service,
                "weight": now[share.name],
                "weight_of_file": share.weight,
            }
            for share in route.services
        ],
    }


class Splits:
    """The part of the API about routes with several services."""

    def __init__(self, log: logging.Logger, view: View) -> None:
        self._log = log
        self._view = view

    def routes(self) -> list[Route]:
        """Where it answers."""
        change = guarded(self.change, self._view)
        return [
            Route("/api/v1/splits", self.show, methods=["GET"]),
            Route("/api/v1/splits/{route}", change, methods=["POST"]),
        ]

    async def show(self, _: Request) -> Response:
        """All routes that are split."""
        return JSONResponse({"splits": [split_shown(self._view, route) for route in self._split_routes()]})

    async def change(self, request: Request) -> Response:
        """Set weights, forget those that were set, or give everything to one share."""
        name = request.path_params["route"]
        route = next((one for one in self._split_routes() if one.name == name), None)
        if route is None:
            names = ", ".join(one.name for one in self._split_routes()) or "none"
            return problem(404, f"there is no route {name!r} with several services", f"there are: {names}")
        try:
            self._change(route, await request.body())
        except ValueError as error:
            return problem(400, str(error), _FORMS)
        shown = split_shown(self._view, route)
        parts = ", ".join(f"{share['name']} {share['weight']}" for share in shown["shares"])
        self._log.info("split of route %s, as ordered: %s", name, parts)
        return JSONResponse(shown)

    def _change(self, route: spec.Route, body: bytes) -> None:
        try:
            order = json.loads(body)
        except ValueError:
            raise SplitRefused("the body is no JSON") from None
        match order:
            case {"weights": None, **rest} if not rest:
                forget_weights(self._view.region, route)
            case {"weights": dict(weights), **rest} if not rest:
                set_weights(self._view.region, route, weights)
            case {"activate": str(name), **rest} if not rest:
                activate(self._view.region, route, name)
            case _:
                raise SplitRefused("the body is no order")

    def _split_routes(self) -> list[spec.Route]:
        return [route for route in self._view.snapshot.routes if len(route.services) > 1]
