"""All parts of the API together."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from headgate.controller.api.breakers import Breakers
from headgate.controller.api.rollouts import Rollouts
from headgate.controller.api.services import Services
from headgate.controller.api.splits import Splits
from headgate.controller.api.state import State

if TYPE_CHECKING:
    from starlette.routing import Route

    from headgate.controller.api.view import View


def api(log: logging.Logger, view: View) -> list[Route]:
    """What is answered below /api/v1."""
    parts = (
        State(view),
        Services(log, view),
        Breakers(log, view),
        Splits(log, view),
        Rollouts(view),
    )
    return [route for part in parts for route in part.routes()]
