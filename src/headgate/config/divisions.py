"""What contradicts itself in how a route divides its exchanges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.config.plain import items, mapping, section, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.config.document import Document
    from headgate.config.problems import Problem

Path = tuple[str | int, ...]


def errors_of_divisions(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    """What cannot be as it is written."""
    for index, route in enumerate(items(data.get("routes"))):
        path: Path = ("routes", index)
        yield from _shares(path, items(mapping(route).get("services")), document)
        yield from _single(path, mapping(route), document)
        yield from _fault(path, mapping(route), document)
        yield from _mirror(path, mapping(route), mapping(data.get("services")), document)


def errors_of_sessions(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    """What cannot be as it is written of sticky sessions."""
    for name, service in mapping(data.get("services")).items():
        sticky = section(mapping(service).get("sticky"), "by")
        path: Path = ("services", name, "sticky")
        if sticky.get("secret") and sticky.get("secret_file"):
            yield document.problem(
                (*path, "secret_file"), "there are two secrets", "remove secret or secret_file", key=True
            )
        if sticky.get("learn"):
            for key in ("by", "name", "path", "domain", "same_site", "secure", "secret", "secret_file"):
                if sticky.get(key) is not None:
                    yield document.problem(
                        (*path, key),
                        "what is learned is in a cookie of the service itself: Headgate sets none",
                        "remove it, or `learn`",
                        key=True,
                    )
        elif sticky.get("by") == "header":
            for key in ("path", "domain", "same_site", "secure"):
                if sticky.get(key) is not None:
                    yield document.problem(
                        (*path, key),
                        "a header has no such thing",
                        "write `by: cookie`, or remove it",
                        key=True,
                    )


def _shares(path: Path, shares: Any, document: Document) -> Iterator[Problem]:
    """Two shares of one name cannot be told from each other."""
    seen: set[str] = set()
    for number, share in enumerate(shares):
        key = "name" if mapping(share).get("name") else "service"
        name = mapping(share).get(key)
        where = (*path, "services", number, key)
        if isinstance(name, str) and name in seen:
            yield document.problem(
                where,
                f"{shown(document, where, name)} is already the name of a share of this route",
                "remove one of the two, or give it another `name`",
            )
        seen.add(str(name))


def _fault(path: Path, route: dict[str, Any], document: Document) -> Iterator[Problem]:
    fault = route.get("fault")
    if not isinstance(fault, dict):
        return
    where = (*path, "fault")
    if route.get("redirect") is not None or route.get("respond") is not None:
        yield document.problem(
            where,
            "nothing can go wrong: the route answers itself",
            "remove it, or write a service",
            key=True,
        )
    elif not any(fault.get(key) for key in ("delay", "abort", "slow_body")):
        yield document.problem(
            where, "it does not say what goes wrong", "write delay, abort or slow_body", key=True
        )
    elif fault.get("abort") and fault.get("slow_body"):
        yield document.problem(
            (*where, "slow_body"),
            "an answer that no service gives is not slow",
            "remove abort or slow_body",
            key=True,
        )


def _mirror(
    path: Path, route: dict[str, Any], services: dict[str, Any], document: Document
) -> Iterator[Problem]:
    mirror = mapping(route.get("mirror"))
    if not mirror:
        return
    where = (*path, "mirror", "service")
    name = mirror.get("service")
    own = [route.get("service"), *(mapping(share).get("service") for share in items(route.get("services")))]
    if not any(own):
        yield document.problem(
            (*path, "mirror"),
            "there is nothing to copy: the route answers itself",
            "remove it, or write a service",
            key=True,
        )
    elif name in own:
        yield document.problem(
            where,
            f"{shown(document, where, name)} is a service of the route itself: it would get everything twice",
            "name another service",
        )
    header = section(mapping(services.get(str(name))).get("proxy_protocol"), "version")
    if header.get("version", "off" if not header else "v2") not in ("off", False):
        yield document.problem(
            where,
            f"{shown(document, where, name)} wants the PROXY protocol, and a copy is no client's own",
            "name a service without proxy_protocol",
        )


def _single(path: Path, route: dict[str, Any], document: Document) -> Iterator[Problem]:
    """What chooses among several services where there are none."""
    if len(items(route.get("services"))) > 1:
        return
    for key in ("sticky", "variant_header"):
        if route.get(key) is not None:
            yield document.problem(
                (*path, key),
                "there is nothing to choose from: the route has no two services",
                "write `services` with two or more, or remove it",
                key=True,
            )
