"""Weights of a route's services, changed while it runs: in the shared memory, for all workers at once.

They hold until they are set again or forgotten, over reloads and new workers, as long as the route has
services of the same names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.core import splits
from headgate.core.shared import SharedTable
from headgate.shm.names import route_cell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.core.shared import SharedCell
    from headgate.shm.region import Region
    from headgate.spec import Route


class SplitRefused(ValueError):
    """The route cannot be split like that; the text says why."""


def weights_of(region: Region, route: Route) -> dict[str, int]:
    """The weights that hold now, by the names of the shares."""
    found = splits.weights_set(_cell(region, route), _names(route))
    return dict(zip(_names(route), found or [share.weight for share in route.services], strict=True))


def set_weights(region: Region, route: Route, weights: Mapping[str, int]) -> dict[str, int]:
    """Change some weights or all; the others stay as they are. Returns those that hold now. Raises
    SplitRefused.
    """
    names = _names(route)
    if len(names) < 2:
        raise SplitRefused(f"route {route.name} has one service or none, so that nothing can be split")
    if unknown := sorted(weights.keys() - set(names)):
        raise SplitRefused(f"route {route.name} has no {unknown[0]}; it has {', '.join(names)}")
    now = weights_of(region, route) | dict(weights)
    try:
        splits.set_weights(_cell(region, route), names, [now[name] for name in names])
    except (ValueError, TypeError) as error:
        raise SplitRefused(f"route {route.name}: {error}") from None
    return weights_of(region, route)


def activate(region: Region, route: Route, name: str) -> dict[str, int]:
    """Blue-green: all exchanges go to this share from now on. Raises SplitRefused."""
    if name not in _names(route):
        raise SplitRefused(f"route {route.name} has no {name}; it has {', '.join(_names(route))}")
    return set_weights(region, route, {other: 100 * (other == name) for other in _names(route)})


def forget_weights(region: Region, route: Route) -> dict[str, int]:
    """Let the weights of the configuration hold again."""
    splits.forget_weights(_cell(region, route))
    return weights_of(region, route)


def _names(route: Route) -> list[str]:
    return [share.name for share in route.services]


def _cell(region: Region, route: Route) -> SharedCell:
    return SharedTable(region.shared).cell(route_cell(route.name))
