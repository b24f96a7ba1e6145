"""Percentages, weights and thresholds of traffic policies out of range, and what divides into itself."""

from __future__ import annotations

import pytest

from headgate.config import load

FILE = """\
listeners: {{ web: {{ bind: ':8080' }} }}
routes: [{{ name: all, match: {{ path: '/*' }}, {route} }}]
services:
  a: {{ {service} }}
  b: {{ endpoints: ['127.0.0.1:2'] }}
"""
ENDPOINTS = "endpoints: ['127.0.0.1:1']"
SHARE = "is neither off nor a share from 0.001% to 100%"


def problems(route: str = "service: a", service: str = ENDPOINTS) -> list[str]:
    """What is wrong with such a file, without what to write instead."""
    return [
        f"{problem.path}: {problem.message}"
        for problem in load(text=FILE.format(route=route, service=service), environ={}).problems
    ]


@pytest.mark.parametrize(
    ("written", "key", "message"),
    [
        ("retry_budget: { percent: -1% }", "retry_budget.percent", '"-1%" is no percentage'),
        ("retry_budget: { percent: 101% }", "retry_budget.percent", '"101%" is no percentage'),
        ("health_check: { healthy: 0 }", "health_check.healthy", '"0" is not between 1 and 1000'),
        ("health_check: { unhealthy: 1001 }", "health_check.unhealthy", '"1001" is not between 1 and 1000'),
        ("health_check: { jitter: 101% }", "health_check.jitter", f'"101%" {SHARE}'),
        ("health_check: { statuses: 600 }", "health_check.statuses", '"600" is no status'),
        ("outliers: { error_ratio: 150% }", "outliers.error_ratio", f'"150%" {SHARE}'),
        ("outliers: { max_ejected: 2 }", "outliers.max_ejected", f'"2" {SHARE}'),
        (
            "outliers: { latency: 1 }",
            "outliers.latency",
            '"1" is neither off nor a number above 1, up to 1000',
        ),
        ("panic: 101%", "panic", f'"101%" {SHARE}'),
        ("breaker: { error_ratio: 101% }", "breaker.error_ratio", f'"101%" {SHARE}'),
    ],
)
def test_of_a_service(written: str, key: str, message: str) -> None:
    assert problems(service=f"{ENDPOINTS}, {written}") == [f"services.a.{key}: {message}"]


@pytest.mark.parametrize("weight", ["-1", "1000001"])
def test_weights(weight: str) -> None:
    message = f'"{weight}" is not between 0 and 1000000'
    service = f"endpoints: [{{ address: '127.0.0.1:1', weight: {weight} }}]"
    assert problems(service=service) == [f"services.a.endpoints[0].weight: {message}"]
    route = f"services: [{{ service: a, weight: {weight} }}, {{ service: b, weight: 1 }}]"
    assert problems(route) == [f"routes[0].services[0].weight: {message}"]


def test_weights_that_choose_nothing() -> None:
    message = "all weights are 0, so that nothing can be chosen"
    assert problems("services: [{ service: a, weight: 0 }, { service: b, weight: 0 }]") == [
        f"routes[0].services: {message}"
    ]
    service = "endpoints: [{ address: '127.0.0.1:1', weight: 0 }]"
    assert problems(service=service) == [f"services.a.endpoints: {message}"]


@pytest.mark.parametrize(
    ("route", "key", "message"),
    [
        (
            "services: [{ service: a, weight: 1 }, { service: a, weight: 2 }]",
            "services[1].service",
            '"a" is already the name of a share of this route',
        ),
        (
            "service: a, mirror: { service: a }",
            "mirror.service",
            '"a" is a service of the route itself: it would get everything twice',
        ),
        (
            "service: a, mirror: { service: b, percent: 101 }",
            "mirror.percent",
            '"101" is no part from above 0 to 100 percent',
        ),
        ("service: a, hedge: { after: p95, budget: 101% }", "hedge.budget", '"101%" is no percentage'),
        ("service: a, hedge: p101", "hedge", '"p101" is neither a percentile nor a time'),
        ("service: a, retry: { attempts: 11 }", "retry.attempts", '"11" is not between 1 and 10'),
    ],
)
def test_of_a_route(route: str, key: str, message: str) -> None:
    assert problems(route) == [f"routes[0].{key}: {message}"]
