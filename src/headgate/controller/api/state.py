"""Everything at once, routes, and mirrors: how they are, for whoever looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headgate.controller.api.access import guarded, problem, there_are
from headgate.controller.api.policies import attempts_shown, concurrency_shown, mirror_shown, shed_shown
from headgate.controller.api.services import service_shown
from headgate.controller.api.splits import split_shown
from headgate.core.cells import Sums, Word

if TYPE_CHECKING:
    from starlette.requests import Request

    from headgate import spec
    from headgate.controller.api.view import View


def route_shown(view: View, route: spec.Route, sums: Sums) -> dict[str, Any]:
    """A route: where it leads, and what its policies did."""
    words = sums.of(route.metric)
    snapshot = view.snapshot
    return {
        "name": route.name,
        "services": [share.service for share in route.services],
        "in_flight": words[Word.IN_FLIGHT],
        **attempts_shown(view.shared, route),
        "concurrency": concurrency_shown(
            view.shared, "route", route.name, route.concurrency, words[Word.OPEN], snapshot.process.workers
        ),
        "split": split_shown(view, route) if len(route.services) > 1 else None,
        "rollout": view.rollouts.shown(route) if route.rollout is not None else None,
        "mirror": mirror_shown(sums, route.name, route.mirror) if route.mirror is not None else None,
    }


class State:
    """The part of the API that only shows."""

    def __init__(self, view: View) -> None:
        self._view = view

    def routes(self) -> list[Route]:
        """Where it answers."""
        return [
            Route("/api/v1/state", self.show, methods=["GET"]),
            Route("/api/v1/routes", self.show_routes, methods=["GET"]),
            Route("/api/v1/routes/{route}", self.show_route, methods=["GET"]),
            Route("/api/v1/mirrors", self.show_mirrors, methods=["GET"]),
            Route("/api/v1/mirrors/{route}/samples", guarded(self.show_samples, self._view), methods=["GET"]),
        ]

    async def show(self, _: Request) -> Response:
        """All of it."""
        status, sums = self._view.status, self._view.sums()
        services = [service_shown(self._view, one, sums) for one in self._view.snapshot.services]
        routes = [route_shown(self._view, one, sums) for one in self._view.snapshot.routes]
        return JSONResponse(
            {
                "snapshot": self._view.snapshot.version,
                "workers": {"wanted": status.wanted, "serving": status.serving},
                "shed": shed_shown(self._view.shared),
                "services": services,
                "routes": routes,
            }
        )

    async def show_routes(self, _: Request) -> Response:
        """All routes."""
        sums = self._view.sums()
        return JSONResponse(
            {"routes": [route_shown(self._view, one, sums) for one in self._view.snapshot.routes]}
        )

    async def show_route(self, request: Request) -> Response:
        """One route."""
        name = request.path_params["route"]
        found = next((one for one in self._view.snapshot.routes if one.name == name), None)
        if found is None:
            return problem(404, f"there is no route {name!r}", there_are(self._view.snapshot.routes))
        return JSONResponse(route_shown(self._view, found, self._view.sums()))

    async def show_mirrors(self, _: Request) -> Response:
        """All mirrors."""
        sums = self._view.sums()
        shown = [
            mirror_shown(sums, one.name, one.mirror)
            for one in self._view.snapshot.routes
            if one.mirror is not None
        ]
        return JSONResponse({"mirrors": shown})

    async def show_samples(self, request: Request) -> Response:
        """The last differences of a mirror. They have parts of answers in them, so that not everybody may
        see them.
        """
        name = request.path_params["route"]
        routes = [one for one in self._view.snapshot.routes if one.mirror and one.mirror.compare]
        if name not in [one.name for one in routes]:
            return problem(404, f"there is no route {name!r} with a mirror that compares", there_are(routes))
        answers = await self._view.ask("mirror_samples", name)
        samples = sorted((sample for answer in answers for sample in answer), key=lambda one: one["at"])
        return JSONResponse({"samples": samples})
