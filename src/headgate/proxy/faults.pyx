"""Faults that are asked for: requests that wait, answers that are errors, bodies that come by drops."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcpy

from headgate.core.cells cimport FAULT_ABORTED, FAULT_DELAYED, FAULT_SLOWED, Block
from headgate.core.events cimport Data, new_data
from headgate.core.head cimport Head
from headgate.core.selection cimport Selection
from headgate.proxy.exchange cimport Exchange, Faults, Leg, Pacer
from headgate.proxy.snapshot cimport LiveSnapshot, Route

cdef double DRIP_SECONDS = 0.05
# Timers count whole milliseconds, rounded down when they begin: so much can one be short of what was asked for.
cdef double TIMER_SECONDS = 0.001


def attach_faults(LiveSnapshot live not None, object memory) -> None:
    """Give the routes of a snapshot the faults that are asked for. Raises ValueError."""
    cdef Route route
    for route in live.routes:
        if route.spec.fault is not None:
            route.fault = Injection(route.spec.fault, memory)
            route.facts.special = True


cdef class Injection(Faults):
    """`spec`: a spec.Fault."""

    def __init__(self, object spec, object memory):
        self.selection = Selection(spec.selection)
        self.delay = spec.delay
        self.status = spec.status
        self.rate = spec.rate
        self.block = Block(memory, spec.metric)

    cdef bint strike(self, Exchange exchange, const uint8_t* address) except -1:
        cdef Delay delay
        cdef Drip drip
        if not self.selection.takes(exchange.request, exchange.listener.number, address):
            return False
        if self.rate > 0 and exchange.call is None:
            self.block.add(FAULT_SLOWED, 1)
            drip = Drip.__new__(Drip)
            drip.exchange = exchange
            drip.step = max(1, <Py_ssize_t>(self.rate * DRIP_SECONDS))
            drip.held = bytearray()
            exchange.pacer = drip
            exchange.watched = True
        if self.delay > 0:
            self.block.add(FAULT_DELAYED, 1)
            delay = Delay.__new__(Delay)
            delay.injection = self
            delay.exchange = exchange
            delay.has_address = address != NULL
            if address != NULL:
                memcpy(&delay.address[0], address, 16)
            exchange.context.loop.call_later(self.delay + TIMER_SECONDS, delay.end)
            return True
        if self.status:
            self.abort(exchange)
            return True
        return False

    cdef int abort(self, Exchange exchange) except -1:
        self.block.add(FAULT_ABORTED, 1)
        exchange.detail = b"a fault that is asked for"
        return exchange.fail(self.status, b"http_request_denied")


cdef class Delay:
    def end(self) -> None:
        """Go on with the exchange, unless it ended meanwhile."""
        cdef Exchange exchange = self.exchange
        if exchange.closed or exchange.response is not None:
            return
        exchange.context.tick()
        if self.injection.status:
            self.injection.abort(exchange)
            return
        exchange.go_on(&self.address[0] if self.has_address else NULL)
        if exchange.buffering:
            exchange.down.resume()      # it was paused, maybe, when too much waited


cdef class Drip(Pacer):
    cdef int take(self, Data data) except -1:
        cdef Leg up = self.exchange.up
        if data.size:
            self.held += data.data[:data.size]
        if data.last:
            self.last = True
            return self.source_over()
        if up is not None:
            up.pause()
        return self.wait()

    cdef int take_trailers(self, Head head) except -1:
        self.trailing = head
        self.last = True
        return self.source_over()

    cdef int source_over(self) except -1:
        """All came: what is left is between the client and us."""
        self.exchange.source_over()
        return self.wait()

    cdef int wait(self) except -1:
        if not self.waiting:
            self.waiting = True
            self.exchange.context.loop.call_later(DRIP_SECONDS, self.drop)
        return 0

    def drop(self) -> None:
        """Send the next piece."""
        cdef Exchange exchange = self.exchange
        cdef bytes piece
        cdef bint end
        self.waiting = False
        if exchange.closed or exchange.pacer is not self:
            return                      # another response took the place of this one
        exchange.context.tick()
        if exchange.down.write_blocked if self.behind is None else self.behind.holds():
            self.wait()
            return
        piece = bytes(self.held[:self.step])
        del self.held[:self.step]
        end = self.last and not self.held
        self.let_go(piece, end)
        if not end and not exchange.closed:
            if self.held:
                self.wait()
            elif self.behind is not None:
                self.behind.resume()
            elif exchange.up is not None:
                exchange.up.resume()

    cdef int let_go(self, bytes piece, bint end) except -1:
        """To who is behind, or to the client."""
        if self.behind is None:
            return self.exchange.paced(PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece), end, self.trailing)
        if piece or self.trailing is None:
            self.behind.take(new_data(0, PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece),
                                      end and self.trailing is None))
        if end and self.trailing is not None and not self.exchange.closed:
            self.behind.take_trailers(self.trailing)
        return 0

    cdef bint holds(self) noexcept:
        return len(self.held) > 0 or self.behind is not None and self.behind.holds()

