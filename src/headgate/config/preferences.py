"""What cannot be as it is written of subsets of endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate.config.plain import items, mapping
from headgate.config.problems import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.config.document import Document
    from headgate.config.problems import Problem

Path = tuple[str | int, ...]


def errors_of_subsets(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    """Subsets in which there is no endpoint, or of no service."""
    services = mapping(data.get("services"))
    for index, route in enumerate(items(data.get("routes"))):
        path: Path = ("routes", index, "subset")
        subset = mapping(mapping(route).get("subset"))
        if subset and mapping(route).get("service") is None:
            yield document.problem(
                path,
                "there is no one service of which it could be a part",
                "write `service`, or a subset at each of `services`",
                key=True,
            )
        else:
            yield from _matching(path, subset, mapping(route).get("service"), services, document)
        for number, share in enumerate(items(mapping(route).get("services"))):
            yield from _matching(
                ("routes", index, "services", number, "subset"),
                mapping(mapping(share).get("subset")),
                mapping(share).get("service"),
                services,
                document,
            )


def _matching(
    path: Path, subset: dict[str, Any], name: Any, services: dict[str, Any], document: Document
) -> Iterator[Problem]:
    if not subset or name not in services:
        return
    endpoints = items(mapping(services[name]).get("endpoints"))
    labels = [mapping(mapping(endpoint).get("labels")) for endpoint in endpoints]
    if any(all(str(has.get(key)) == str(value) for key, value in subset.items()) for has in labels):
        return
    wanted = ", ".join(f"{key}: {value}" for key, value in subset.items())
    known = sorted({f"{key}: {value}" for has in labels for key, value in has.items()})
    yield document.problem(
        path,
        f"no endpoint of {quoted(str(name))} has the labels {{ {wanted} }}",
        f"its labels are {', '.join(known)}" if known else f"give some of them `labels: {{ {wanted} }}`",
        key=True,
    )
