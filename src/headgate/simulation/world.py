"""One run: workers as they are, in a world that is drawn from a seed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Protocol, cast

from headgate.controller.probes.asking import Target
from headgate.controller.probes.probes import Probe
from headgate.controller.rotation import Fleet, Identity
from headgate.core.cells import bytes_of
from headgate.core.routing import RoutingTable
from headgate.core.shared import SharedTable
from headgate.proxy.runtime import Runtime
from headgate.simulation.clock import Clock, Timer
from headgate.simulation.network import Client, Server, SimulatedPool, VirtualContext
from headgate.simulation.preparation import listener_of, made_up, prepared

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Generator

    from headgate import spec
    from headgate.proxy.context import Context
    from headgate.proxy.snapshot import Endpoint, Source
    from headgate.simulation.scenario import Event, Request, Scenario

START = 1000.0  # zero means "never" in many places
LOOK_SECONDS = 0.1
DRAIN_SECONDS = 300.0  # after which what still runs never ends
CELL_BYTES = 256
_log = logging.getLogger("headgate")


class Witness(Protocol):
    """Who sees what happens."""

    def attempted(self, identity: Identity, chosen: bool, panics: bool) -> None:
        """An attempt begins, at an endpoint that was chosen for it or that the one before had; `panics`: any
        one may be chosen.
        """

    def ended(self, client: Client) -> None:
        """An exchange is over."""

    def looked(self, world: World) -> None:
        """Another tenth of a second passed."""


class SimulatedRuntime(Runtime):
    """What a worker runs, with the clock, endpoints and random numbers of a world."""

    def __init__(self, world: World, worker: int) -> None:
        self._world = world
        self.memory = memoryview(bytearray(bytes_of(world.snapshot.metrics.next)))
        self.pools: list[SimulatedPool] = []
        self._lot = world.seed * 64 + worker
        loop = cast("asyncio.AbstractEventLoop", world.clock)
        super().__init__(loop, self.memory, world.shared, worker=worker, log=_log)

    def _new_context(self, log: logging.Logger) -> Context:
        return VirtualContext(self._world.clock, self.memory, log, self._lot)

    def _new_source(self, endpoint: Endpoint, service: spec.Service) -> Source:
        server = self._world.servers[endpoint.address]
        pool = SimulatedPool(self.context, endpoint, service, server, self._world.witness.attempted)
        self.pools.append(pool)
        return pool

    def _new_seed(self) -> int:
        return self._lot

    def _sweep(self) -> None:
        super()._sweep()
        self._world.sweep(self)


class World:
    """Workers that serve `snapshot`, and everything around them."""

    def __init__(self, snapshot: spec.Snapshot, scenario: Scenario, seed: int, witness: Witness) -> None:
        self.snapshot = prepared(snapshot, scenario.workers)
        self.scenario = scenario
        self.seed = seed
        self.witness = witness
        self.clock = Clock(START)
        cells = 64 + 8 * (len(snapshot.routes) + sum(1 + len(one.endpoints) for one in snapshot.services))
        self.shared = memoryview(bytearray(cells * CELL_BYTES))
        self.table = SharedTable(self.shared)
        self.fleet = Fleet(self.shared, self.clock.time)
        self.servers: dict[spec.Address, Server] = {}
        self.reloads = 0
        self.said: list[tuple[float, str]] = []
        self._holders: dict[spec.Address, list[tuple[str, int, int, str]]] = {}
        self._probes: dict[Target, Coroutine[float, None, None]] = {}
        self._clients = Clients(self)
        self.workers = [SimulatedRuntime(self, number) for number in range(scenario.workers)]

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return self.clock.now - START

    def run(self) -> None:
        """From the first request to the end of the last. Raises what workers raise."""
        with _heard(self._say):
            try:
                self._serve(None)
                self._go_through()
            finally:
                for probe in self._probes.values():
                    probe.close()

    def _go_through(self) -> None:
        self._announce()
        self._look()
        self._clients.start()
        self.clock.run(START + self.scenario.duration)
        self._clients.stop()
        while self.active and self.now < self.scenario.duration + DRAIN_SECONDS:
            self.clock.run(self.clock.now + 1.0)

    def reload(self, snapshot: spec.Snapshot) -> None:
        """Serve another snapshot from now on. It has no metric that the first one had not."""
        self.reloads += 1
        served, self.snapshot = self.snapshot, prepared(snapshot, self.scenario.workers)
        self._serve(served)
        self._behave()

    def _serve(self, served: spec.Snapshot | None) -> None:
        self._place_servers()
        self.fleet.welcome(served, self.snapshot)
        for worker in self.workers:
            worker.commit(worker.prepare(self.snapshot))
            worker.set_ready(True)
        self._probe()

    @property
    def active(self) -> int:
        """Exchanges that are not over."""
        return sum(worker.active for worker in self.workers)

    @property
    def asked(self) -> int:
        """Requests that clients sent."""
        return self._clients.asked

    @property
    def ended(self) -> int:
        """Exchanges that are over."""
        return self._clients.ended

    def sweep(self, worker: SimulatedRuntime) -> None:
        """A worker looks for what took too long."""
        self._clients.sweep(worker)

    def _say(self, text: str) -> None:
        self.said.append((self.now, text))

    def _look(self) -> None:
        self.witness.looked(self)
        self.clock.call_later(LOOK_SECONDS, self._look)

    # --- Endpoints ---

    def _place_servers(self) -> None:
        self._holders.clear()
        for service in self.snapshot.services:
            for number, endpoint in enumerate(service.endpoints):
                for address in endpoint.addresses:
                    holder = (service.name, number, len(service.endpoints), endpoint.name)
                    self._holders.setdefault(address, []).append(holder)
                    if address not in self.servers:
                        lots = Random(f"{self.seed} server {endpoint.name} {address}")  # noqa: S311 - has to come again
                        self.servers[address] = Server(self.clock, endpoint.name, lots)

    def _announce(self) -> None:
        """Have events happen."""
        for event in self.scenario.events:
            for when in (event.at, event.until):
                if when is not None:
                    self.clock.call_at(START + when, self._behave)
        self._behave()

    def _behave(self) -> None:
        """Make each server what the events of this moment make of it."""
        going = [event for event in self.scenario.events if event.at <= self.now + 1e-9 < _end(event)]
        for address, server in self.servers.items():
            behaviour, state = self.scenario.endpoints, "up"
            for event in going:
                if any(event.chooses(*holder) for holder in self._holders.get(address, ())):
                    behaviour, state = event.over(behaviour), event.state or state
            server.latency = behaviour.latency.draw
            server.errors, server.error_status = behaviour.errors, behaviour.status
            server.resets, server.capacity = behaviour.resets, behaviour.capacity
            server.connect_seconds = behaviour.connect
            if server.state != state:
                server.state = state

    # --- Probes ---

    def _probe(self) -> None:
        """Probe whom the snapshot wants probed, and no others."""
        wanted = {
            Target.of(service, endpoint, live.identity[2]): live
            for service, endpoint, live in self.fleet.endpoints(self.snapshot)
            if service.health_check is not None
        }
        for target in [known for known in self._probes if known not in wanted]:
            self._probes.pop(target).close()
        for target, live in wanted.items():
            if target not in self._probes:
                lots = Random(f"{self.seed} probe {live.identity}")  # noqa: S311 - has to come again
                ask = partial(self._ask, lots)
                probe = Probe(_log, target, live, ask=ask, sleep=self._sleep, lots=lots).run()
                self._probes[target] = cast("Coroutine[float, None, None]", probe)
                self.clock.call_soon(self._step, target, probe)

    def _step(self, target: Target, probe: Coroutine[float, None, None]) -> None:
        if self._probes.get(target) is probe:
            self.clock.call_later(probe.send(None), self._step, target, probe)

    async def _sleep(self, seconds: float) -> None:
        await Pause(seconds)

    async def _ask(self, lots: Random, target: Target) -> str:
        """What a probe finds; "" is nothing wrong."""
        seconds, status = self.servers[target.address].probe(lots)
        check = target.check
        await Pause(min(seconds, check.timeout))
        if seconds >= check.timeout:
            return f"no answer within {check.timeout:g} s"
        if status <= 0:
            return "the connection is refused" if status else "the connection was reset"
        good = check.kind == "tcp" or any(low <= status <= high for low, high in check.statuses)
        return "" if good else f"status {status}"


class Pause:
    """What the coroutine of a probe waits for."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __await__(self) -> Generator[float, None, None]:
        yield self._seconds


class Clients:
    """Who asks, and waits for answers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._load = world.scenario.load
        self._lots = Random(f"{world.seed} load")  # noqa: S311 - has to come again
        self._going: dict[Client, tuple[SimulatedRuntime, Timer | None]] = {}
        self._stopped = False
        self._jars = Jars(world.snapshot)
        self._addresses = self._load.clients_at()
        requests = self._load.requests or made_up(world.snapshot, self._addresses[0])
        table = RoutingTable(
            world.snapshot.routes, listeners=[listener.name for listener in world.snapshot.listeners]
        )
        self._requests = [
            (one, listener_of(world.snapshot, table, one, self._addresses[0])) for one in requests
        ]
        self._weights = [one.weight for one in requests]
        self.asked = self.ended = 0

    def start(self) -> None:
        """Begin to ask."""
        if self._load.clients is None:
            self._world.clock.call_later(self._gap(), self._arrive)
            return
        for number in range(self._load.clients):
            address = self._addresses[number % len(self._addresses)]
            self._world.clock.call_later(self._lots.random() * 0.1, self._ask, address)

    def stop(self) -> None:
        """Ask nothing new."""
        self._stopped = True

    def sweep(self, worker: SimulatedRuntime) -> None:
        """Look for deadlines of whole exchanges."""
        for client, (runtime, _) in list(self._going.items()):
            if runtime is worker:
                client.sweep()

    def _gap(self) -> float:
        rate = self._load.rate or 100.0
        return self._lots.expovariate(rate) if self._load.arrival == "poisson" else 1 / rate

    def _arrive(self) -> None:
        if not self._stopped:
            self._world.clock.call_later(self._gap(), self._arrive)
            self._ask(self._lots.choice(self._addresses))

    def _ask(self, address: str) -> None:
        if self._stopped:
            return
        request, listener = self._lots.choices(self._requests, self._weights)[0]
        worker = self._lots.choice(self._world.workers)
        self.asked += 1
        client = Client(worker.context, self._ended, address)
        timer = (
            self._world.clock.call_later(self._load.patience, client.leave) if self._load.patience else None
        )
        self._going[client] = (worker, timer)
        client.ask(worker.live.listeners[listener], address, _written(request, self._jars.lines(address)))

    def _ended(self, client: Client) -> None:
        self.ended += 1
        _, timer = self._going.pop(client)
        if timer is not None:
            timer.cancel()
        address = cast("str", client.tag)
        self._jars.keep(address, client.fields)
        self._world.witness.ended(client)
        if self._load.clients is not None:
            # An answer of our own takes no time, but a client does.
            self._world.clock.call_later(max(self._load.think, 0.0001), self._ask, address)


class Jars:
    """What clients keep of answers to be recognised by."""

    def __init__(self, snapshot: spec.Snapshot) -> None:
        sticky = [service.sticky for service in snapshot.services if service.sticky is not None]
        self._cookies = {one.name.encode() for one in sticky if one.by == "cookie"}
        self._fields = {one.name.lower().encode() for one in sticky if one.by == "header"}
        self._kept: dict[str, dict[bytes, bytes]] = {}

    def lines(self, address: str) -> bytes:
        """Header fields that this client sends."""
        return b"".join(self._kept.get(address, {}).values())

    def keep(self, address: str, fields: list[tuple[bytes, bytes]]) -> None:
        """Keep what an answer says."""
        if not (self._cookies or self._fields):
            return
        kept = self._kept.setdefault(address, {})
        for name, value in fields:
            cookie = value.partition(b"=")[0]
            if name.lower() == b"set-cookie" and cookie in self._cookies:
                kept[cookie] = b"Cookie: " + value.partition(b";")[0] + b"\r\n"
            elif name.lower() in self._fields:
                kept[name] = name + b": " + value + b"\r\n"


def _written(request: Request, more: bytes) -> bytes:
    lines = [f"{request.method} {request.path} HTTP/1.1", f"Host: {request.host}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    body = b"x" * (request.body or 0)
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n" + more + b"\r\n" + body


def _end(event: Event) -> float:
    return float("inf") if event.until is None else event.until


@contextmanager
def _heard(say: Callable[[str], None]) -> Iterator[None]:
    """Hand what the log says on."""
    handler = Hearing(say)
    level, handed_up = _log.level, _log.propagate
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False
    try:
        yield
    finally:
        _log.removeHandler(handler)
        _log.setLevel(level)
        _log.propagate = handed_up


class Hearing(logging.Handler):
    """A handler that hands on what is said."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Hand it on."""
        self._say(record.getMessage())
