"""The names of cells of shared state: the same in all roles, and after every reload."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.spec import Address, Snapshot


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


def load_cell(service: str, endpoint: str, address: Address) -> str:
    """The name of what is known of how busy one address of an endpoint is."""
    return f"load:{service}/{endpoint} {address.unix or address.host} {address.port}"


def whole_load_cell(service: str) -> str:
    """The name of what is known of how busy all endpoints of a service are."""
    return f"load:{service}"


def permits_cell(kind: str, name: str) -> str:
    """The name of what limits how many exchanges of a service or route run at a time."""
    return f"permits:{kind}:{name}"


def middleware_cell(middleware: str, key: str) -> str:
    """The name of words that the instances of a middleware share."""
    return f"middleware:{middleware}:{key}"


# What workers shed.
OVERLOAD_CELL = "overload"


def cells_of(snapshot: Snapshot) -> set[str]:
    """The names of all cells that a snapshot takes and that can be given back when nobody serves it. Those of
    permits cannot: their gates may outlive its exchanges.
    """
    found = {service_cell(service.name) for service in snapshot.services}
    found |= {whole_load_cell(service.name) for service in snapshot.services}
    for route in snapshot.routes:
        found |= {route_cell(route.name), attempts_cell(route.name)}
    for service in snapshot.services:
        for endpoint in service.endpoints:
            for address in endpoint.addresses:
                found.add(endpoint_cell(service.name, endpoint.name, address))
                found.add(load_cell(service.name, endpoint.name, address))
    return found
