"""A run with its witnesses, and many runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from headgate.proxy.runtime import SnapshotRefused
from headgate.simulation.judge import Judge
from headgate.simulation.outcome import Record, outcome_of
from headgate.simulation.world import World
from headgate.spec.overload import Concurrency

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headgate.controller.rotation import Identity
    from headgate.simulation.network import Client
    from headgate.simulation.scenario import Scenario
    from headgate.spec import Snapshot


@dataclass(frozen=True)
class Trial:
    """What came of one seed; `faults` is what must never happen and did."""

    outcome: dict[str, Any]
    faults: tuple[str, ...]


class Witnesses:
    """Several who see the same."""

    def __init__(self, record: Record, judge: Judge) -> None:
        self._both = (record, judge)

    def attempted(self, identity: Identity, chosen: bool, panics: bool) -> None:
        """An attempt begins."""
        for one in self._both:
            one.attempted(identity, chosen, panics)

    def ended(self, client: Client) -> None:
        """An exchange is over."""
        for one in self._both:
            one.ended(client)

    def looked(self, world: World) -> None:
        """Time passed."""
        for one in self._both:
            one.looked(world)


def run(snapshot: Snapshot, scenario: Scenario, seed: int, *, judge: Judge | None = None) -> Trial:
    """Run one seed. `judge` is another one than who goes by the snapshot. Raises SnapshotRefused when workers
    cannot serve it.
    """
    record, judge = Record(), judge or Judge(snapshot)
    world = World(snapshot, scenario, seed, Witnesses(record, judge))
    record.watch(world)
    judge.watch(world)
    try:
        world.run()
        judge.close()
    except SnapshotRefused:
        raise
    except Exception as error:  # noqa: BLE001  whatever a worker raises is a finding
        judge.faults.append(f"at {world.now:.3f} s: {type(error).__name__}: {error}")
    return Trial(outcome_of(world, record), tuple(judge.faults))


def without(snapshot: Snapshot, policies: Iterable[str]) -> Snapshot:
    """The snapshot without these of POLICIES."""
    for policy in policies:
        of_routes, of_services = _OFF[policy]
        snapshot = msgspec.structs.replace(
            snapshot,
            routes=tuple(msgspec.structs.replace(route, **of_routes) for route in snapshot.routes),
            services=tuple(msgspec.structs.replace(service, **of_services) for service in snapshot.services),
        )
    return snapshot


# What routes and services are like without a policy.
_OFF: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "breakers": ({}, {"breaker": None}),
    "retries": ({"retry": None}, {}),
    "hedging": ({"hedge": None}, {}),
    "outliers": ({}, {"outliers": None}),
    "probes": ({}, {"health_check": None}),
    "limits": ({"concurrency": Concurrency()}, {"concurrency": Concurrency()}),
}
POLICIES = tuple(_OFF)


def variants(snapshot: Snapshot) -> dict[str, Snapshot]:
    """The snapshot as it is, without each policy that it has, and without all of them."""
    found = {"as it is": snapshot}
    found |= {
        f"without {policy}": one for policy in POLICIES if (one := without(snapshot, [policy])) != snapshot
    }
    if len(found) > 2:
        found["without all"] = without(snapshot, POLICIES)
    return found
