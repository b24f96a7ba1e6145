"""The names of cells of shared state: the same in all roles, and after every reload."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.spec import Address


def service_cell(service: str) -> str:
    """The name of what is known together of a service."""
    return f"service:{service}"


def route_cell(route: str) -> str:
    """The name of what is known together of a route."""
    return f"route:{route}"


def attempts_cell(route: str) -> str:
    """The name of what is counted of the attempts of a route that has a policy for them."""
    return f"attempts:{route}"


def rollout_cell(route: str) -> str:
    """The name of where the rollout of a route is."""
    return f"rollout:{route}"


def endpoint_cell(service: str, endpoint: str, address: Address) -> str:
    """The name of what is known together of one address of an endpoint."""
    return f"endpoint:{service}/{endpoint} {address.unix or address.host} {address.port}"


def permits_cell(kind: str, name: str) -> str:
    """The name of what limits how many exchanges of a service or route run at a time."""
    return f"permits:{kind}:{name}"


def middleware_cell(middleware: str, key: str) -> str:
    """The name of words that the instances of a middleware share."""
    return f"middleware:{middleware}:{key}"


# What workers shed.
OVERLOAD_CELL = "overload"
