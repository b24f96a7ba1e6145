"""What each exchange finds cold when there are thousands of routes begins where a cache line does."""

from __future__ import annotations

import gc
from collections import Counter

from headgate.core.routing import RoutingTable
from headgate.spec import Match, Route

LINE_BYTES = 64
COLLECTOR_BYTES = 16  # that CPython puts before an object
ROUTES = 300


def compiled() -> dict[int, type]:
    """The conditions that there are now: types by address."""
    found = [each for each in gc.get_objects() if type(each).__name__ == "Conditions"]
    return {id(each): type(each) for each in found}


def made_by(routes: list[Route]) -> dict[int, type]:
    """What the table of these routes adds to that."""
    gc.collect()
    before = compiled()
    table = RoutingTable(routes)
    found = {address: kind for address, kind in compiled().items() if address not in before}
    del table
    return found


def test_they_are_whole_lines_and_begin_with_one() -> None:
    """As core/conditions.pxd says why."""
    matches = [Match(hosts=(f"{n}.example",), methods=(f"M{n}",)) for n in range(ROUTES)]
    made = made_by([Route(name=f"{n}", match=match) for n, match in enumerate(matches)])
    for kind in set(made.values()):
        assert (kind.__basicsize__ + COLLECTOR_BYTES) % LINE_BYTES == 0, kind
    begins = Counter(address % LINE_BYTES for address in made)
    assert begins == {0: ROUTES}


def test_equal_conditions_are_there_once() -> None:
    methods: list[tuple[str, ...]] = [(), ("GET",)]
    routes = [Route(name=f"{n}", match=Match(methods=methods[n % 2])) for n in range(ROUTES)]
    assert Counter(kind.__name__ for kind in made_by(routes).values()) == {"Conditions": 2}
