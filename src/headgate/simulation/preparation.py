"""A snapshot as it can be simulated, and requests for those who name none."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from headgate.config.problems import ConfigError, nearest, quoted
from headgate.core.routing import RoutingTable
from headgate.simulation.scenario import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.config.problems import Problem
    from headgate.simulation.scenario import Event, Scenario
    from headgate.spec import FieldMatch, PathMatch, Route, Service, Snapshot


def fit(scenario: Scenario, snapshot: Snapshot) -> None:
    """See that the scenario speaks of what is there. Raises ConfigError with all that is not."""
    problems = [
        problem
        for index, event in enumerate(scenario.events)
        for problem in _unknown(scenario, snapshot, index, event)
    ]
    if not scenario.load.requests and not made_up(snapshot, scenario.load.clients_at()[0]):
        message = "no route leads to a service by a request that could be made up"
        problems.append(scenario.document.problem(("load",), message, "write `requests`"))
    if problems:
        raise ConfigError(problems)


def _unknown(scenario: Scenario, snapshot: Snapshot, index: int, event: Event) -> Iterator[Problem]:
    services = {service.name: service for service in snapshot.services}
    if event.service is not None and event.service not in services:
        message = f"{quoted(event.service)} is not a service of the configuration"
        yield scenario.document.problem(
            ("events", index, "service"), message, nearest(event.service, services)
        )
        return
    wanted = services.values() if event.service is None else [services[event.service]]
    known = {endpoint.name for service in wanted for endpoint in service.endpoints}
    for name in event.endpoints if isinstance(event.endpoints, tuple) else ():
        if name not in known:
            message = f"{quoted(name)} is not an endpoint of the configuration"
            yield scenario.document.problem(("events", index, "endpoints"), message, nearest(name, known))


def prepared(snapshot: Snapshot, workers: int) -> Snapshot:
    """The snapshot without what is about wires and machines: TLS, records, the memory of a process. All that
    decides about exchanges stays.
    """
    return msgspec.structs.replace(
        snapshot,
        process=msgspec.structs.replace(snapshot.process, workers=workers, memory_limit=0),
        overload=msgspec.structs.replace(snapshot.overload, memory=0),
        access_log=None,
        listeners=tuple(
            msgspec.structs.replace(listener, tls=None, hsts=None, https_redirect=None)
            for listener in snapshot.listeners
        ),
        services=tuple(_plain(service) for service in snapshot.services),
    )


def _plain(service: Service) -> Service:
    endpoints = tuple(msgspec.structs.replace(endpoint, scheme="http") for endpoint in service.endpoints)
    return msgspec.structs.replace(service, endpoints=endpoints)


def listener_of(snapshot: Snapshot, table: RoutingTable, request: Request, client: str) -> str:
    """The first listener on which a route takes the request; else the first of all."""
    for listener in snapshot.listeners:
        if _winner(table, request, listener.name, client) >= 0:
            return listener.name
    return snapshot.listeners[0].name


def made_up(snapshot: Snapshot, client: str) -> tuple[Request, ...]:
    """One request for each route that leads to a service, as far as it can be told from its conditions."""
    names = [listener.name for listener in snapshot.listeners]
    table = RoutingTable(snapshot.routes, listeners=names)
    return tuple(
        request
        for number, route in enumerate(snapshot.routes)
        if route.services
        and (request := _example(route)) is not None
        and any(_winner(table, request, name, client) == number for name in names)
    )


def _winner(table: RoutingTable, request: Request, listener: str, client: str) -> int:
    target = urlsplit(f"//x{request.path}")
    return table.winner(
        request.method,
        request.host.partition(":")[0],
        target.path,
        target.query or None,
        tuple(request.headers.items()),
        client,
        listener,
    )


def _example(route: Route) -> Request | None:
    match = route.match
    headers = dict(_fields(match.headers))
    query = "&".join(f"{name}={value}" for name, value in _fields(match.query))
    path = _path(match.path[0]) if match.path else "/"
    return Request(
        method=match.methods[0] if match.methods else "GET",
        path=f"{path}?{query}" if query else path,
        host=match.hosts[0].replace("*", "any") if match.hosts else "localhost",
        headers=headers,
    )


def _path(match: PathMatch) -> str:
    return match.value if match.kind == "exact" else f"{match.value}/" if match.kind == "prefix" else "/"


def _fields(matches: tuple[FieldMatch, ...]) -> Iterator[tuple[str, str]]:
    for match in matches:
        if match.kind in ("exact", "present"):
            yield match.name, match.value or "1"
