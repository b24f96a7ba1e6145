"""How many middlewares a request can meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headgate.spec.snapshot import Listener, Service, Snapshot

MOST_MIDDLEWARES = 64  # proxy/chain.pyx has a bit for each


def too_long(snapshot: Snapshot) -> Iterator[tuple[int, str]]:
    """Numbers of the routes whose requests could meet more than there can be, with how many of what. Of
    services the one with the most counts, for a middleware can choose another than the route's.
    """
    of_service = _most("service", snapshot.services)
    for number, route in enumerate(snapshot.routes):
        listeners = (
            each for each in snapshot.listeners if not route.listeners or each.name in route.listeners
        )
        counts = [
            _most("listener", listeners),
            (len(route.middlewares), "of the route"),
            of_service if route.services else (0, ""),
        ]
        total = sum(count for count, _ in counts)
        if total > MOST_MIDDLEWARES:
            what = ", ".join(f"{count} {place}" for count, place in counts if count)
            yield number, f"a request could meet {total} middlewares ({what})"


def _most(kind: str, places: Iterable[Listener | Service]) -> tuple[int, str]:
    return max(((len(each.middlewares), f"of {kind} {each.name}") for each in places), default=(0, ""))
