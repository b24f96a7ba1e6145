"""Why a request went to its route: what `headgate explain` shows and the log says of a 404."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headgate.core.order import FieldMatch, Route


@dataclass(frozen=True, slots=True)
class Step:
    """One route that was looked at, or was not."""

    index: int  # in the sequence that the table was built from
    route: str  # its name
    where: str  # "file:line", or ""
    host: str  # the level: "api.example.com", "*.example.com", or "" for any host
    path: str  # the path of the route that was compared, as written
    failed: str  # the first condition that failed; "" for the route that won

    def __str__(self) -> str:
        return f"{self.route}: {self.failed or 'takes the request'}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole decision, in matching order, and the routes that it did not come to."""

    winner: int  # index of the route, or -1
    steps: tuple[Step, ...]  # looked at in order; the winner is the last
    others: tuple[Step, ...]  # not looked at: for other hosts, or behind the winner
    captures: Mapping[str, str]  # named groups of the winner's regular expression
    nearest: str  # of a request that no route takes: which route came nearest, and what failed


@dataclass(frozen=True, slots=True)
class Question:
    """A request in words."""

    method: str
    host: str
    path: str
    client: str | None
    listener: str


def failure(route: Route, number: int, question: Question, *, values: bool) -> str:
    """What condition `number` of the route wanted (numbers: core/conditions.pxd).

    With `values` false nothing is quoted that the request or the configuration may keep secret.
    """
    match = route.match
    if number == 0:
        return f"listener {question.listener} is not {_either(route.listeners)}"
    if number == 1:
        return f"method {question.method} is not {_either(match.methods)}"
    if number == 2:
        return f"client {question.client or 'of a unix socket'} is not in {_either(match.client)}"
    number -= 3
    if number < len(match.headers):
        return _field_failure("header", match.headers[number], values=values)
    number -= len(match.headers)
    if number < len(match.query):
        return _field_failure("query parameter", match.query[number], values=values)
    return _field_failure("tls", match.tls[number - len(match.query)], values=values)


def path_failure(wanted: str, path: str) -> str:
    return f"path {wanted} does not match {path}"


def host_failure(hosts: Sequence[str], host: str) -> str:
    return f"host {_either(hosts)} does not match {host or 'a request without one'}"


def _field_failure(what: str, field: FieldMatch, *, values: bool) -> str:
    if field.kind == "absent":
        return f"{what} {field.name} is present"
    if field.kind == "present":
        return f"{what} {field.name} is absent"
    if not values:
        return f"{what} {field.name} has not the value asked for"
    if field.kind == "regex":
        return f"{what} {field.name} does not match ~ {field.value}"
    return f'{what} {field.name} is not "{field.value}"'


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
