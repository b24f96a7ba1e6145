"""Rollouts: as a snapshot has them, and what contradicts itself in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate import spec
from headgate.config.plain import items, mapping, shown
from headgate.core.splits import MOST_SHARES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.config import model as written
    from headgate.config.document import Document
    from headgate.config.problems import Problem

Path = tuple[str | int, ...]


def rollout(section: written.Rollout | None) -> spec.Rollout | None:
    """How a share of a route grows."""
    if section is None:
        return None
    return spec.Rollout(
        to=section.to,
        steps=tuple(spec.RolloutStep(percent=one.weight, seconds=one.duration) for one in section.steps),
        error_margin=section.max_error_ratio,
        p99_factor=section.p99,
        minimum=section.minimum,
        window=section.window,
        by_file=section.start == "file",
    )


def errors_of_rollouts(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    """What cannot be as it is written."""
    for index, route in enumerate(items(data.get("routes"))):
        section = mapping(mapping(route).get("rollout"))
        if section:
            path: Path = ("routes", index, "rollout")
            yield from _shares(path, section, items(mapping(route).get("services")), document)
            yield from _steps((*path, "steps"), items(section.get("steps")), document)


def _shares(path: Path, section: dict[str, Any], shares: list[Any], document: Document) -> Iterator[Problem]:
    if len(shares) < 2:
        yield document.problem(
            path,
            "there is nothing to grow at the cost of: the route has no two services",
            "write `services` with two or more, or remove it",
            key=True,
        )
        return
    names = [mapping(share).get("name") or mapping(share).get("service") for share in shares]
    to = section.get("to")
    if isinstance(to, str) and to not in names:
        where = (*path, "to")
        yield document.problem(
            where,
            f"{shown(document, where, to)} is no share of this route",
            f"name one of {', '.join(map(str, names))}",
        )
        return
    if len(shares) > MOST_SHARES:
        yield document.problem(
            path,
            f"weights of more than {MOST_SHARES} shares cannot be changed while Headgate runs",
            "write fewer shares, or remove it",
            key=True,
        )
    others = [mapping(share) for name, share in zip(names, shares, strict=True) if name != to]
    if all(other.get("weight", 1) in (0, "0") for other in others):
        yield document.problem(
            path,
            "the other shares have weight 0: nobody gets what it does not get",
            "give one of them a weight",
            key=True,
        )


def _steps(path: Path, steps: list[Any], document: Document) -> Iterator[Problem]:
    before = 0.0
    for number, step in enumerate(steps):
        where = (*path, number, "weight")
        percent = _percent(mapping(step).get("weight"))
        if percent is None:
            continue  # the models say it
        if percent <= before:
            yield document.problem(
                where,
                f"{shown(document, where, percent)} is not more than the step before",
                "write steps that grow, such as 1%, 10%, 50%, 100%",
            )
        before = percent


def _percent(value: Any) -> float | None:
    try:
        return float(str(value).removesuffix("%"))
    except ValueError:
        return None
