"""The order in which routes are tried. It is fixed, so that it can be explained.

A request meets the routes of its exact host, then those of the longest wildcard that fits, of the
next shorter one and so on, then those for any host; it goes on to the next of these levels when no
route of the one before takes it. Within a level the order is:

1. explicit priority, higher first;
2. exact paths, then prefixes, the longest first, then regular expressions in file order, then
   routes without a path;
3. the number of further conditions (listeners, method, client, each header field, each query
   parameter), more first;
4. file order.

A route with several hosts or paths stands in the order once for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from headgate.core.paths import PathRefused, path_pattern
from headgate.core.regex import check_regex, compile_regex

PathKind = Literal["any", "exact", "prefix", "regex"]

KINDS: dict[PathKind, int] = {"exact": 0, "prefix": 1, "regex": 2, "any": 3}


class FieldMatch(Protocol):
    """A condition on a header field, a query parameter or a fact of TLS."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> Literal["exact", "regex", "present", "absent"]: ...
    @property
    def value(self) -> str: ...


class PathMatch(Protocol):
    @property
    def kind(self) -> PathKind: ...
    @property
    def value(self) -> str: ...


class Match(Protocol):
    """What a route takes. An empty part takes everything."""

    @property
    def hosts(self) -> Sequence[str]: ...
    @property
    def path(self) -> Sequence[PathMatch]: ...
    @property
    def methods(self) -> Sequence[str]: ...
    @property
    def headers(self) -> Sequence[FieldMatch]: ...
    @property
    def query(self) -> Sequence[FieldMatch]: ...
    @property
    def client(self) -> Sequence[str]: ...
    @property
    def tls(self) -> Sequence[FieldMatch]: ...


class Route(Protocol):
    """What the routing table reads of a route; `headgate.spec.Route` is one."""

    @property
    def name(self) -> str: ...
    @property
    def listeners(self) -> Sequence[str]: ...
    @property
    def match(self) -> Match: ...
    @property
    def priority(self) -> int: ...
    @property
    def where(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One place of a route in the order of a level."""

    route: int  # index in the given sequence
    kind: PathKind
    value: bytes  # exact, prefix: as it stands in a normalised path; regex: the pattern

    def takes(self, path: bytes) -> bool:
        """Whether the path condition holds for a normalised path."""
        if self.kind == "regex":
            return compile_regex(self.value.decode()).search(path) is not None
        if self.kind == "prefix":
            return path == self.value or path.startswith(self.value + b"/")
        return self.kind == "any" or path == self.value

    def captures(self, path: bytes) -> dict[str, str]:
        """Named groups of a regular expression that takes `path`, as Latin-1; {} of other kinds."""
        if self.kind != "regex":
            return {}
        groups = compile_regex(self.value.decode()).search(path).groupdict(b"")
        return {name.decode(): value.decode("latin-1") for name, value in groups.items()}

    def __str__(self) -> str:
        """As it is written in a configuration."""
        text = self.value.decode(errors="replace")
        return {"any": "any", "exact": text, "prefix": text + "/*", "regex": "~ " + text}[self.kind]


def levels(routes: Sequence[Route]) -> dict[str, list[Entry]]:
    """The entries of each host in matching order; "" is any host. Raises ValueError naming the route."""
    found: dict[str, list[Entry]] = {}
    for index, route in enumerate(routes):
        entries = [_entry(index, route, path) for path in route.match.path] or [Entry(index, "any", b"")]
        for host in dict.fromkeys(map(host_key, route.match.hosts)) or [""]:
            found.setdefault(host, []).extend(dict.fromkeys(entries))
    for entries in found.values():
        position = {entry: number for number, entry in enumerate(entries)}
        entries.sort(key=lambda entry: _rank(entry, routes[entry.route], position[entry]))
    return found


def host_key(host: str) -> str:
    """A host of a configuration as requests carry it: lower case, without brackets and final dot."""
    return host.lower().strip("[]").removesuffix(".")


def further_conditions(route: Route) -> int:
    match = route.match
    single = bool(route.listeners) + bool(match.methods) + bool(match.client)
    return single + len(match.headers) + len(match.query) + len(match.tls)


def _rank(entry: Entry, route: Route, position: int) -> tuple[int, ...]:
    length = len(entry.value) if entry.kind == "prefix" else 0
    conditions = 0 if entry.kind == "regex" else further_conditions(route)
    return (-route.priority, KINDS[entry.kind], -length, -conditions, position)


def _entry(index: int, route: Route, path: PathMatch) -> Entry:
    if path.kind == "any":
        return Entry(index, "any", b"")
    if path.kind == "regex":
        problem = check_regex(path.value)
        if problem is not None:
            raise ValueError(f"route {route.name}: path ~ {path.value}: {problem}")
        return Entry(index, "regex", path.value.encode())
    try:
        return Entry(index, path.kind, path_pattern(path.value) if path.value else b"")
    except PathRefused as error:
        raise ValueError(f"route {route.name}: path {path.value}: {error}") from None
