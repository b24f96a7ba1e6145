"""What can only be said about a configuration as a whole: references, names given twice, contradictions.

The checks work on plain data, as the file has it, so that they also run when parts of it are wrong; what
has another shape than it should is left to the models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.base.errors import Refusal
from headgate.config import conditions
from headgate.config.addresses import parse_bind, parse_endpoint
from headgate.config.admin import errors_of_admin, warnings_of_admin
from headgate.config.contradictions import (
    errors_of_listeners,
    errors_of_services,
    warnings_of_listeners,
    warnings_of_services,
)
from headgate.config.divisions import errors_of_divisions, errors_of_sessions
from headgate.config.document import Document
from headgate.config.fetching import service_references
from headgate.config.health import errors_of_health
from headgate.config.overload import errors_of_overload, fallbacks
from headgate.config.plain import items as _items
from headgate.config.plain import mapping as _mapping
from headgate.config.plain import shown as _shown
from headgate.config.preferences import errors_of_subsets
from headgate.config.problems import nearest, quoted
from headgate.config.rollouts import errors_of_rollouts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.config.model import Config
    from headgate.config.problems import Problem
    from headgate.spec import Address

_ACTIONS = ("service", "services", "redirect", "respond")
_TEMPLATE_NAMES = frozenset({"scheme", "host", "port", "path", "query"})


def check(model: Config) -> list[Problem]:
    """The problems of a configuration that was built in Python."""
    document = Document(data=model.model_dump(exclude_unset=True))
    return errors_between(document) or warnings_between(document)


def errors_between(document: Document) -> list[Problem]:
    """What is wrong between the parts of a document, in no particular order."""
    data = _mapping(document.data)
    checks = (
        _listeners,
        _binds,
        errors_of_admin,
        _access_log,
        _route_names,
        _routes,
        _chains,
        _services,
        errors_of_listeners,
        errors_of_services,
        errors_of_divisions,
        errors_of_sessions,
        errors_of_rollouts,
        errors_of_health,
        errors_of_overload,
        errors_of_subsets,
    )
    return [problem for each in checks for problem in each(data, document)]


def warnings_between(document: Document) -> list[Problem]:
    """What is possible but hardly meant; worth a look when there are no errors."""
    data = _mapping(document.data)
    checks = (_middleware_twice, _unused, warnings_of_listeners, warnings_of_services, warnings_of_admin)
    return [problem for each in checks for problem in each(data, document)]


def _routes_of(data: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    routes = data.get("routes")
    for index, route in enumerate(routes if isinstance(routes, (list, tuple)) else ()):
        if isinstance(route, dict):
            yield index, route


def _near(document: Document, path: tuple[str | int, ...], value: str, known: dict[str, Any]) -> str:
    return "" if document.find(path)[0].variable else nearest(value, known)


def _listeners(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    if "listeners" in data and not data["listeners"]:
        yield document.problem(
            ("listeners",),
            "there is no listener, so that nothing can be served",
            "write for example `listeners: { web: { bind: 0.0.0.0:8080 } }`",
        )


def _bound(data: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Address, bool]]:
    """Path, address and V6ONLY of everything that is bound."""
    for name, listener in _mapping(data.get("listeners")).items():
        path: tuple[str | int, ...] = ("listeners", name, "bind")
        v6only = _mapping(_mapping(listener).get("socket")).get("v6only") not in (False, "false")
        if (address := _address(_mapping(listener).get("bind"))) is not None:
            yield path, address, v6only
    for index, bind in enumerate(_items(_mapping(data.get("admin")).get("bind"))):
        if (address := _address(bind)) is not None:
            yield ("admin", "bind", index), address, True


def _address(bind: Any) -> Address | None:
    try:
        return parse_bind(bind) if isinstance(bind, str) else None
    except Refusal:
        return None


def _binds(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    """Two listeners on the same socket; one on all addresses takes those of its port."""
    by_port: dict[object, list[tuple[tuple[str | int, ...], Address, bool]]] = {}
    for bound in _bound(data):
        path, address, v6only = bound
        if address.unix or address.fd >= 0 or address.port:
            others = by_port.setdefault((address.unix, address.fd, address.port), [])
            for other_path, other, other_v6only in others:
                if _overlap(address, v6only, other, other_v6only):
                    place, _ = document.find(other_path)
                    where = f" in line {place.line}" if document.written else ""
                    yield document.problem(
                        path,
                        f"{_shown(document, path, '')} is taken by {'.'.join(map(str, other_path[:2]))}"
                        f"{where}",
                        "give each listener an address and port of its own",
                    )
                    break
            others.append(bound)


def _overlap(a: Address, a_v6only: bool, b: Address, b_v6only: bool) -> bool:
    if a.host == b.host:
        return True
    ipv4 = [":" not in host for host in (a.host, b.host)]
    if ipv4[0] == ipv4[1]:
        return {a.host, b.host} & {"0.0.0.0", "::"} != set()
    six, six_v6only = (b, b_v6only) if ipv4[0] else (a, a_v6only)
    return six.host == "::" and not six_v6only


def _access_log(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    log = data.get("access_log")
    if not isinstance(log, dict):
        return
    if log.get("format") == "template" and not log.get("template"):
        yield document.problem(
            ("access_log",),
            '"template" is missing',
            'write for example `template: "{client} {method} {path} {status}"`',
        )
    elif log.get("template") and log.get("format", "json") != "template":
        yield document.problem(
            ("access_log", "template"),
            "a template is used by `format: template` only",
            "write `format: template`, or remove the template",
        )


def _route_names(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, route in _routes_of(data):
        name = route.get("name")
        if not isinstance(name, str):
            continue
        if name in first:
            path: tuple[str | int, ...] = ("routes", first[name], "name")
            place, _ = document.find(path)
            where = f"line {place.line}" if document.written else f"routes[{first[name]}]"
            path = ("routes", index, "name")
            yield document.problem(
                path,
                f"{_shown(document, path, name)} is already the name of the route in {where}",
                "give each route a name of its own",
            )
        else:
            first[name] = index


def _routes(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    known = {
        "listener": _mapping(data.get("listeners")),
        "middleware": _mapping(data.get("middlewares")),
        "service": _mapping(data.get("services")),
    }
    for kind, path, name in _all_references(data):
        if isinstance(name, str) and name not in known[kind]:
            yield document.problem(
                path,
                f"{_shown(document, path, name)} is no {kind} of this file",
                _near(document, path, name, known[kind]) or f"add it under {kind}s",
            )
    for index, route in _routes_of(data):
        yield from _action(("routes", index), route, document)
        yield from _weights(("routes", index, "services"), route.get("services"), document)
        yield from _templates(("routes", index), route, document)
        yield from errors_of_response(("routes", index, "respond"), _mapping(route.get("respond")), document)


def _all_references(data: dict[str, Any]) -> Iterator[tuple[str, tuple[str | int, ...], Any]]:
    """Kind, path and name of everything that routes, listeners, services and chains refer to."""
    for index, route in _routes_of(data):
        yield from _references(index, route)
    for name, value in _mapping(data.get("middlewares")).items():
        for path, service in service_references(("middlewares", name), value):
            yield "service", path, service
    for section in ("listeners", "services", "middlewares"):
        for name, value in _mapping(data.get(section)).items():
            if section == "middlewares" and _mapping(value).get("type") != "chain":
                continue
            for number, other in enumerate(_items(_mapping(value).get("middlewares"))):
                yield "middleware", (section, name, "middlewares", number), other


def _chains(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    """Chains that lead back to themselves."""
    chains = {
        name: [other for other in _items(value.get("middlewares")) if isinstance(other, str)]
        for name, value in _mapping(data.get("middlewares")).items()
        if _mapping(value).get("type") == "chain"
    }
    for name, named in chains.items():
        seen: set[str] = set()
        todo = list(named)
        while todo:
            other = todo.pop()
            if other == name:
                yield document.problem(
                    ("middlewares", name, "middlewares"),
                    f"the chain {quoted(name)} leads back to itself",
                    "take it out of the chains that it names",
                )
                break
            if other not in seen:
                seen.add(other)
                todo += chains.get(other, ())


def _references(index: int, route: dict[str, Any]) -> Iterator[tuple[str, tuple[str | int, ...], Any]]:
    """Kind, path and name of everything that a route refers to."""
    if route.get("service") is not None:
        yield "service", ("routes", index, "service"), route["service"]
    for number, share in enumerate(_items(route.get("services"))):
        if isinstance(share, dict):
            yield "service", ("routes", index, "services", number, "service"), share.get("service")
    if (mirror := _mapping(route.get("mirror")).get("service")) is not None:
        yield "service", ("routes", index, "mirror", "service"), mirror
    for key, kind in (("middlewares", "middleware"), ("listeners", "listener")):
        for number, name in enumerate(_items(route.get(key))):
            yield kind, ("routes", index, key, number), name


def _action(path: tuple[str | int, ...], route: dict[str, Any], document: Document) -> Iterator[Problem]:
    actions = [action for action in _ACTIONS if route.get(action) is not None]
    if not actions:
        yield document.problem(
            path, "the route does nothing", "write one of service, services, redirect and respond"
        )
    elif len(actions) > 1:
        yield document.problem(
            (*path, actions[1]),
            f"the route has {' and '.join(actions)}, one is possible",
            f"remove {' or '.join(actions)}",
            key=True,
        )


def _weights(path: tuple[str | int, ...], items: Any, document: Document) -> Iterator[Problem]:
    """A list of things with weights, none of which would take anything."""
    if not isinstance(items, (list, tuple)):
        return
    if not items:
        yield document.problem(path, "the list is empty", "write at least one")
    elif all(isinstance(item, dict) and item.get("weight") == 0 for item in items):
        yield document.problem(
            path, "all weights are 0, so that nothing can be chosen", "give one of them a weight above 0"
        )


def _templates(path: tuple[str | int, ...], route: dict[str, Any], document: Document) -> Iterator[Problem]:
    redirect = route.get("redirect")
    if not isinstance(redirect, dict):
        return
    if not any(redirect.get(key) is not None for key in _TEMPLATE_NAMES):
        yield document.problem(
            (*path, "redirect"),
            "the redirect leads back to where the request came from",
            "write at least one of scheme, host, port, path and query",
        )
    names = _TEMPLATE_NAMES | _groups(_mapping(route.get("match")).get("path"))
    for key in ("host", "path", "query"):
        template = redirect.get(key)
        if not isinstance(template, str):
            continue
        try:
            unknown = sorted(conditions.placeholders(template) - names)
        except Refusal:
            continue
        if unknown:
            where = (*path, "redirect", key)
            word = f" {quoted('{' + unknown[0] + '}')}" if not document.find(where)[0].variable else ""
            yield document.problem(
                where,
                f"{_shown(document, where, template)} has a name{word} that is not known here",
                f"known here: {', '.join(sorted(names))}",
            )


def _groups(paths: Any) -> frozenset[str]:
    """The named groups that all regular expressions of a match have; a path without them has none."""
    groups: list[frozenset[str]] = []
    for path in _items(paths):
        try:
            match = conditions.parse_path(path) if isinstance(path, str) else None
        except Refusal:
            continue
        groups.append(
            conditions.group_names(match.value)
            if match is not None and match.kind == "regex"
            else frozenset()
        )
    return frozenset.intersection(*groups) if groups else frozenset()


def errors_of_response(
    path: tuple[str | int, ...], respond: dict[str, Any], document: Document
) -> Iterator[Problem]:
    if respond.get("body") and str(respond.get("status")) in ("204", "205", "304"):
        yield document.problem(
            (*path, "body"),
            f"a response with status {respond['status']} has no body",
            "remove the body, or write another status",
        )
    for name in _mapping(respond.get("headers")):
        if str(name).lower() in (
            "content-length",
            "transfer-encoding",
            "connection",
            "date",
            "upgrade",
            "keep-alive",
            "trailer",
            "te",
        ):
            yield document.problem(
                (*path, "headers", name),
                f"{quoted(name)} is written by Headgate itself",
                "remove it",
                key=True,
            )


def _middleware_twice(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    for index, route in _routes_of(data):
        seen: set[str] = set()
        for number, name in enumerate(_items(route.get("middlewares"))):
            path = ("routes", index, "middlewares", number)
            if isinstance(name, str) and name in seen:
                yield document.problem(
                    path,
                    f"{_shown(document, path, name)} stands twice in this route and runs twice",
                    "remove one of the two",
                    warning=True,
                )
            if isinstance(name, str):
                seen.add(name)


def _services(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    for name, service in _mapping(data.get("services")).items():
        path: tuple[str | int, ...] = ("services", name, "endpoints")
        endpoints = _mapping(service).get("endpoints")
        if isinstance(endpoints, (list, tuple)) and not endpoints:
            yield document.problem(
                path, "the service has no endpoints", "write for example `endpoints: [127.0.0.1:9001]`"
            )
            continue
        yield from _weights(path, endpoints, document)
        seen: set[str] = set()
        for index, endpoint in enumerate(_items(endpoints)):
            address = endpoint.get("address") if isinstance(endpoint, dict) else endpoint
            if isinstance(address, str):
                known = _endpoint_name(address)
                if known in seen:
                    yield document.problem(
                        (*path, index),
                        f"{_shown(document, (*path, index), address)} is already an endpoint of this service",
                        "remove it, or give the first one a higher weight",
                    )
                seen.add(known)


def _endpoint_name(address: str) -> str:
    """The same for all ways of writing an address."""
    try:
        return parse_endpoint(address).name
    except Refusal:
        return address


def _unused(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    used: dict[str, set[str]] = {"service": set(), "middleware": set(), "listener": set()}
    for kind, _, name in _all_references(data):
        if isinstance(name, str):
            used[kind].add(name)
    used["service"] |= fallbacks(data)
    for kind in ("service", "middleware"):
        for name in _mapping(data.get(f"{kind}s")):
            if name not in used[kind]:
                yield document.problem(
                    (f"{kind}s", name),
                    f"{'no route' if kind == 'service' else 'nothing'} uses the {kind} {quoted(name)}",
                    "use it in a route, or remove it",
                    key=True,
                    warning=True,
                )
