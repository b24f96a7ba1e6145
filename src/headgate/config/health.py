"""Probes and outlier detection: as a snapshot has them, and what contradicts itself in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headgate import spec
from headgate.config.plain import items, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.config import model as written
    from headgate.config.document import Document
    from headgate.config.problems import Problem

FAST_SECONDS = 1.0
# What each key is for; others are for all types.
_OF_TYPE = {
    **dict.fromkeys(("method", "path", "headers", "statuses", "body"), "http"),
    **dict.fromkeys(("send", "expect"), "tcp"),
    "grpc_service": "grpc",
}


def health_check(section: written.HealthCheck | None, host: str) -> spec.HealthCheck | None:
    """How the endpoints of a service are probed; `host` is that of the service."""
    if section is None:
        return None
    body = section.body or ""
    return spec.HealthCheck(
        kind=section.type,
        method=section.method,
        path=section.path,
        host=section.host or host,
        headers=tuple(section.headers.items()),
        statuses=tuple(_range(text) for text in section.statuses),
        body="" if body.startswith("~") else body,
        body_regex=body[1:].strip() if body.startswith("~") else "",
        grpc_service=section.grpc_service or "",
        send=section.send or "",
        expect=section.expect or "",
        port=section.port or 0,
        interval=section.interval,
        fast_interval=section.fast_interval or min(section.interval, FAST_SECONDS),
        jitter=section.jitter,
        timeout=section.timeout,
        healthy=section.healthy,
        unhealthy=section.unhealthy,
        initial=section.initial,
    )


def _range(text: str) -> tuple[int, int]:
    if text.endswith("xx"):
        return int(text[0]) * 100, int(text[0]) * 100 + 99
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def outliers(section: written.Outliers | None) -> spec.Outliers | None:
    """When an endpoint of a service is left alone."""
    if section is None:
        return None
    return spec.Outliers(
        consecutive=section.consecutive_errors,
        error_ratio=section.error_ratio,
        latency=section.latency,
        latency_floor=section.latency_floor,
        interval=section.interval,
        minimum=section.minimum,
        ejection=section.ejection,
        longest_ejection=section.longest_ejection,
        share=section.max_ejected,
        dry_run=section.dry_run,
    )


def errors_of_health(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    """What cannot be as it is written."""
    for name, service in mapping(data.get("services")).items():
        path = ("services", name)
        check = mapping(mapping(service).get("health_check"))
        kind = check.get("type", "http")
        for key in check.keys() & _OF_TYPE.keys():
            if _OF_TYPE[key] != kind:
                yield document.problem(
                    (*path, "health_check", key),
                    f"{key} is for probes of `type: {_OF_TYPE[key]}`, and these are {kind}",
                    f"write `type: {_OF_TYPE[key]}`, or remove it",
                    key=True,
                )
        endpoints = items(mapping(service).get("endpoints"))
        if endpoints and all(mapping(each).get("backup") is True for each in endpoints):
            yield document.problem(
                (*path, "endpoints"),
                "all endpoints are spares, and of none",
                "remove `backup: true` from one",
                key=True,
            )
