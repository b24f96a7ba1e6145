"""The endpoints that are served, as probes and operators see them: their shared cells, with names."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.core import breaker
from headgate.core.breaker import BreakerState
from headgate.core.rotation import HealthWord, Mode, ProbeState, RotationWord, Verdict
from headgate.core.shared import SharedTable
from headgate.shm.names import endpoint_cell, service_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headgate.core.shared import SharedCell
    from headgate.spec import Address, Endpoint, Service, Snapshot

Identity = tuple[str, str, "Address"]  # service, endpoint, address


@dataclass(frozen=True)
class Orders:
    """What the operator says of an endpoint; `weight` is None where the file's holds."""

    mode: Mode = Mode.ENABLED
    verdict: Verdict = Verdict.BY_PROBES
    weight: int | None = None

    @classmethod
    def of(cls, word: int) -> Orders:
        """The orders that are in a word of a cell."""
        return cls(Mode(word & 3), Verdict(word >> 2 & 3), (word >> 8) - 1 if word >> 8 else None)

    @property
    def word(self) -> int:
        """Them as a word."""
        weight = 0 if self.weight is None else self.weight + 1
        return weight << 8 | self.verdict << 2 | self.mode


class LiveEndpoint:
    """One address of an endpoint."""

    def __init__(
        self,
        table: SharedTable,
        service: str,
        endpoint: str,
        address: Address,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.identity: Identity = (service, endpoint, address)
        self._clock = clock
        self.cell = table.cell(endpoint_cell(*self.identity))
        self._service = table.cell(service_cell(service))

    @property
    def probe_state(self) -> ProbeState:
        """What probes say."""
        return ProbeState(self.cell.read(HealthWord.PROBE_STATE))

    @property
    def orders(self) -> Orders:
        """What the operator says."""
        return Orders.of(self.cell.read(HealthWord.ORDERS))

    @property
    def ejected_for(self) -> float:
        """Seconds that it is still ejected."""
        return max(0.0, self.cell.read(HealthWord.EJECTED_UNTIL) / 1e6 - self._clock())

    def set_probe_state(self, state: ProbeState) -> None:
        """Workers see it with their next attempt."""
        if state is ProbeState.PROBE_HEALTHY and self.probe_state > ProbeState.PROBE_HEALTHY:
            self._start()
        self.cell.write(HealthWord.PROBE_STATE, state)
        self._say_changed()

    def order(self, orders: Orders) -> None:
        """Do what the operator says."""
        before = self.orders
        if (before.mode and not orders.mode) or (before.verdict == Verdict.UNHEALTHY != orders.verdict):
            self._start()
        self.cell.write(HealthWord.ORDERS, orders.word)
        if orders.verdict is Verdict.HEALTHY:
            self.cell.write(HealthWord.EJECTED_UNTIL, 0)
        self._say_changed()

    def hold_breaker_like(self, other: LiveEndpoint) -> None:
        """Have its breaker held if that of another address is, else on its own."""
        state = breaker.state_in(other.cell)
        held = state in (BreakerState.HELD_OPEN, BreakerState.HELD_CLOSED)
        breaker.order(self.cell, state if held else BreakerState.CLOSED, time.monotonic())

    def begin(self, orders: Orders, state: ProbeState) -> None:
        """It is new to its service, which had others before."""
        for word in (HealthWord.EJECTED_UNTIL, HealthWord.EJECTION):
            self.cell.write(word, 0)
        self.cell.write(HealthWord.ORDERS, orders.word)
        self.cell.write(HealthWord.PROBE_STATE, state)
        self._start()
        self._say_changed()

    def _start(self) -> None:
        self.cell.write(HealthWord.STARTED, int(self._clock() * 1e6))

    def _say_changed(self) -> None:
        self._service.increase(RotationWord.ROTATION_CHANGES)


class Fleet:
    """All endpoints of what is served. `clock` is the workers' one."""

    def __init__(self, memory: memoryview, clock: Callable[[], float] = time.monotonic) -> None:
        self._table = SharedTable(memory)
        self._clock = clock

    def service(self, name: str) -> SharedCell:
        """The cell of a service."""
        return self._table.cell(service_cell(name))

    def endpoints(self, snapshot: Snapshot) -> Iterator[tuple[Service, Endpoint, LiveEndpoint]]:
        """One for each address."""
        for service in snapshot.services:
            for endpoint in service.endpoints:
                for live in self.of(service.name, endpoint):
                    yield service, endpoint, live

    def of(self, service: str, endpoint: Endpoint) -> list[LiveEndpoint]:
        """The addresses of one endpoint."""
        return [
            LiveEndpoint(self._table, service, endpoint.name, address, self._clock)
            for address in endpoint.addresses
        ]

    def welcome(self, served: Snapshot | None, snapshot: Snapshot) -> None:
        """Have what is new in `snapshot` begin, before it is served. Further addresses of an endpoint get the
        orders that its others have.
        """
        known = {live.identity for _, _, live in self.endpoints(served)} if served is not None else set()
        services = {service.name for service in served.services} if served is not None else set()
        for service in snapshot.services:
            check = service.health_check
            awaited = check is not None and check.initial == "unhealthy"
            state = ProbeState.PROBE_AWAITED if awaited else ProbeState.PROBE_UNKNOWN
            for endpoint in service.endpoints:
                lives = self.of(service.name, endpoint)
                others = [live for live in lives if live.identity in known]
                for live in lives:
                    if service.name in services and live.identity not in known:
                        live.begin(others[0].orders if others else Orders(), state)
                        if others:
                            live.hold_breaker_like(others[0])
                    elif live.probe_state is ProbeState.PROBE_UNKNOWN and awaited:
                        live.set_probe_state(state)
                    elif check is None and live.probe_state is not ProbeState.PROBE_UNKNOWN:
                        live.set_probe_state(ProbeState.PROBE_UNKNOWN)
