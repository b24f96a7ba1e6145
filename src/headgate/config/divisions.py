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


def errors_of_sessions(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    """What cannot be as it is written of sticky sessions."""
    for name, service in mapping(data.get("services")).items():
        sticky = section(mapping(service).get("sticky"), "by")
        path: Path = ("services", name, "sticky")
        if sticky.get("secret") and sticky.get("secret_file"):
            yield document.problem(
                (*path, "secret_file"), "there are two secrets", "remove secret or secret_file", key=True
            )
        if sticky.get("by") == "header":
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
