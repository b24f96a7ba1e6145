"""What a worker runs: the live snapshot, its connections and pools, and the one timer."""

from __future__ import annotations

import asyncio
import functools
import logging
import mmap
import os
import resource
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakSet

from headgate import spec
from headgate.core.cells import Block, WorkerWord
from headgate.core.openssl import OpenSslMissing
from headgate.core.sessions import SessionTable
from headgate.core.shared import SharedTable, TableFull
from headgate.core.tls import TlsContext, log_keys
from headgate.proxy.acceptor import Acceptor
from headgate.proxy.admission import Admissions, Gate
from headgate.proxy.connection import Register
from headgate.proxy.context import Context
from headgate.proxy.downstream import Http1Downstream
from headgate.proxy.encryption import Contexts, Kept
from headgate.proxy.faults import attach_faults
from headgate.proxy.http2_downstream import Http2Downstream
from headgate.proxy.instances import Instances
from headgate.proxy.loads import Loads
from headgate.proxy.mirroring import attach_mirrors, mirror_samples
from headgate.proxy.pool import Pool
from headgate.proxy.port import Port
from headgate.proxy.sites import Sites, upstream_context
from headgate.proxy.snapshot import Endpoint, LiveSnapshot
from headgate.shm.names import endpoint_cell
from headgate.shm.region import SESSIONS_BYTES, KeyMemory
from headgate.shm.tickets import ticket_secrets

if TYPE_CHECKING:
    from headgate.proxy.chain import Chain, Step
    from headgate.proxy.context import Sink
    from headgate.proxy.snapshot import Source

SWEEP_SECONDS = 0.2
# Kept free for logs, pipes, connections to endpoints that are being opened.
RESERVED_FILES = 64
# Between looks at whether the secrets of session tickets are others now.
TICKET_SECONDS = 5.0


class SnapshotRefused(Exception):
    """This worker cannot serve the snapshot; the text says why."""


@dataclass
class Plan:
    """A snapshot that was built aside and can be swapped in."""

    snapshot: LiveSnapshot
    endpoints: dict[tuple[str, str, spec.Address], Endpoint] = field(default_factory=dict)
    sites: dict[str, tuple[spec.ListenerTls, Sites]] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)
    upstream: dict[str, Kept | None] = field(default_factory=dict)  # TLS to endpoints, by service
    middlewares: tuple[dict[str, Step], list[Chain]] = field(default_factory=lambda: ({}, []))


class Runtime:
    """One per worker process. `slot` is its own part of the shared memory, `shared` and `keys` everybody's
    (without `keys` limits by key are this worker's alone), `tickets` the secrets in it of session tickets,
    without which no session is resumed, `sessions` what all workers learned of sticky ones, without which
    this one learns alone.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        slot: memoryview,
        shared: memoryview,
        *,
        worker: int,
        log: logging.Logger,
        tickets: memoryview | None = None,
        sessions: memoryview | None = None,
        keys: KeyMemory | None = None,
    ) -> None:
        self._loop = loop
        self._slot = slot
        self._own = Block(slot, 0)
        self._shared = SharedTable(shared)
        self._sessions = SessionTable(sessions or memoryview(mmap.mmap(-1, SESSIONS_BYTES)))
        self._worker = worker
        self.context = self._new_context(log)
        self._admissions = Admissions(self.context, self._shared, worker)
        self.context.admission = self._admissions
        self._instances = Instances(self.context, slot, self._shared, keys or KeyMemory.private(), worker)
        self._loads = Loads(self._shared, worker)
        self.register = Register(self.context)
        self._ports: dict[str, Port] = {}
        self._endpoints: dict[tuple[str, str, spec.Address], Endpoint] = {}
        self._retired: list[Endpoint] = []  # of older snapshots, still busy
        self._snapshots: WeakSet[LiveSnapshot] = WeakSet()  # in use, older ones too
        self._sites: dict[str, tuple[spec.ListenerTls, Sites]] = {}
        self._tickets = tickets
        self._tickets_seen = (0, float("-inf"))  # which ones, and when they were looked at
        self._secrets: list[bytes] = []
        if path := os.environ.get("SSLKEYLOGFILE"):
            log.warning("the secrets of all TLS connections are written to %s (SSLKEYLOGFILE)", path)
            log_keys(path)
        self._contexts = Contexts(self._tls_context)
        self._tls_contexts: WeakSet[TlsContext] = WeakSet()
        self._read_tickets()
        self.context.on_accept = lambda _accepting: None
        self._swept = loop.time()
        self._timer = loop.call_later(SWEEP_SECONDS, self._sweep)

    # --- What a simulation has otherwise ---

    def _new_context(self, log: logging.Logger) -> Context:
        return Context(self._loop, self._slot, log)

    def _new_source(self, endpoint: Endpoint, service: spec.Service) -> Source:
        return Pool(self.context, self.register, endpoint, service)

    def _new_seed(self) -> int:
        return int.from_bytes(os.urandom(7), "little")

    # --- Snapshots ---

    @property
    def live(self) -> LiveSnapshot:
        return self.context.snapshot

    def prepare(self, snapshot: spec.Snapshot) -> Plan:
        """Build everything aside. Raises SnapshotRefused with the reason."""
        endpoints: dict[tuple[str, str, spec.Address], Endpoint] = {}
        sites: dict[str, tuple[spec.ListenerTls, Sites]] = {}

        def endpoints_of(service: spec.Service) -> tuple[list[Endpoint], list[int]]:
            return self._endpoints_of(service, endpoints, snapshot.process.workers)

        try:
            sites_of = functools.partial(self._sites_of, into=sites)
            live = LiveSnapshot(
                snapshot, self._slot, self._shared, endpoints_of, sites_of, self._new_seed(), self._sessions
            )
            self._snapshots.add(live)
            attach_faults(live, self._slot)
            attach_mirrors(live, self._slot, self.context.log)
            middlewares = self._instances.prepare(live)
            gates = self._admissions.prepare(live)
            upstream = {
                service.name: upstream_context(service.tls, self._contexts)
                for service in snapshot.services
                if any(endpoint.scheme == "https" for endpoint in service.endpoints)
            }
        except (ValueError, KeyError, IndexError, OpenSslMissing, TableFull) as error:
            raise SnapshotRefused(f"snapshot {snapshot.version}: {error}") from error
        return Plan(live, endpoints, sites, gates, upstream, middlewares)

    def _sites_of(
        self, listener: spec.Listener, into: dict[str, tuple[spec.ListenerTls, Sites]]
    ) -> Sites | None:
        """What a listener presents with TLS, the same as before where nothing of it changed."""
        if listener.tls is None:
            return None
        known = self._sites.get(listener.name)
        if known is None or known[0] != listener.tls:
            known = (listener.tls, Sites(listener.tls, self._contexts))
        into[listener.name] = known
        return known[1]

    def _tls_context(self, context: ssl.SSLContext, policy: bytes, depth: int) -> TlsContext:
        made = TlsContext(context, policy, depth)
        made.set_ticket_secrets(self._secrets)
        self._tls_contexts.add(made)
        return made

    def _read_tickets(self) -> None:
        """Seal and open tickets with the secrets that all workers have now."""
        if self._tickets is None or self._loop.time() < self._tickets_seen[1] + TICKET_SECONDS:
            return
        counter, secrets = ticket_secrets(self._tickets)
        if counter != self._tickets_seen[0]:
            self._secrets = secrets
            for context in self._tls_contexts:
                context.set_ticket_secrets(secrets)
        self._tickets_seen = (counter, self._loop.time())

    def _endpoints_of(
        self, service: spec.Service, into: dict[tuple[str, str, spec.Address], Endpoint], workers: int
    ) -> tuple[list[Endpoint], list[int]]:
        """Live endpoints of a service, found again by identity, and their weights."""
        endpoints: list[Endpoint] = []
        weights: list[int] = []
        for entry in service.endpoints:
            for address in entry.addresses:
                identity = (service.name, entry.name, address)
                endpoint = self._endpoints.get(identity)
                if endpoint is None:
                    endpoint = Endpoint(
                        entry, address, self._slot, self._shared.cell(endpoint_cell(*identity))
                    )
                    endpoint.source = self._new_source(endpoint, service)
                self._loads.attach(endpoint, service, identity, workers)
                into[identity] = endpoint
                endpoints.append(endpoint)
                weights.append(entry.weight)
        return endpoints, weights

    def commit(self, plan: Plan) -> None:
        """Serve the snapshot from now on: one assignment, then what is left over is let go."""
        self._retire_ports(plan.snapshot)
        self.context.snapshot = plan.snapshot
        self._admissions.commit(plan.snapshot, plan.gates)
        self._instances.commit(*plan.middlewares)
        gone = [self._endpoints[identity] for identity in self._endpoints.keys() - plan.endpoints.keys()]
        self._endpoints = plan.endpoints
        self._sites = plan.sites
        for identity, endpoint in plan.endpoints.items():
            service = plan.snapshot.services[identity[0]].spec
            endpoint.source.configure(service, plan.upstream.get(service.name))
        for endpoint in gone:
            endpoint.source.retire()
            self._retired.append(endpoint)
        for name, listener in plan.snapshot.listeners.items():
            if name in self._ports:
                self._ports[name].renew(listener)
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        usable = max(16, files - RESERVED_FILES) if files != resource.RLIM_INFINITY else 1_000_000
        self.context.most_connections = self._connection_limit(plan.snapshot.spec, usable)
        self.context.most_pipes = usable // 16
        self._own.write(WorkerWord.WORKER_VERSION, plan.snapshot.version)

    def _retire_ports(self, snapshot: LiveSnapshot) -> None:
        """Let connections of listeners that are gone finish what is under way."""
        ports = [self._ports.pop(name) for name in self._ports.keys() - snapshot.listeners.keys()]
        for port in ports:
            port.retire(self.context.snapshot)
        for connection in self.register.connections() if ports else ():
            if isinstance(connection, Http1Downstream | Http2Downstream) and connection.port in ports:
                connection.drain()

    def replace_endpoints(self, service: str, endpoints: tuple[spec.Endpoint, ...]) -> None:
        """Names of a service resolve to other addresses now. Raises SnapshotRefused."""
        if service not in self.live.services:
            return
        self.commit(self.prepare(spec.with_endpoints(self.live.spec, service, endpoints)))

    @staticmethod
    def _connection_limit(snapshot: spec.Snapshot, usable: int) -> int:
        """Downstream connections of this worker: as set for its listeners, as far as files may be open;
        else half of those.
        """
        limits = [listener.limits.connections for listener in snapshot.listeners]
        return min(sum(limits), usable) if limits and all(limits) else usable // 2

    # --- Connections ---

    def listen(self, listener: str, fd: int) -> Acceptor:
        """Accept connections of a listener on a listening socket that does not block, until the
        acceptor is closed. Takes the descriptor over.
        """
        if listener not in self._ports:
            self._ports[listener] = Port(self.context, self.register, self.live.listeners[listener])
        return Acceptor(self._ports[listener], fd)

    def on_accept(self, callback: Callable[[bool], None]) -> None:
        """`callback(False)` asks to stop accepting, `callback(True)` to go on."""
        self.context.on_accept = callback

    @property
    def connections(self) -> int:
        """Open downstream connections."""
        return self.context.connections

    @property
    def active(self) -> int:
        """Exchanges and tunnels under way."""
        return self.context.active

    # --- State ---

    def mirror_samples(self, route: str) -> list[dict[str, object]]:
        """What this worker saw differ in the mirror of a route, lately."""
        return mirror_samples(self.live, route)

    def set_sink(self, sink: Sink | None) -> None:
        """Where access records go."""
        self.context.sink = sink

    def set_ready(self, ready: bool) -> None:
        """What workers answer at <health_path>/readyz."""
        self.context.ready = ready

    def drain(self) -> None:
        """Finish what is under way, close what is idle, take nothing new."""
        self.context.draining = True
        for connection in self.register.connections():
            if isinstance(connection, Http1Downstream | Http2Downstream):
                connection.drain()

    def abort(self) -> None:
        """Close everything at once and stop the timer."""
        for connection in self.register.connections():
            if isinstance(connection, Http1Downstream | Http2Downstream):
                connection.break_off()
        for endpoint in (*self._endpoints.values(), *self._retired):
            endpoint.source.cancel()
            endpoint.source.close_idle()
        for connection in self.register.connections():
            connection.break_off()  # what is left: sending the rest of a tunnel, say
        self._timer.cancel()
        self._instances.abort()
        self.context.close_pipes(True)
        self.context.write_records()

    # --- The timer ---

    def _sweep(self) -> None:
        now = self._loop.time()
        elapsed = now - self._swept
        self._swept = now
        self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        self._own.increase(WorkerWord.WORKER_SWEEPS, 1)
        self._own.increase(WorkerWord.WORKER_LAG_COUNT, 1)
        self._own.increase(WorkerWord.WORKER_LAG_SUM, max(0, int((elapsed - SWEEP_SECONDS) * 1e6)))
        self.context.refresh_date()
        self._read_tickets()
        self._admissions.sweep(elapsed - SWEEP_SECONDS)
        self._instances.sweep()
        self.register.sweep(elapsed)
        for endpoint in (*self._endpoints.values(), *self._retired):
            endpoint.source.sweep()
        self.context.close_pipes(False)
        self._retired = [endpoint for endpoint in self._retired if endpoint.source.busy]
        older = [snapshot.made for snapshot in self._snapshots if snapshot is not self.context.snapshot]
        self._own.write(WorkerWord.WORKER_OLDEST, int(min(older, default=0.0) * 1e6))
        self.context.write_records()
