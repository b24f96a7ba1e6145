"""More middlewares than a request can meet."""

from __future__ import annotations

import pytest

from headgate.config import load

FILE = """\
listeners:
  web: {{ bind: ':80', middlewares: [{listener}] }}
  other: {{ bind: ':81', middlewares: [{other}] }}
services:
  api: {{ endpoints: ['127.0.0.1:1'], middlewares: [{service}] }}
  small: {{ endpoints: ['127.0.0.1:2'] }}
middlewares:
  a: {{ type: trailing_slash, action: strip }}
  ten: {{ type: chain, middlewares: [{ten}] }}
  twenty: {{ type: chain, middlewares: [ten, ten] }}
routes:
  - {{ name: r, listeners: [web], middlewares: [{route}], {action} }}
  - {{ name: s, listeners: [other], match: {{ path: /s }}, {action} }}
"""


def said(
    listener: str = "",
    route: str = "ten",
    service: str = "",
    other: str = "a",
    action: str = "service: api",
) -> list[str]:
    """Errors of such a file."""
    text = FILE.format(
        ten=", ".join(["a"] * 10), listener=listener, other=other, route=route, service=service, action=action
    )
    text = text.replace(", middlewares: []", "")
    return [str(problem) for problem in load("h.yaml", text=text, environ={}).errors]


def test_as_many_as_there_can_be() -> None:
    assert said("twenty", "twenty", "twenty, a, a, a, a") == []


def test_one_more() -> None:
    (error,) = said("twenty", "twenty", "twenty, a, a, a, a, a")
    assert error == (
        "h.yaml:12:47: error: routes[0].middlewares: a request could meet 65 middlewares "
        "(20 of listener web, 20 of the route, 25 of service api)\n    take some of them out: 64 are possible"
    )


@pytest.mark.parametrize("service", ["api", "small"])
def test_a_service_that_a_middleware_may_choose(service: str) -> None:
    (error,) = said("", "twenty, twenty", "twenty, a, a, a, a, a", action=f"service: {service}")
    assert "(40 of the route, 25 of service api)" in error


def test_a_route_without_middlewares_of_its_own() -> None:
    (error,) = said("", "a", "twenty, twenty, twenty", "ten")
    assert error.startswith(
        "h.yaml:13:5: error: routes[1]: a request could meet 70 middlewares (10 of listener other,"
    )


def test_what_does_not_come_together() -> None:
    """Routes of one listener do not meet the middlewares of another, and who answers asks no service."""
    assert said("twenty, twenty", "twenty, a, a, a, a", "", "ten, twenty, twenty") == []
    assert said("ten", "twenty", "twenty, twenty", "ten", "respond: { body: hello }") == []
