"""A snapshot as a worker serves it: routes, services and endpoints with their live parts.

Built aside from `spec.Snapshot`, then swapped in whole. Endpoints are found again by identity, so
that their connections outlive the snapshot that made them.
"""

import ipaddress
import time
from collections.abc import Callable
from contextlib import suppress

from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from headgate.core.affinity cimport Affinity
from headgate.core.attempts cimport AttemptPolicy, RetryBudget
from headgate.core.balance cimport Balancer, EndpointState
from headgate.core.breaker cimport UNCHANGED, Breaker
from headgate.core.balancers import identity_of
from headgate.core.cells cimport Block
from headgate.core.grpc cimport parse_status
from headgate.core.head cimport RETRY_AFTER, Field, Head
from headgate.core.keys cimport KeySource
from headgate.core.levels cimport Levels
from headgate.core.load cimport LATENCY, Load
from headgate.core.outliers cimport Observed, Outliers
from headgate.core.paths import path_policy
from headgate.core.record import FINGERPRINTS, record_format
from headgate.core.rotation cimport Rotation
from headgate.core.routing cimport RoutingTable
from headgate.core.shared cimport SharedCell, SharedTable
from headgate.core.splits cimport Share, Split
from headgate.core.stickiness cimport Session, Stickiness
from headgate.core.tables cimport prepared, rebuild
from headgate.proxy.breakers import breaker_of, report
from headgate.proxy.health import outliers_of, rotation_of
from headgate.proxy.preferences import balancer_of, levels_of, members_of, stickiness_of
from headgate.shm.names import attempts_cell, route_cell, service_cell
from headgate.spec import Redirect


# What a failed attempt, and an answer that says "not now", count as at least: failing fast must draw nobody.
cdef double FAILURE_SECONDS = 1.0


cdef class Endpoint:
    """One address of a service, with its connections."""

    def __init__(self, object spec, object address, object memory, SharedCell cell):
        self.address = address
        self.scheme = spec.scheme
        self.host = spec.host
        self.name = spec.name.encode()
        self.block = Block(memory, spec.metric)
        self.cell = cell
        self.observed = Observed(cell)

    def share(self, Load load) -> None:
        """Count what is in flight there for all workers to see."""
        if self.load is None:
            for _ in range(self.in_flight):
                load.enter()
            self.load = load


cdef class Service:
    """A group of endpoints that serve the same thing, and the balancer among them. With `subset`, pairs of labels
    and values, only those that have these: then `whole` is the service, with which it shares everything else."""

    def __init__(self, object spec, list endpoints, list weights, object memory, SharedCell cell,
                 uint64_t seed, object sessions, *, tuple subset=(), Service whole=None):
        cdef Py_ssize_t i
        members = members_of(spec, subset)
        self.spec = spec
        self.name = spec.name.encode()
        self.host = spec.host.encode()
        self.own_host = b""
        if endpoints and not (<Endpoint>endpoints[0]).address.unix:
            self.own_host = spec.endpoints[0].authority.encode()
        self.balancer = balancer_of(spec.balance, seed)
        self.levels = levels_of(spec, memory, seed)
        self.whole = whole
        self.owner = (spec.name, subset)
        if self.balancer.keyed:
            self.key_source = KeySource(spec.balance.key, spec.balance.key_name)
        if spec.breaker is not None and spec.breaker.scope == "service":
            self.breaker = breaker_of(cell, spec.breaker)
        elif spec.breaker is not None:
            self.breakers = {endpoint: breaker_of((<Endpoint>endpoint).cell, spec.breaker)
                             for endpoint in endpoints}
        self.rotation = rotation_of(spec, cell, [(<Endpoint>endpoint).cell for endpoint in endpoints], weights,
                                    ramps=not self.balancer.keyed, members=members, levels=self.levels)
        self.outliers = outliers_of(spec, cell, [(<Endpoint>endpoint).observed for endpoint in endpoints],
                                    [(<Endpoint>endpoint).name for endpoint in endpoints])
        self.observes = self.balancer.times or spec.breaker is not None or self.outliers is not None
        self.guarded = spec.breaker is not None or spec.concurrency.endpoint > 0
        self.turn = seed
        self.block = Block(memory, spec.metric)
        self.cell = cell
        if whole is not None:
            self._share_state(whole)
        elif spec.sticky is not None:
            self.sticky = stickiness_of(spec, cell, memory, sessions)
        if whole is None and spec.retry_budget is not None:
            self.budget = RetryBudget(cell, spec.retry_budget.percent, spec.retry_budget.per_second)
        self.endpoints = endpoints
        self.count = len(endpoints)
        self.states = <EndpointState*>calloc(self.count or 1, sizeof(EndpointState))
        if self.states == NULL:
            raise MemoryError()
        for i in range(self.count):
            self.states[i].weight = weights[i] if members is None or members[i] else 0
            self.states[i].usable = True
            self.states[i].identity = identity_of(_identity(<Endpoint>endpoints[i]))
            if (<Endpoint>endpoints[i]).load is not None:
                self.states[i].lanes = &(<Endpoint>endpoints[i]).load.row
                self.states[i].peak = (<Endpoint>endpoints[i]).load.cell.words + <int>LATENCY
        self._make_tables()
        if self.levels is None and members is None and self.balancer.keyed:
            watch_whole(<Affinity>self.balancer, endpoints)

    cdef int _share_state(self, Service whole) except -1:
        """What is known of endpoints and of the service is one, whoever asks."""
        self.breaker = whole.breaker
        self.breakers = whole.breakers
        self.outliers = whole.outliers
        self.sticky = whole.sticky
        self.budget = whole.budget
        return 0

    cdef int _make_tables(self) except -1:
        if self.levels is not None:
            self.levels.copy(self.states)
            return self.levels.make_tables(self.owner)
        self.balancer = prepared(self.balancer, self.states, self.count, self.owner)
        return 0

    def adopt(self, Balancer balancer not None) -> None:
        """Choose by this one, which has a table for other weights, from now on."""
        self.balancer = balancer

    def __dealloc__(self):
        free(self.states)

    @property
    def in_flight(self) -> list[int]:
        """Exchanges that are at each endpoint now."""
        return [(<Endpoint>endpoint).in_flight for endpoint in self.endpoints]

    cdef uint64_t key_of(self, Head head, const uint8_t* client) noexcept:
        """The key of a request; of one that has none it is another each time."""
        if self.key_source is None:
            return 0
        self.turn += <uint64_t>0x9E3779B97F4A7C15
        return self.key_source.key_of(head, client, self.turn)

    cdef uint64_t identity_of(self, Endpoint endpoint) noexcept:
        """What an endpoint is to balancers and sessions; 0 when it is none of this service."""
        cdef Py_ssize_t i
        for i in range(self.count):
            if self.endpoints[i] is endpoint:
                return self.states[i].identity
        return 0

    cdef Py_ssize_t pick(self, uint64_t avoid, uint64_t key, double now) noexcept:
        """The number of the endpoint for the next attempt, or -1."""
        if self.rotation.stale(now):
            self._look_around(now)
        if self.levels is not None:
            return self.levels.pick(avoid, key, now)
        self.balancer.now = now
        return self.balancer.pick(self.states, self.count, avoid, key)

    cdef Py_ssize_t find(self, Session session, uint64_t avoid, double now) noexcept:
        """The number of the client's own endpoint, or -1 when it has none, or that one takes nothing now."""
        if self.rotation.stale(now):
            self._look_around(now)
        return session.find(self.states, self.count, avoid)

    cdef void _look_around(self, double now) noexcept:
        """See who is in rotation. Without what another table takes, a balancer with keys keeps its own."""
        cdef bint others = self.rotation.refresh(self.states, now) and self.balancer.keyed
        if self.levels is not None:
            self.levels.copy(self.states)
        self.balancer.look_around(self.states, self.count)
        with suppress(MemoryError, RuntimeError):       # which is: no thread to be had
            if others and self.levels is not None:
                self.levels.rebuild()
            elif others and self.balancer.tabled:
                rebuild(self.balancer, self.states, self.count, self.adopt)

    cdef Py_ssize_t usable_count(self) noexcept:
        """How many endpoints may be chosen."""
        cdef Py_ssize_t i
        cdef Py_ssize_t usable = 0
        for i in range(self.count):
            usable += self.states[i].usable and self.states[i].weight > 0
        return usable

    cdef int observe(self, Endpoint endpoint, Outcome outcome, Head head, double seconds, double now) except -1:
        """How an attempt at an endpoint ended, `seconds` after it began; each attempt ends once. `head`: of the
        answer, when there was one. Called only if somebody `observes`."""
        if self.breaker is not None or self.breakers is not None:
            self._tell_breaker(endpoint, outcome, head, seconds, now)
        if self.outliers is not None:
            self.outliers.tell(endpoint.observed, outcome != ANSWERED or head.status >= 500, outcome == ANSWERED,
                               seconds, now)
        if self.balancer.times:
            if outcome != ANSWERED or head.status == 429 or head.number(RETRY_AFTER) >= 0:
                seconds = max(seconds, FAILURE_SECONDS)
            endpoint.load.measure(seconds, now)
        return 0

    cdef int _tell_breaker(self, Endpoint endpoint, Outcome outcome, Head head, double seconds,
                           double now) except -1:
        cdef Breaker breaker = self.breaker if self.breakers is None else self.breakers[endpoint]
        breaker.tell(outcome == ANSWERED, _status_of(head) if head is not None else 0, seconds, now)
        if breaker.change != UNCHANGED:
            report(self.name, b"" if self.breakers is None else endpoint.name, breaker, now)
        return 0


cdef int watch_whole(Affinity balancer, list endpoints) except -1:
    """What a bound of load is in relation to, for all workers, in one word or two: to sum it up for each exchange
    would mean to read what other processors write, for each endpoint."""
    cdef Load load = (<Endpoint>endpoints[0]).load if endpoints else None
    if load is not None and load.whole is not None:
        balancer.whole = &load.whole.row
    return 0


cdef int _status_of(Head head) except -1:
    """The status of an answer; of a failed gRPC call that is all head ("Trailers-Only") the one that says the
    same. What trailers say comes too late to be an answer to the question whether an endpoint answers."""
    cdef Field* field
    if head.status != 200 or not head.last:
        return head.status
    field = head.find_name(b"grpc-status", 11, 0)
    if field == NULL:
        return head.status
    return _HTTP_OF_GRPC.get(parse_status(head.bytes + field.value_start, field.value_size), 200)


# UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE, DATA_LOSS
_HTTP_OF_GRPC = {2: 500, 4: 504, 8: 429, 13: 500, 14: 503, 15: 500}


cdef class RouteLimits:
    """The limits of a route, as numbers that compiled code reads."""

    def __init__(self, object spec):
        self.request_timeout = spec.request_timeout
        self.body_idle_timeout = spec.body_idle_timeout
        self.response_idle_timeout = spec.response_idle_timeout
        self.first_byte_timeout = spec.first_byte_timeout
        self.tunnel_idle_timeout = spec.tunnel_idle_timeout
        self.minimum_rate = spec.minimum_rate
        self.minimum_rate_grace = spec.minimum_rate_grace
        self.body_bytes = spec.body_bytes
        self.buffer_bytes = spec.buffer_bytes
        self.buffer_request = spec.buffer_request
        self.buffer_response = spec.buffer_response or spec.buffer_bytes


cdef class Route:
    """A match's action with everything that it needs resolved."""

    def __init__(self, object spec, list services, object memory, SharedCell cell, RouteLimits limits,
                 AttemptPolicy policy, Arena arena):
        self.spec = spec
        self.name = spec.name.encode()
        self.block = Block(memory, spec.metric)
        self.cell = cell
        self.services = services
        if len(self.services) > 1:
            self.split = Split([Share(spec.name, share, spec.variant_header, Block(memory, share.metric))
                                for share in spec.services], spec.sticky, cell)
        self.limits = limits
        self.policy = policy
        self.arena = arena

    cdef int settle(self, RouteFacts* facts, uint32_t limits) except -1:
        """Say there what exchanges need; `limits`: the number of these limits in the snapshot."""
        retry = self.spec.retry
        facts.words = self.block.words
        facts.limits = limits
        facts.single = <PyObject*>self.services[0] if self.services else NULL
        facts.route = <PyObject*>self
        facts.attempts = retry.attempts if retry is not None and "connect" in retry.causes else 1
        facts.answers = not self.services
        facts.special = self.split is not None or self.policy is not None
        self.facts = facts
        return 0


cdef class Networks:
    """Ranges of addresses, from CIDR texts; "unix" stands for peers on unix sockets."""

    def __init__(self, tuple ranges):
        cdef bytes packed
        self.networks = <Network*>calloc(len(ranges) or 1, sizeof(Network))
        if self.networks == NULL:
            raise MemoryError()
        for text in ranges:
            if text == "unix":
                self.local = True
                continue
            network = ipaddress.ip_network(text, strict=False)
            packed = _mapped(network.network_address)
            memcpy(self.networks[self.count].address, PyBytes_AS_STRING(packed), 16)
            self.networks[self.count].bits = network.prefixlen + (96 if network.version == 4 else 0)
            self.count += 1

    def __dealloc__(self):
        free(self.networks)

    cdef bint have(self, const uint8_t* address) noexcept:
        """Whether an address (16 bytes, IPv4 mapped) is in one of them."""
        cdef int i
        for i in range(self.count):
            if _within(address, &self.networks[i]):
                return True
        return False


cdef class Listener:
    """A bound address and how it speaks. `sites`: its TLS, or None."""

    def __init__(self, object spec, int number, object memory, object sites):
        self.spec = spec
        self.name = spec.name.encode()
        self.number = number
        self.port = str(spec.address.port or (80 if sites is None else 443)).encode()
        self.scheme = b"http" if sites is None else b"https"
        self.sites = sites
        self.https = None if spec.https_redirect is None else Redirect(
            scheme="https", port=spec.https_redirect.port, status=spec.https_redirect.status)
        self.hsts = b"" if spec.hsts is None or sites is None else spec.hsts.value.encode()
        if spec.proxy_protocol is not None:
            self.introducers = Networks(spec.proxy_protocol.sources)
            self.introduction_timeout = spec.proxy_protocol.timeout
        self.greets = sites is not None or self.introducers is not None
        self.handshake_timeout = spec.limits.handshake_timeout
        self.hello_bytes = spec.limits.hello_bytes
        self.health = spec.health_path.encode()
        self.grpc_health = spec.grpc_health
        self.block = Block(memory, spec.metric)
        self.head_timeout = spec.limits.head_timeout
        self.keep_alive_timeout = spec.limits.keep_alive_timeout
        self.head_bytes = spec.limits.head_bytes
        self.head_fields = spec.limits.head_fields
        self.connections = spec.limits.connections
        self.connections_per_client = spec.limits.connections_per_client
        self.http2 = spec.http2.enabled
        self.streams = spec.http2.max_streams
        self.window_bytes = spec.http2.window_bytes
        self.budget_bytes = spec.http2.budget_bytes


cdef class LiveSnapshot:
    """One snapshot, ready to serve. `endpoints_of(service)` gives live endpoints and their weights,
    `sites_of(listener)` what TLS presents, or None; `sessions` is a core.sessions.SessionTable."""

    def __init__(self, object spec, object memory, SharedTable shared, endpoints_of: Callable, sites_of: Callable,
                 uint64_t seed, object sessions):
        forwarding = spec.forwarding
        self.spec = spec
        self.version = spec.version
        self.made = time.monotonic()
        self.services = {
            service.name: Service(service, *endpoints_of(service), memory, shared.cell(service_cell(service.name)),
                                  seed + number, sessions)
            for number, service in enumerate(spec.services)
        }
        self.subsets = {}
        self._set_routes(spec.routes, memory, shared, seed)
        self.listeners = {
            listener.name: Listener(listener, number, memory, sites_of(listener))
            for number, listener in enumerate(spec.listeners)
        }
        self.table = RoutingTable(
            spec.routes, listeners=tuple(listener.name for listener in spec.listeners)
        )
        self.trusted = Networks(spec.trusted_proxies)
        self.identity_fields = tuple(name.encode() for name in spec.identity_fields
                                     if name != "x-forwarded-client-cert")   # which has a token
        self.x_forwarded = forwarding.x_forwarded
        self.x_real_ip = forwarding.x_real_ip
        self.forwarded = forwarding.forwarded
        self.request_id = forwarding.request_id
        self.via = f"1.1 {forwarding.via}".encode() if forwarding.via else b""
        self.cancel_on_half_close = spec.process.cancel_on_half_close
        self.path_policy = path_policy(
            encoded_slash=spec.encoded_slash, encoded_backslash=spec.encoded_backslash,
            encoded_nul=spec.encoded_nul,
        )
        if spec.access_log is not None:
            self.record_format = record_format(
                spec.access_log.format, spec.access_log.template, query=spec.access_log.query,
                fingerprints=spec.access_log.fingerprints)
        self.fingerprints = (
            (self.record_format is not None and self.record_format.fingerprints)
            or any(condition.name in FINGERPRINTS for route in spec.routes for condition in route.match.tls)
        )

    def _service_of(self, share: object, memory: memoryview, uint64_t seed) -> Service:
        """What a share of a route asks for: a service, or a subset of one."""
        cdef Service whole = self.services[share.service]
        key = (share.service, share.subset)
        if not share.subset:
            return whole
        if key not in self.subsets:
            weights = [endpoint.weight for endpoint in whole.spec.endpoints for _ in endpoint.addresses]
            self.subsets[key] = Service(whole.spec, whole.endpoints, weights, memory, whole.cell,
                                        seed + len(self.services) + len(self.subsets), None,
                                        subset=share.subset, whole=whole)
        return self.subsets[key]

    def _set_routes(self, routes: tuple[object, ...], memory: memoryview, SharedTable shared,
                    uint64_t seed) -> None:
        cdef Arena arena = Arena()
        cdef Route made
        numbers: dict[object, int] = {}
        self.limits = []
        self.routes = []
        self.facts = <RouteFacts*>arena.take_lines(len(routes) * sizeof(RouteFacts) + 1)
        for route in routes:
            if route.limits not in numbers:
                numbers[route.limits] = len(self.limits)
                self.limits.append(RouteLimits(route.limits))
            number = numbers[route.limits]
            services = [self._service_of(share, memory, seed) for share in route.services]
            made = Route(route, services, memory, shared.cell(route_cell(route.name)), self.limits[number],
                         _policy(route, shared), arena)
            made.settle(&self.facts[len(self.routes)], number)
            self.routes.append(made)


def _policy(route: object, SharedTable shared) -> AttemptPolicy | None:
    if route.retry is None and route.hedge is None:
        return None
    return AttemptPolicy(route.retry, route.hedge, shared.cell(attempts_cell(route.name)))


def _identity(endpoint: Endpoint) -> str:
    """A name may have several addresses, each an endpoint of its own."""
    address = endpoint.address
    return f"{endpoint.name.decode()} {address.unix or address.host} {address.port}"


def _mapped(address: object) -> bytes:
    if address.version == 4:
        return b"\0" * 10 + b"\xff\xff" + address.packed
    return address.packed


cdef bint _within(const uint8_t* address, const Network* network) noexcept:
    cdef int whole = network.bits // 8
    cdef int rest = network.bits & 7
    if memcmp(address, network.address, whole) != 0:
        return False
    return rest == 0 or (address[whole] ^ network.address[whole]) >> (8 - rest) == 0
