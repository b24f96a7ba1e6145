"""Exchanges that Headgate begins itself, for copies of requests and for what middlewares fetch.

Each has an Errand where others have their client. They go through the pools, balancers and limits of their service
as all do, but through no middlewares, and no record is written of them.
"""

from cpython.bytes cimport PyBytes_GET_SIZE

from headgate.core.arena cimport Arena
from headgate.core.cells cimport place_of, IN_FLIGHT, Block
from headgate.core.cells import bytes_of
from headgate.core.head cimport (
    EXPECT, METHOD_DELETE, METHOD_GET, METHOD_HEAD, METHOD_OPTIONS, METHOD_PUT, METHOD_TRACE, Head,
)
from headgate.proxy.exchange cimport Exchange, Leg, new_exchange
from headgate.proxy.forwarding cimport set_host
from headgate.proxy.snapshot cimport Listener, Route, RouteFacts, RouteLimits, Service


cdef class Errand(Leg):
    cdef int send_head(self, Head head) except -1:
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

    cdef int begin_tunnel(self) except -1:
        """A switch that nobody asked for: there is nothing to say in it."""
        return self.exchange.break_off(b"http_upgrade_failed")

    cdef int end_tunnel(self) except -1:
        return 0


cdef Route errand_route(object spec, RouteLimits limits, object memory, int metric):
    """A route of no requests: what counts there counts in a block of its own."""
    cdef Route route = Route.__new__(Route)
    route.spec = spec
    route.name = spec.name.encode()
    route.limits = limits
    route.block = Block(memory, metric)
    route.arena = Arena()
    route.settle(<RouteFacts*>route.arena.take_lines(sizeof(RouteFacts)), 0)
    route.facts.attempts = 1
    route.facts.answers = False         # though it has no services of its own
    return route


cdef Listener errand_listener():
    """A listener that nobody reads the counts of."""
    cdef Listener listener = Listener.__new__(Listener)
    listener.name = b""
    listener.hsts = b""
    listener.block = Block(memoryview(bytearray(bytes_of(1))), 0)
    return listener


cdef Exchange new_errand(Errand leg, Context context, Listener listener, Route route, Service service, Peer peer,
                         Head head, list body):
    """An exchange with its request, which is whole."""
    cdef Exchange exchange = new_exchange(context, listener, leg, peer)
    leg.deadline = 0
    leg.exchange = exchange
    exchange.muted = True
    exchange.client = peer.text
    exchange.kept = route
    exchange.facts = route.facts
    exchange.limits = route.limits
    exchange.service = service
    exchange.request = head
    exchange.request_read = True
    exchange.request_read_at = exchange.started
    exchange.held = body
    exchange.held_bytes = exchange.bytes_in = sum(map(len, body))
    exchange.idempotent = head.method in (METHOD_GET, METHOD_HEAD, METHOD_PUT, METHOD_DELETE, METHOD_OPTIONS,
                                          METHOD_TRACE)
    exchange.key = service.key_of(head, peer.address if peer.has_address else NULL)
    head.drop(EXPECT)
    head.expect_continue = False
    if PyBytes_GET_SIZE(service.host):
        set_host(head, service.host)
    elif head.authority.data == NULL and PyBytes_GET_SIZE(service.own_host):
        set_host(head, service.own_host)
    return exchange


cdef int begin_errand(Exchange exchange) except -1:
    """Send it."""
    exchange.context.active += 1
    exchange.listener.block.add(IN_FLIGHT, 1)
    exchange.facts.words[place_of(IN_FLIGHT)] += 1
    exchange.service.block.add(IN_FLIGHT, 1)
    return exchange._begin_attempts()
