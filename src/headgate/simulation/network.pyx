"""Clients, endpoints and what is between them, as exchanges see them: legs and sources without sockets.

All that a worker decides is decided by its own code. What is made up is the world around it: when a connection
is there, when an answer comes, and what goes wrong.
"""

import ipaddress
from collections import deque

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from libc.math cimport INFINITY
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from headgate.core.events cimport DATA, REQUEST_HEAD, RESPONSE_HEAD, Data, Event, new_data
from headgate.core.head cimport CONTENT_LENGTH, Head, Span, new_head
from headgate.core.http1 import Http1Server
from headgate.proxy.exchange cimport new_exchange
from headgate.proxy.forwarding cimport Peer
from headgate.proxy.patience cimport answer_deadline, answer_overdue
from headgate.proxy.snapshot cimport Listener
from headgate.proxy import replies

# A server takes requests, refuses connections, takes them without a word, or cannot be reached.
STATES = ("up", "down", "hangs", "unreachable")

cdef double EPOCH = 1767225600.0        # the first of January 2026

cdef enum Fate:
    ANSWER
    ERROR
    RESET


cdef class VirtualContext(Context):
    """What the exchanges of a worker share, with a clock and random numbers that come again."""

    def __init__(self, Clock clock not None, object memory, object log, uint64_t seed):
        self.clock = clock
        Context.__init__(self, clock, memory, log)
        self.random_a = seed * <uint64_t>0x9E3779B97F4A7C15 | 1
        self.random_b = seed ^ <uint64_t>0xD1B54A32D192ED03

    cdef double tick(self) noexcept:
        self.now = self.clock.now
        return self.now

    cdef double wall_time(self) except -1:
        return EPOCH + self.clock.now


@cython.final
cdef class Server:
    """One endpoint. It works on what it has even when nobody waits for the answer any more, as servers do."""

    def __init__(self, Clock clock not None, str name, object random):
        self.clock = clock
        self.name = name
        self.random = random
        self.latency = lambda _random: 0.0
        self.error_status = 503
        self.condition = "up"
        self.pools = []
        self.legs = {}
        self.queue = deque()
        self.stopped = []

    @property
    def busy(self) -> int:
        """Requests that it works on."""
        return self.running

    @property
    def state(self) -> str:
        """One of STATES."""
        return self.condition

    @state.setter
    def state(self, str state not None):
        cdef SimulatedLeg leg
        if state not in STATES:
            raise ValueError(f"no server is {state}")
        self.condition = state
        if state == "down":
            self._crash()
        elif state == "up":
            stopped, self.stopped = self.stopped, []
            for leg, fate in stopped:
                self._end(leg, fate)

    def _crash(self) -> None:
        """Every connection is reset."""
        cdef SimulatedLeg leg
        cdef SimulatedPool pool
        self.life += 1
        self.running = 0
        self.queue.clear()
        self.stopped = []
        for pool in self.pools:
            pool.close_idle()
        for leg in list(self.legs):
            leg.lost()

    cdef int serve(self, SimulatedLeg leg) except -1:
        """A whole request came."""
        if self.capacity and self.running >= self.capacity:
            self.queue.append(leg)
            return 0
        return self.start(leg)

    cdef int start(self, SimulatedLeg leg) except -1:
        cdef double seconds = self.latency(self.random)
        cdef double drawn = self.random.random()
        cdef Fate fate = ANSWER
        if drawn < self.errors:
            fate = ERROR
        elif drawn < self.errors + self.resets:
            fate = RESET
        self.running += 1
        self.clock.call_later(seconds, self._done, leg, <int>fate, self.life)
        return 0

    def _done(self, SimulatedLeg leg, int fate, long life) -> None:
        if life != self.life:
            return
        if self.condition == "up":
            self._end(leg, fate)
        else:
            self.stopped.append((leg, fate))

    def _end(self, SimulatedLeg leg, int fate) -> None:
        cdef SimulatedLeg other
        self.running -= 1
        while self.queue and (not self.capacity or self.running < self.capacity):
            other = self.queue.popleft()
            if other.exchange is not None:      # else it was taken back before anybody looked at it
                self.start(other)
        if fate == RESET:
            leg.lost()
        else:
            leg.answer(200 if fate == ANSWER else self.error_status)

    def probe(self, object random) -> tuple[float, int]:
        """How long a probe takes, and the status that it gets: 0 for none, -1 for no connection."""
        cdef double seconds = self.latency(random)
        cdef double drawn = random.random()
        if self.condition == "down":
            return self.connect_seconds, -1
        if self.condition != "up":
            return INFINITY, 0
        if drawn < self.errors:
            return seconds, self.error_status
        return seconds, 0 if drawn < self.errors + self.resets else 200


@cython.final
cdef class SimulatedPool(Source):
    """Connections that are opened in the time that it takes, and kept for the next exchange. There are as many
    as are wanted."""

    def __init__(self, Context context, Endpoint endpoint, object service, Server server, object watch):
        self.context = context
        self.endpoint = endpoint
        self.server = server
        self.identity = (service.name, endpoint.name.decode(), endpoint.address)
        self.watch = watch
        self.opening = {}
        self.idle = []
        self.configure(service, None)
        server.pools.append(self)

    def configure(self, object service, object kept) -> None:
        """Take the options of a newer snapshot."""
        self.service = service
        self.options = service.pool

    cdef Leg acquire(self, Exchange exchange):
        cdef SimulatedLeg leg
        self.watch(self.identity, not exchange.fresh, exchange.service.rotation.panics)
        if self.idle and not exchange.fresh:
            leg = self.idle.pop()[0]
            return leg
        seconds = self.server.connect_seconds
        if self.server.condition == "unreachable":
            seconds = self.options.connect_timeout
        self.opening[exchange] = self.context.loop.call_later(seconds, self._opened, exchange)
        return None

    def _opened(self, Exchange exchange not None) -> None:
        cdef SimulatedLeg leg
        del self.opening[exchange]
        self.context.tick()
        if self.server.condition == "down":
            exchange.connect_failed(502, b"connection_refused")
        elif self.server.condition == "unreachable":
            exchange.connect_failed(504, b"connection_timeout")
        else:
            leg = SimulatedLeg.__new__(SimulatedLeg)
            leg.pool = self
            leg.deadline = INFINITY
            exchange.connected(leg)

    cdef int forget(self, Exchange exchange) except -1:
        self.opening.pop(exchange).cancel()
        return 0

    cdef int release(self, Leg leg) except -1:
        leg.reused = True
        leg.deadline = INFINITY
        self.idle.append((leg, self.context.now))
        return 0

    def sweep(self) -> None:
        """Look for what took too long."""
        cdef SimulatedLeg leg
        cdef double now = self.context.tick()
        cdef double oldest = now - <double>self.options.idle_timeout
        if self.idle and self.idle[0][1] < oldest:
            self.idle = [entry for entry in self.idle if entry[1] >= oldest]
        for leg in list(self.server.legs):
            if leg.pool is self and leg.deadline <= now and leg.exchange is not None:
                answer_overdue(leg.exchange, False)

    def close_idle(self) -> None:
        """Close all that carry nothing."""
        self.idle.clear()

    def retire(self) -> None:
        """Nobody asks it any more."""
        self.close_idle()

    def cancel(self) -> None:
        """Open nothing more."""
        for timer in self.opening.values():
            timer.cancel()
        self.opening.clear()

    @property
    def busy(self) -> bool:
        """Whether an exchange is here."""
        cdef SimulatedLeg leg
        for leg in self.server.legs:
            if leg.pool is self:
                return True
        return bool(self.opening)


@cython.final
cdef class SimulatedLeg(Leg):
    cdef int send_head(self, Head head) except -1:
        self.complete = head.last
        self.served = False
        self.pool.server.legs[self] = None
        return 0

    cdef int send_data(self, const char* data, Py_ssize_t size, bint last) except -1:
        self.complete |= last
        return 0

    cdef int send_trailers(self, Head head) except -1:
        self.complete = True
        return 0

    cdef int flush(self) except -1:
        if self.complete and not self.served:
            self.served = True
            self.pool.served += 1
            return self.pool.server.serve(self)
        return 0

    cdef Py_ssize_t backlog(self) except -1:
        return 0

    cdef int pause(self) except -1:
        return 0

    cdef int resume(self) except -1:
        return 0

    cdef void watch(self) noexcept:
        if self.exchange is not None:
            self.deadline = answer_deadline(self.exchange, False, self.pool.context.now)

    cdef int finish(self) except -1:
        self.pool.server.legs.pop(self, None)
        return self.pool.release(self)

    cdef int abort(self) except -1:
        self.pool.server.legs.pop(self, None)
        return 0

    def answer(self, int status) -> None:
        """The answer is there."""
        cdef Exchange exchange = self.exchange
        cdef Head head
        cdef bytes phrase
        if exchange is None:
            return
        self.pool.context.tick()
        phrase = replies.phrase(status)
        head = new_head(RESPONSE_HEAD)
        head.version = 11
        head.status = status
        head.reason = Span(PyBytes_AS_STRING(phrase), len(phrase))
        head.content_length = 0
        head.last = True
        head.add_line(b"Content-Length", 14, b"0", 1, CONTENT_LENGTH)
        exchange.response_head(head)

    def lost(self) -> None:
        """The connection is reset."""
        cdef Exchange exchange = self.exchange
        if exchange is None:
            return
        self.pool.cut += self.served
        self.pool.context.tick()
        exchange.upstream_closed(0, b"connection_terminated")


@cython.final
cdef class Client(Leg):
    """Who waits for one answer."""

    def __init__(self, Context context not None, object on_end, object tag):
        self.context = context
        self.on_end = on_end
        self.tag = tag
        self.deadline = INFINITY
        self.fields = []
        self.reason = self.route = self.service = self.endpoint = self.variant = ""

    def ask(self, Listener listener not None, str address not None, bytes request not None) -> None:
        """Send the request, all of it at once, from this address. Raises ValueError when it is none."""
        cdef Exchange exchange
        cdef Event event
        cdef Leg up
        self.context.tick()
        self.started = self.context.now
        exchange = new_exchange(self.context, listener, self, _peer(address))
        self.exchange = self.own = exchange
        for event in Http1Server(path_policy=self.context.snapshot.path_policy).receive(request):
            if event.kind == REQUEST_HEAD:
                exchange.begin(<Head>event, exchange.snapshot.table.approach(<Head>event))
            elif event.kind == DATA:
                exchange.request_data(<Data>event)
            else:
                raise ValueError(f"not a request: {request[:60]!r}")
        up = exchange.up
        if up is not None:
            up.flush()

    def sweep(self) -> None:
        """Look whether it took too long."""
        cdef Exchange exchange = self.own
        if exchange is not None and exchange.deadline <= self.context.tick():
            exchange.expire()

    def leave(self) -> None:
        """Have no more patience."""
        cdef Exchange exchange = self.own
        if exchange is not None:
            self.context.tick()
            exchange.client_gone(b"connection_terminated")
            self.settle()

    cdef int settle(self) except -1:
        """The exchange is over."""
        cdef Exchange exchange = self.own
        if exchange is None:
            raise RuntimeError("an exchange ended twice")
        self.own = None
        self.seconds = self.context.now - self.started
        self.attempts = exchange.attempts
        self.reason = _text(exchange.reason)
        if exchange.facts != NULL:
            self.route = _text(exchange.route().name)
        if exchange.service is not None:
            self.service = _text(exchange.service.name)
        if exchange.endpoint is not None:
            self.endpoint = _text(exchange.endpoint.name)
        if exchange.share is not None:
            self.variant = _text(exchange.share.name)
        self.on_end(self)
        return 0

    cdef int send_head(self, Head head) except -1:
        if head.status >= 200:
            self.status = head.status
            self.fields = head.items()
        return 0

    cdef int send_data(self, const char* data, Py_ssize_t size, bint last) except -1:
        return 0

    cdef int send_trailers(self, Head head) except -1:
        return 0

    cdef int flush(self) except -1:
        return 0

    cdef Py_ssize_t backlog(self) except -1:
        return 0

    cdef int pause(self) except -1:
        return 0

    cdef int resume(self) except -1:
        return 0

    cdef int finish(self) except -1:
        self.whole = True
        return self.settle()

    cdef int abort(self) except -1:
        return self.settle()


cdef str _text(bytes text):
    return "" if text is None else text.decode("utf-8", "replace")


cdef dict _packed = {}


cdef Peer _peer(str address):
    """The other end of a connection from there."""
    cdef Peer peer = Peer.__new__(Peer)
    cdef bytes packed = _packed.get(address)
    if packed is None:
        ip = ipaddress.ip_address(address)
        packed = ip.packed if ip.version == 6 else b"\0" * 10 + b"\xff\xff" + ip.packed
        _packed[address] = packed
    memcpy(peer.address, <const uint8_t*>PyBytes_AS_STRING(packed), 16)
    peer.text = address.encode()
    peer.has_address = True
    return peer
