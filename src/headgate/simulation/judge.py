"""What must hold in every run, whatever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.controller.rotation import Orders
from headgate.core.attempts import AttemptWord
from headgate.core.breaker import BreakerState
from headgate.core.cells import Block, Word, WorkerWord
from headgate.core.permits import Permits
from headgate.core.rotation import HealthWord, Mode, ProbeState
from headgate.shm.names import attempts_cell, permits_cell
from headgate.simulation.outcome import breakers_of, endpoint_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate import spec
    from headgate.controller.rotation import Identity
    from headgate.core.breaker import Breaker
    from headgate.core.shared import SharedCell
    from headgate.simulation.network import Client
    from headgate.simulation.world import World

MOST_FAULTS = 10
CONNECT_ATTEMPTS = 3  # made without a policy, as far as there are endpoints
SAVED_HEDGES = 10  # that quiet times pay for, per worker
SWEEP_SECONDS = 0.2  # how late a deadline may be noticed
_ENDS = (Word.RESPONSES_1XX, Word.RESPONSES_2XX, Word.RESPONSES_3XX, Word.RESPONSES_4XX, Word.RESPONSES_5XX)


class Judge:
    """A witness that compares what happens with what `rules`, a snapshot, says. `faults` is what is wrong."""

    def __init__(self, rules: spec.Snapshot) -> None:
        self.faults: list[str] = []
        self._routes = {route.name: route for route in rules.routes}
        self._services = {service.name: service for service in rules.services}
        self._world: World | None = None
        self._rules = rules
        self._cells: dict[Identity, SharedCell] = {}
        self._breakers: dict[Identity | str, Breaker] = {}

    def watch(self, world: World) -> None:
        """Judge this world."""
        self._world = world
        for service in self._rules.services:
            cells = dict(endpoint_cells(world, service))
            self._cells |= cells
            breakers = breakers_of(world, service)
            whole = service.breaker is not None and service.breaker.scope == "service"
            self._breakers |= zip([service.name] if whole else cells, breakers, strict=False)

    def _fault(self, text: str) -> None:
        assert self._world is not None
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(f"at {self._world.now:.3f} s: {text}")

    # --- While it runs ---

    def attempted(self, identity: Identity, chosen: bool, panics: bool) -> None:
        """Nobody asks an endpoint that is out of rotation, or through an open breaker."""
        if not chosen:  # it was before, and its connection turned out to be closed
            return
        assert self._world is not None
        breaker = self._breakers.get(identity) or self._breakers.get(identity[0])
        if breaker is not None and breaker.state >= BreakerState.OPEN:
            self._fault(f"an attempt through an open breaker of {identity[0]}")
        cell = self._cells[identity]
        ejected = cell.read(HealthWord.EJECTED_UNTIL) / 1e6 > self._world.clock.now + 1e-5
        sick = cell.read(HealthWord.PROBE_STATE) >= ProbeState.PROBE_UNHEALTHY
        if Orders.of(cell.read(HealthWord.ORDERS)).mode is not Mode.ENABLED:
            self._fault(f"an attempt at {identity[1]} of {identity[0]}, which is drained")
        if (ejected or sick) and not panics:
            why = "ejected" if ejected else "unhealthy"
            self._fault(f"an attempt at {identity[1]} of {identity[0]}, which is {why}")

    def ended(self, client: Client) -> None:
        """Attempts and time are bounded."""
        route = self._routes.get(client.route)
        if route is None:
            return
        if client.attempts > _most_attempts(route):
            self._fault(
                f"{client.attempts} attempts on route {route.name}, which may have {_most_attempts(route)}"
            )
        limit = route.limits.request_timeout
        if limit and client.seconds > limit + SWEEP_SECONDS + 1e-3:
            self._fault(
                f"an exchange of {client.seconds:.3f} s on route {route.name}, which may take {limit:g} s"
            )

    def looked(self, world: World) -> None:
        """No more permits are out, and no more endpoints ejected, than may be."""
        for kind, policy in self._limited():
            limit = policy.concurrency.limit
            if limit and self._held(kind, policy.name) > limit:
                self._fault(f"more than {limit} run at a time at {kind} {policy.name}")
        for service in self._services.values():
            if service.outliers is None or world.reloads:  # which bring back who was ejected before
                continue
            cells = [cell for identity, cell in self._cells.items() if identity[0] == service.name]
            ejected = sum(cell.read(HealthWord.EJECTED_UNTIL) / 1e6 > world.clock.now for cell in cells)
            if ejected > max(1, int(service.outliers.share * len(cells))):
                self._fault(f"{ejected} endpoints of {service.name} are ejected")

    def _limited(self) -> Iterator[tuple[str, spec.Route | spec.Service]]:
        for kind, ones in (("route", self._routes), ("service", self._services)):
            for one in ones.values():
                if one.concurrency.limits:
                    yield kind, one

    def _held(self, kind: str, name: str) -> int:
        assert self._world is not None
        cell = self._world.table.cell(permits_cell(kind, name))
        return Permits(cell, -1, len(self._world.workers)).used()

    # --- At the end ---

    def close(self) -> None:
        """See that nothing is left over, and that no more went upstream than may."""
        world = self._world
        assert world is not None
        if world.active:
            self._fault(f"{world.active} exchanges never end")
        if world.asked != world.ended:
            self._fault(f"of {world.asked} exchanges {world.ended} ended")
        for worker in world.workers:
            if errors := Block(worker.memory, 0).read(WorkerWord.WORKER_ERRORS):
                self._fault(f"{errors} errors of our own: {world.said[-1:]}")
            for name, metric in _gauges(self._rules):
                for word in (Word.IN_FLIGHT, Word.OPEN):
                    if left := Block(worker.memory, metric).read(word):
                        self._fault(f"{word.name} of {name} is {left} in the end")
            for name, service in worker.live.services.items():
                if any(service.in_flight):
                    self._fault(f"{service.in_flight} exchanges are at the endpoints of {name} in the end")
        for kind, policy in self._limited():
            if held := self._held(kind, policy.name):
                self._fault(f"{held} permits of {kind} {policy.name} are held in the end")
        self._weigh(world)

    def _weigh(self, world: World) -> None:
        """Retries and hedges stay within their budgets."""
        hedges = 0
        for route in self._routes.values():
            sent = world.table.cell(attempts_cell(route.name)).read(AttemptWord.HEDGES_SENT)
            asked = sum(_finished(Block(worker.memory, route.metric)) for worker in world.workers)
            most = 0.0
            if route.hedge is not None:
                most = len(world.workers) * SAVED_HEDGES + asked * route.hedge.percent / 100
            if sent > most + 1:
                self._fault(f"{sent} hedges for {asked} requests on route {route.name}")
            hedges += sent
        for service in self._services.values():
            if service.breaker is None or not service.breaker.fallback:  # whose exchanges end at another one
                self._weigh_retries(world, service, hedges)

    def _weigh_retries(self, world: World, service: spec.Service, hedges: int) -> None:
        budget = service.retry_budget
        if budget is None:
            return
        asked = sum(_finished(Block(worker.memory, service.metric)) for worker in world.workers)
        pools = [
            pool for worker in world.workers for pool in worker.pools if pool.identity[0] == service.name
        ]
        served, cut = sum(pool.served for pool in pools), sum(pool.cut for pool in pools)
        most = asked * (1 + budget.percent / 100) + budget.per_second * (world.now + 1) + hedges
        # What an endpoint closed under a request is sent once more without asking (RFC 9112 section 9.3.1).
        if served > most + cut:
            self._fault(
                f"{served} requests went upstream to {service.name} for {asked}, of {most + cut:.0f} allowed"
            )


def _most_attempts(route: spec.Route) -> int:
    """Of the policy, to connect, one hedge, and one more after a connection that was closed."""
    policy = route.retry.attempts if route.retry is not None else 1
    return policy + max(CONNECT_ATTEMPTS, policy) + (route.hedge is not None) + 1


def _finished(block: Block) -> int:
    return sum(block.read(word) for word in (*_ENDS, Word.ABORTED))


def _gauges(snapshot: spec.Snapshot) -> Iterator[tuple[str, int]]:
    for kind, ones in (
        ("listener", snapshot.listeners),
        ("route", snapshot.routes),
        ("service", snapshot.services),
    ):
        for one in ones:
            yield f"{kind} {one.name}", one.metric
    for service in snapshot.services:
        for endpoint in service.endpoints:
            yield f"endpoint {endpoint.name} of {service.name}", endpoint.metric
