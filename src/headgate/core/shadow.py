"""Routes that can never match, because earlier ones take everything that they could match.

Conservative: what is reported is certain; what is not reported may still be so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from headgate.core.addresses import address_ranges
from headgate.core.order import Entry, FieldMatch, Route
from headgate.core.regex import compile_regex, literal_prefix

# Earlier entries compared with one entry, at most, so that any configuration is checked in time.
MOST_COMPARED = 256


def shadowed(
    routes: Sequence[Route], levels: Mapping[str, Sequence[Entry]], listeners: Sequence[str]
) -> list[tuple[int, int]]:
    """Pairs (route that can never match, an earlier route that takes what it could), in file order.

    A route counts only when each of its places in the order is taken.
    """
    takers: dict[int, int | None] = {}
    for entries in levels.values():
        for entry, taker in _level(routes, entries, listeners):
            if takers.setdefault(entry.route, taker) is not None and taker is None:
                takers[entry.route] = None
    return sorted((route, taker) for route, taker in takers.items() if taker is not None)


def _level(
    routes: Sequence[Route], entries: Sequence[Entry], listeners: Sequence[str]
) -> Iterator[tuple[Entry, int | None]]:
    earlier: dict[tuple[str, bytes], list[int]] = {}
    for entry in entries:
        candidates = (
            index
            for key in _covering(entry)
            for index in earlier.get(key, ())[:MOST_COMPARED]
            if index != entry.route
        )
        weaker = (i for i in candidates if _takes_all(routes[i], routes[entry.route], listeners))
        yield entry, next(weaker, None)
        earlier.setdefault((entry.kind, entry.value), []).append(entry.route)


def _covering(entry: Entry) -> Iterator[tuple[str, bytes]]:
    """Kind and value of the path conditions that certainly take all that this one takes."""
    yield "any", b""
    yield entry.kind, entry.value
    if entry.kind == "any":
        return
    # Each "/" after which the path goes on differently ends a prefix that takes it. What is certain
    # of a regular expression is its literal prefix.
    path = entry.value
    if entry.kind == "regex":
        pattern = entry.value.decode()
        path = literal_prefix(pattern)
        if not compile_regex(pattern).search(b"*"):  # all other targets begin with "/"
            yield "prefix", b""
    if entry.kind == "exact":
        yield "prefix", path
    for at, byte in enumerate(path):
        if byte == ord("/"):
            yield "prefix", path[:at]


def _takes_all(one: Route, other: Route, listeners: Sequence[str]) -> bool:
    """Whether the further conditions of `one` hold for every request for which those of `other` do."""
    wide, narrow = one.match, other.match
    return (
        (not one.listeners or set(one.listeners) >= set(other.listeners or listeners))
        and (not wide.methods or (bool(narrow.methods) and set(wide.methods) >= set(narrow.methods)))
        and _takes_clients(wide.client, narrow.client)
        and all(any(_follows(a, b, lower=True) for b in narrow.headers) for a in wide.headers)
        and all(any(_follows(a, b, lower=False) for b in narrow.query) for a in wide.query)
        and all(any(_follows(a, b, lower=False) for b in narrow.tls) for a in wide.tls)
    )


def _takes_clients(wide: Sequence[str], narrow: Sequence[str]) -> bool:
    if not wide:
        return True
    ranges = address_ranges(wide)
    return bool(narrow) and all(
        any(low <= first and last <= high for low, high in ranges) for first, last in address_ranges(narrow)
    )


def _follows(wanted: FieldMatch, given: FieldMatch, *, lower: bool) -> bool:
    """Whether `wanted` holds whenever `given` does."""
    one = wanted.name.lower() if lower else wanted.name
    other = given.name.lower() if lower else given.name
    if one != other:
        return False
    if wanted.kind == given.kind and wanted.value == given.value:
        return True
    if wanted.kind == "present":
        return given.kind in {"exact", "regex"}
    if wanted.kind == "regex" and given.kind == "exact":
        return compile_regex(wanted.value).search(given.value.encode()) is not None
    return False
