"""Whether and when attempts begin: breakers, how many run at a time, what is shed.

An exchange takes a permit at the gate of its route, then at that of its service, and gives them back when it needs
the service no more. Where there is none it waits in the gate's queue as an entry, without a task of its own: a
permit that is given back, or a tick of the gate's timer, lets the next one go on. Permits are shared by all workers
(core/permits.pyx); those that other workers give back are found by the ticks.
"""

from collections import OrderedDict
from math import ceil

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport UINT64_MAX

from headgate.core.breaker cimport UNCHANGED, Breaker
from headgate.core.cells cimport IN_FLIGHT, OPEN, REJECTED, Block
from headgate.core.head cimport Field
from headgate.core.permits cimport (
    LEFT, QUEUED, REFUSED_DISPLACED, REFUSED_FULL, REFUSED_TIMEOUT, AdaptiveLimit, Permits,
)
from headgate.core.shared cimport SharedCell, SharedTable
from headgate.proxy.forwarding cimport set_host
from headgate.proxy.snapshot cimport Endpoint, LiveSnapshot, Route, Service
from headgate.base.process import resident
from headgate.proxy import replies
from headgate.proxy.breakers import report
from headgate.shm.names import OVERLOAD_CELL, permits_cell

cdef enum:
    IMPORTANCES = 3
    REFUSED = 3                 # the line of those that are answered at the next call

cdef double TICK_SECONDS = 0.005
cdef double YIELD_SECONDS = 0.006           # other workers look once in that time
# A queue that was never empty for so long is more than a burst: from then on who came last goes first, since
# who waited longest has the least patience left (CoDel's interval; Facebook's adaptive LIFO).
cdef double BURST_SECONDS = 0.1
cdef double REFUSED_SECONDS = 1.0           # Retry-After of a full queue
cdef double LEAVING_PART = 0.8              # of a threshold, below which shedding ends
cdef double LAG_PART = 0.5                  # of a new measurement
_IMPORTANCE = {b"low": 0, b"normal": 1, b"high": 2}


@cython.final
cdef class QueuePlace(Place):

    cdef int leave(self) except -1:
        cdef Gate gate
        if self.waits_at is not None:
            gate = self.waits_at
            gate.forget(self)
            if self.exchange.ended_by == b"client":
                gate.cell.add(LEFT, 1)
        if self.of_service is not None:
            gate, self.of_service = self.of_service, None
            if gate.adaptive is not None:
                gate.measure(self.exchange)
            gate.give()
        if self.of_route is not None:
            gate, self.of_route = self.of_route, None
            gate.give()
        self.exchange = None
        return 0


@cython.final
cdef class Gate:
    """How many exchanges of a service or route run at a time, and who waits in this worker. It outlives
    snapshots."""

    def __init__(self, Context context, str name, SharedCell cell, int worker, int workers):
        self.context = context
        self.name = name.encode()
        self.cell = cell
        self.permits = Permits(cell, worker, workers)
        self.lines = [OrderedDict() for _ in range(IMPORTANCES + 1)]

    @property
    def length(self) -> int:
        """How many wait in this worker."""
        return self.waiting

    def configure(self, object policy, int workers, Block block, Service service) -> None:
        """Take the policy of a newer snapshot. `block`: of the service or route; `service`: None for a route."""
        self.block = block
        self.permits.set_workers(workers)
        self.limit = policy.limit or UINT64_MAX
        self.adaptive = None
        if policy.adaptive:
            self.adaptive = AdaptiveLimit(self.cell, minimum=policy.minimum, maximum=policy.most)
        self.share = ceil(policy.endpoint / workers)
        self.service = service
        self.most_waiting = policy.queue
        self.timeout = policy.queue_timeout

    cdef bint take(self) noexcept:
        """Take a permit, if one is free and no worker with fewer of them wants it."""
        cdef uint64_t limit
        cdef Py_ssize_t usable
        if self.share:
            usable = self.service.usable_count()
            if usable and self.permits.held >= self.share * <uint64_t>usable:
                return False
        limit = self.most()
        if not self.permits.crowds_out(limit):
            self.yields_until = 0
        elif self.yields_until == 0:
            self.yields_until = self.context.now + YIELD_SECONDS
            return False
        elif self.context.now < self.yields_until:
            return False
        if not self.permits.take(limit):
            return False
        self.yields_until = 0
        return True

    cdef uint64_t most(self) noexcept:
        """How many may run now, in all workers."""
        return self.limit if self.adaptive is None else self.adaptive.limit()

    cdef int give(self) except -1:
        self.permits.give()
        if self.waiting:
            self._call()
        return 0

    cdef int measure(self, Exchange exchange) except -1:
        """Tell the adaptive limit how long an answer took. One that never came took as long as was waited."""
        cdef double until = exchange.response_at
        if until < 0 and exchange.status == 504:
            until = self.context.now
        if until >= 0 and exchange.attempt_started >= 0:
            self.adaptive.sample(until - exchange.attempt_started, self.permits.used(), self.context.now)
        return 0

    # --- The queue ---

    cdef bint line_up(self, QueuePlace place) except -1:
        """Whether there is room to wait; who is less important, or of a crowd waited longest, makes room."""
        cdef QueuePlace victim
        if self.waiting >= self.most_waiting:
            victim = self._displaced(place.importance)
            if victim is None:
                self.cell.add(REFUSED_FULL, 1)
                return False
            self.forget(victim)
            victim.waits_at = self
            victim.line = REFUSED
            self.lines[REFUSED][victim] = None
            self._call()
        if self.waiting == 0:
            self.crowded_since = self.context.now
        place.waits_at = self
        place.line = place.importance
        place.until = self.context.now + self.timeout
        self.lines[place.line][place] = None
        self.waiting += 1
        self.cell.add(QUEUED, 1)
        self.block.add(OPEN, 1)
        self.permits.say_hungry(True, self.most())
        if self.timer is None:
            self.timer = self.context.loop.call_later(TICK_SECONDS, self._tick)
        return True

    cdef int forget(self, QueuePlace place) except -1:
        """It waits no more."""
        del self.lines[place.line][place]
        place.waits_at = None
        if place.line != REFUSED:
            self.waiting -= 1
            self.block.subtract(OPEN, 1)
            if self.waiting == 0:
                self.permits.say_hungry(False, 0)
        return 0

    cdef bint _crowded(self) noexcept:
        return self.context.now - self.crowded_since > BURST_SECONDS

    cdef QueuePlace _displaced(self, int importance):
        cdef int lower
        if self.most_waiting == 0:
            return None
        for lower in range(importance + (1 if self._crowded() else 0)):
            if self.lines[lower]:
                return next(iter(self.lines[lower]))
        return None

    cdef QueuePlace _next(self):
        """Of the most important ones the first, or in a crowd the last."""
        cdef int line
        for line in range(IMPORTANCES - 1, -1, -1):
            if self.lines[line]:
                return next(reversed(self.lines[line]) if self._crowded() else iter(self.lines[line]))
        return None

    cdef int _grant(self, QueuePlace place) except -1:
        cdef Exchange exchange = place.exchange
        self.forget(place)
        if self.service is None:
            place.of_route = self
        else:
            place.of_service = self
        try:
            if (<Admissions>self.context.admission).admits(exchange):
                exchange.start_attempt()
        except Exception:
            self.context.own_error("an exchange that waited could not begin")
            exchange.break_off(b"proxy_internal_error")
        return 0

    cdef int _refuse_line(self, int line, double now, int word, str why) except -1:
        """Answer those of a line who have waited enough."""
        cdef QueuePlace place
        cdef Exchange exchange
        while self.lines[line]:
            place = next(iter(self.lines[line]))
            if place.until > now:
                return 0
            exchange = place.exchange
            self.forget(place)
            self.cell.add(word, 1)
            try:
                (<Admissions>self.context.admission).refuse(
                    exchange, b"connection_limit_reached", f"{self.name.decode()}: {why}", REFUSED_SECONDS)
            except Exception:
                self.context.own_error("an exchange that waited could not be refused")
                exchange.break_off(b"proxy_internal_error")
        return 0

    cdef int _call(self) except -1:
        """Look in the next turn of the event loop who can go on: not now, when another exchange is at work."""
        if not self.called:
            self.called = True
            self.context.loop.call_soon(self._serve)
        return 0

    def _tick(self) -> None:
        self.timer = None
        self._serve()

    def _serve(self) -> None:
        cdef double now = self.context.tick()
        cdef int line
        self.called = False
        self._refuse_line(REFUSED, now + self.timeout, REFUSED_DISPLACED, "another took its place in the queue")
        for line in range(IMPORTANCES):
            self._refuse_line(line, now, REFUSED_TIMEOUT, "waited too long for its turn")
        while self.waiting and self.take():
            self._grant(self._next())
        self.permits.say_hungry(self.waiting > 0, self.most())
        if self.waiting and self.timer is None:
            self.timer = self.context.loop.call_later(TICK_SECONDS, self._tick)


@cython.final
cdef class Admissions(Admission):
    """One per worker, whose slot is `worker`."""

    def __init__(self, Context context, SharedTable shared, int worker):
        self.context = context
        self.shared = shared
        self.shed = shared.cell(OVERLOAD_CELL)
        self.worker = worker
        self.gates = {}

    # --- Snapshots ---

    def prepare(self, LiveSnapshot live) -> dict:
        """The gates of a snapshot by the names of their cells, those that are there already and new ones.
        Raises TableFull."""
        cdef str name
        gates = {}
        limited = [("service", service.spec) for service in live.services.values()]
        limited += [("route", route.spec) for route in live.routes]
        for kind, policy in limited:
            if policy.concurrency.limits:
                name = permits_cell(kind, policy.name)
                gates[name] = self.gates.get(name) or Gate(
                    self.context, f"{kind} {policy.name}", self.shared.cell(name), self.worker,
                    live.spec.process.workers)
        return gates

    def commit(self, LiveSnapshot live, dict gates) -> None:
        """Serve the snapshot with its gates. Others are kept as long as somebody holds a permit of theirs."""
        cdef Service service
        cdef Route route
        cdef Gate gate
        for name, gate in self.gates.items():
            if name not in gates and (gate.permits.held or gate.waiting):
                gates[name] = gate
        self.gates = gates
        for service in live.services.values():
            if service.spec.concurrency.limits:
                service.gate = gates[permits_cell("service", service.spec.name)]
                (<Gate>service.gate).configure(
                    service.spec.concurrency, live.spec.process.workers, service.block, service)
        for service in live.subsets.values():
            service.gate = service.whole.gate
        for route in live.routes:
            if route.spec.concurrency.limits:
                route.gate = gates[permits_cell("route", route.spec.name)]
                route.facts.special = True
                (<Gate>route.gate).configure(
                    route.spec.concurrency, live.spec.process.workers, route.block, None)

    # --- How many run at a time ---

    cdef bint admits(self, Exchange exchange) except -1:
        cdef QueuePlace place
        if exchange.place is None:
            place = QueuePlace()
            place.exchange = exchange
            place.importance = self.importance_of(exchange)
            exchange.place = place
        else:
            place = <QueuePlace>exchange.place
        if exchange.route().gate is not None and place.of_route is None:
            if not self.enter(<Gate>exchange.route().gate, place):
                return False
            place.of_route = <Gate>exchange.route().gate
        if exchange.service.gate is not None and place.of_service is None:
            if not self.enter(<Gate>exchange.service.gate, place):
                return False
            place.of_service = <Gate>exchange.service.gate
        return True

    cdef bint enter(self, Gate gate, QueuePlace place) except -1:
        """Whether a permit was had at once; else it waits or is answered."""
        if gate.waiting == 0 and gate.take():
            return True
        if not gate.line_up(place):
            self.refuse(place.exchange, b"connection_limit_reached",
                        f"{gate.name.decode()}: the queue is full", REFUSED_SECONDS)
        return False

    cdef int refuse(self, Exchange exchange, bytes reason, str detail, double seconds) except -1:
        """Answer 503 with Retry-After."""
        if exchange.hedge:
            return exchange.fail(503, reason)       # its client has another attempt
        exchange.route().block.add(REJECTED, 1)
        if exchange.service is not None:
            exchange.service.block.add(REJECTED, 1)
        exchange.retry_after = max(<int>ceil(seconds), 1)
        exchange.detail = detail.encode()
        return exchange.fail(503, reason)

    # --- Breakers, and limits of endpoints ---

    cdef Py_ssize_t choose(self, Exchange exchange) except -2:
        cdef Service service = exchange.service
        cdef uint64_t full = self.full_ones(service)
        cdef double now = self.context.now
        cdef Breaker breaker = service.breaker
        cdef bint allowed
        if breaker is not None:
            allowed = breaker.allows(now)
            if breaker.change != UNCHANGED:
                report(service.name, b"", breaker, now)
            if not allowed:
                self.answer_open(exchange, breaker.seconds_left(now))
                return -1
        return self.pick(exchange, full)

    cdef Py_ssize_t pick(self, Exchange exchange, uint64_t full) except -2:
        """An endpoint that has room and whose breaker lets it be asked."""
        cdef Service service = exchange.service
        cdef Breaker breaker
        cdef Endpoint endpoint
        cdef uint64_t closed = full
        cdef uint64_t avoided = exchange.tried | full
        cdef double seconds = 0
        cdef Py_ssize_t number
        while True:
            number = exchange.pick(avoided)
            if number >= 0 and closed >> (number & 63) & 1 and avoided != closed:
                avoided = closed        # all others were tried already: rather one of these
                continue
            if number < 0 or closed >> (number & 63) & 1:
                break
            if service.breakers is None:
                return number
            endpoint = <Endpoint>service.endpoints[number]
            breaker = service.breakers[endpoint]
            if breaker.allows(self.context.now):
                if breaker.change != UNCHANGED:
                    report(service.name, endpoint.name, breaker, self.context.now)
                return number
            seconds = breaker.seconds_left(self.context.now)
            closed |= <uint64_t>1 << (number & 63)
            avoided |= closed
        if closed != full:
            self.answer_open(exchange, seconds)
        elif full:
            self.refuse(exchange, b"connection_limit_reached", "all endpoints have as many as they may",
                        REFUSED_SECONDS)
        else:
            exchange.fail(503, b"destination_unavailable")
        return -1

    cdef uint64_t full_ones(self, Service service) noexcept:
        """The endpoints at which as many run as may."""
        cdef uint64_t full = 0
        cdef uint64_t share
        cdef Py_ssize_t number
        if service.gate is None or (<Gate>service.gate).share == 0:
            return 0
        share = (<Gate>service.gate).share
        for number in range(service.count):
            if (<Endpoint>service.endpoints[number]).in_flight >= share:
                full |= <uint64_t>1 << (number & 63)
        return full

    cdef int answer_open(self, Exchange exchange, double seconds) except -1:
        """Answer for a service that must not be asked."""
        if exchange.hedge:
            return exchange.fail(503, b"destination_unavailable")
        policy = exchange.service.spec.breaker
        if policy.fallback:
            return self.fall_back(exchange, exchange.snapshot.services[policy.fallback])
        if policy.respond is None or exchange.call is not None:
            return self.refuse(exchange, b"destination_unavailable",
                               f"the breaker of {exchange.service.spec.name} is open", seconds)
        exchange.route().block.add(REJECTED, 1)
        exchange.service.block.add(REJECTED, 1)
        exchange.reason = b"destination_unavailable"
        status, fields, body = replies.respond(policy.respond)
        return exchange._reply(status, fields, body)

    cdef int fall_back(self, Exchange exchange, Service service) except -1:
        """Let another service have the exchange, with a permit of its own."""
        cdef QueuePlace place = <QueuePlace>exchange.place
        cdef Gate gate
        if place is not None and place.of_service is not None:
            gate, place.of_service = place.of_service, None
            gate.give()
        exchange.service.block.subtract(IN_FLIGHT, 1)
        service.block.add(IN_FLIGHT, 1)
        exchange.service = service
        exchange.key = service.key_of(exchange.request,
                                      exchange.peer.address if exchange.peer.has_address else NULL)
        if PyBytes_GET_SIZE(service.host):
            set_host(exchange.request, service.host)
        exchange.tried = 0
        exchange.attempts -= 1          # none was made
        return exchange._begin_attempts()

    # --- Shedding ---

    cdef int importance_of(self, Exchange exchange) except -1:
        """What the route says, or a trusted proxy."""
        cdef str name = exchange.snapshot.spec.overload.importance_header
        cdef bytes text
        cdef Field* field
        if name and exchange.peer.is_trusted(exchange.snapshot):
            text = name.encode()
            field = exchange.request.find_name(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), 0)
            if field != NULL:
                text = exchange.request.bytes[field.value_start:field.value_start + field.value_size]
                known = _IMPORTANCE.get(text.lower())
                if known is not None:
                    return known
        return exchange.route().spec.importance

    cdef bint sheds(self, Exchange exchange) except -1:
        cdef int importance = self.importance_of(exchange)
        if importance >= self.context.shed_level:
            return False
        self.shed.add(1 + importance, 1)
        self.refuse(exchange, b"connection_limit_reached", "shed: the worker has too much to do", REFUSED_SECONDS)
        return True

    def sweep(self, double lag) -> None:
        """Set by lag and memory who is shed from now on."""
        cdef int level = 0
        if self.context.snapshot is None:
            return
        policy = self.context.snapshot.spec.overload
        self.lag += (lag - self.lag) * LAG_PART
        if policy.lag or policy.memory:
            part = LEAVING_PART if self.context.shed_level else 1.0
            level = _level(self.lag, policy.lag * part, 2.0)
            if policy.memory:
                level = max(level, _level(resident(), policy.memory * part, 1.125))
        if level != self.context.shed_level:
            self.context.shed_level = level
            self.context.log.warning("overload: %s", _SHED[level])


_SHED = (
    "over, nothing is shed", "what is of low importance is shed", "all but what is of high importance is shed",
)


cdef int _level(double value, double threshold, double next_part) noexcept:
    if threshold <= 0 or value < threshold:
        return 0
    return 2 if value >= threshold * next_part else 1
