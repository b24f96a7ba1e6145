"""Rollouts: how they go, and orders about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headgate.controller.api.access import guarded, problem, there_are
from headgate.controller.rollouts import RolloutRefused

if TYPE_CHECKING:
    from starlette.requests import Request

    from headgate.controller.api.view import View


class Rollouts:
    """The part of the API about rollouts."""

    def __init__(self, view: View) -> None:
        self._view = view
        rollouts = view.rollouts
        self._orders = {
            "start": rollouts.start,
            "pause": rollouts.pause,
            "resume": rollouts.resume,
            "abort": rollouts.abort,
        }

    def routes(self) -> list[Route]:
        """Where it answers."""
        order = guarded(self.order, self._view)
        return [
            Route("/api/v1/rollouts", self.show, methods=["GET"]),
            Route("/api/v1/rollouts/{route}/{order}", order, methods=["POST"]),
        ]

    async def show(self, _: Request) -> Response:
        """All rollouts."""
        routes = [one for one in self._view.snapshot.routes if one.rollout is not None]
        return JSONResponse({"rollouts": [self._view.rollouts.shown(one) for one in routes]})

    async def order(self, request: Request) -> Response:
        """Start, pause, resume or abort one."""
        name, order = request.path_params["route"], request.path_params["order"]
        routes = [one for one in self._view.snapshot.routes if one.rollout is not None]
        route = next((one for one in routes if one.name == name), None)
        if route is None:
            return problem(404, f"there is no route {name!r} with a rollout", there_are(routes))
        if order not in self._orders:
            return problem(404, f"there is no order {order!r}", ", ".join(self._orders))
        try:
            self._orders[order](route)
        except RolloutRefused as refused:
            return problem(409, refused.reason, refused.hint)
        return JSONResponse(self._view.rollouts.shown(route))
