"""Breakers, caps and shedding: as a snapshot has them, and what contradicts itself in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate import spec
from headgate.config.plain import items, mapping
from headgate.config.problems import nearest, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.config import model as written
    from headgate.config.document import Document
    from headgate.config.problems import Problem

IMPORTANCE = {"low": 0, "normal": 1, "high": 2}


def respond(answer: written.Respond | None) -> spec.Respond | None:
    """A fixed answer."""
    if answer is None:
        return None
    return spec.Respond(status=answer.status, headers=tuple(answer.headers.items()), body=answer.body)


def breaker(section: written.Breaker | None) -> spec.Breaker | None:
    """When a service is asked no more."""
    if section is None:
        return None
    return spec.Breaker(
        scope=section.scope,
        error_ratio=section.error_ratio,
        consecutive=section.consecutive,
        slow_seconds=section.latency,
        slow_ratio=round(1 - section.quantile, 6),
        statuses=section.statuses,
        window=section.window,
        minimum=section.minimum,
        open_seconds=section.open_for,
        longest_seconds=section.open_at_most,
        trials=section.trials,
        fallback=section.fallback or "",
        respond=respond(section.respond),
    )


def concurrency(section: written.RouteConcurrency) -> spec.Concurrency:
    """How many exchanges run at a time."""
    own: dict[str, Any] = dict(section)
    return spec.Concurrency(**own)


def overload(section: written.Overload) -> spec.Overload:
    """When workers shed."""
    return spec.Overload(
        lag=section.lag,
        memory=int(section.memory),
        importance_header=(section.importance_header or "").lower(),
    )


def fallbacks(data: dict[str, Any]) -> set[str]:
    """The services that answer for others."""
    breakers = [
        mapping(mapping(service).get("breaker")) for service in mapping(data.get("services")).values()
    ]
    return {breaker["fallback"] for breaker in breakers if isinstance(breaker.get("fallback"), str)}


def errors_of_overload(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    """What cannot be as it is written."""
    services = mapping(data.get("services"))
    for name, service in services.items():
        path = ("services", name, "breaker")
        breaker = mapping(mapping(service).get("breaker"))
        fallback = breaker.get("fallback")
        if fallback is not None and breaker.get("respond") is not None:
            yield document.problem(
                (*path, "respond"),
                "the breaker has fallback and respond, one is possible",
                "remove one of the two",
                key=True,
            )
        if isinstance(fallback, str) and fallback not in services:
            yield document.problem(
                (*path, "fallback"),
                f"{quoted(fallback)} is no service of this file",
                nearest(fallback, services) or "add it under services",
            )
        elif isinstance(fallback, str) and _leads_back(name, services):
            yield document.problem(
                (*path, "fallback"),
                f"{quoted(fallback)} leads back to {quoted(name)}, so that nobody would answer",
                "name a service that does not fall back to this one",
            )
        if breaker.get("error_ratio") in ("off", False) and not any(
            map(breaker.get, ("consecutive", "latency"))
        ):
            yield document.problem(
                path,
                "nothing would ever open this breaker",
                "write for example `consecutive: 5`, or `breaker: off`",
                key=True,
            )
        if (
            mapping(mapping(service).get("concurrency")).get("endpoint")
            and len(items(mapping(service).get("endpoints"))) > 64
        ):
            yield document.problem(
                ("services", name, "concurrency", "endpoint"),
                "more than 64 endpoints cannot be limited one by one",
                "limit the service instead: `limit`",
                key=True,
            )


def _leads_back(name: str, services: dict[str, Any]) -> bool:
    """Whether one fallback after the other comes to `name` again."""
    seen: set[str] = set()
    current: Any = name
    while isinstance(current, str) and current not in seen:
        seen.add(current)
        current = mapping(mapping(services.get(current)).get("breaker")).get("fallback")
    return bool(current == name)
