"""Mirrors: copies of a route's requests to another service, whose answers nobody gets.

A copy is an exchange of its own with a Shadow where others have their client. It begins when the whole request
is there, after the turn of the event loop in which the original was sent on, so that the original waits for
nothing. What would cost too much is not copied, and counted.
"""

import time

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

from headgate.core.cells cimport (
    COMPARED_EQUAL, COMPARED_NOT, MIRROR_BUSY, MIRROR_INCOMPLETE, MIRROR_TOO_LARGE, Block, MirrorWord,
)
from headgate.core.head cimport Head, Span, new_head
from headgate.core.selection cimport Selection
from headgate.proxy.comparison import Comparison
from headgate.proxy.errand cimport Errand, begin_errand, errand_listener, errand_route, new_errand
from headgate.proxy.exchange cimport Exchange, Image, Mirroring
from headgate.proxy.snapshot cimport Listener, LiveSnapshot, Route, Service

cdef enum:
    SAMPLES = 16
    SAMPLE_TEXT = 500           # characters of each part of a sample


def attach_mirrors(LiveSnapshot live not None, object memory, object log) -> None:
    """Give the routes of a snapshot their mirrors. Raises ValueError."""
    cdef Route route
    for route in live.routes:
        if route.spec.mirror is not None:
            route.mirror = Mirror(route.spec.mirror, route, live.services[route.spec.mirror.service], memory, log)
            route.facts.special = True


def mirror_samples(LiveSnapshot live not None, route_name: str) -> list[dict[str, object]]:
    """The last answers that differed in the mirror of a route, in a bounded number of bounded texts."""
    cdef Route route
    for route in live.routes:
        if route.spec.name == route_name and route.mirror is not None:
            return (<Mirror>route.mirror).samples
    return []


cdef str cut(str text):
    return text if len(text) <= SAMPLE_TEXT else text[:SAMPLE_TEXT - 3] + "..."


cdef class Seen:
    def __cinit__(self, Py_ssize_t most):
        self.most = most
        self.fields = []
        self.body = bytearray()

    cdef int head(self, Head head, frozenset names) except -1:
        self.status = head.status
        self.fields = sorted((name.lower().decode("latin-1"), value.decode("latin-1"))
                             for name, value in head.items()
                             if name.lower().decode("latin-1") in names)
        return 0

    cdef int data(self, const char* data, Py_ssize_t size) except -1:
        if self.body is None:
            return 0
        if len(self.body) + size > self.most:
            self.body = None
        elif size:
            self.body += data[:size]
        return 0


cdef class Mirror(Mirroring):
    """`spec`: a spec.Mirror of `route`, whose copies go to `service`."""

    def __init__(self, object spec, Route route, Service service, object memory, object log):
        if service.spec.proxy_protocol is not None:
            raise ValueError(f"route {route.spec.name}: a mirror cannot speak the PROXY protocol")
        self.selection = Selection(spec.selection)
        self.service = service
        self.comparison = None if spec.compare is None else Comparison(spec.compare)
        self.names = frozenset(spec.compare.headers if spec.compare is not None else ())
        self.log = log
        self.block = Block(memory, spec.results_metric)
        self.most_bytes = spec.body_bytes
        self.most = spec.most
        self.timeout = spec.timeout
        self.samples = []
        self.route = errand_route(route.spec, route.limits, memory, spec.metric)
        self.listener = errand_listener()

    cdef Image image_of(self, Exchange exchange, const uint8_t* address):
        cdef Copy copy
        cdef bytes piece
        if (exchange.call is not None or exchange.request.upgrade.data != NULL
                or not self.selection.takes(exchange.request, exchange.listener.number, address)):
            return None
        if self.running >= self.most:
            self.block.add(MIRROR_BUSY, 1)
            return None
        if exchange.request.content_length > self.most_bytes:
            self.block.add(MIRROR_TOO_LARGE, 1)
            return None
        self.running += 1
        copy = Copy.__new__(Copy)
        copy.mirror = self
        copy.original = exchange
        copy.head = copy_of(exchange.request)
        copy.held = []
        exchange.watched = True
        if self.comparison is not None:
            copy.line = f"{exchange.request.method_name} {exchange.request.path_text}"
            copy.expected = Seen(self.most_bytes)
            copy.got = Seen(self.most_bytes)
        for piece in exchange.held or ():       # came while the request waited
            copy.take(PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))
        if exchange.request_read:
            copy.complete()
        return copy

    cdef int judge(self, Copy copy) except -1:
        """Compare two answers that are there, and count."""
        if copy.failed or copy.expected.status == 0 or copy.got.status == 0:
            self.block.add(COMPARED_NOT, 1)
            return 0
        part, difference = self.comparison.difference(copy.expected, copy.got)
        self.block.add(<int>COMPARED_EQUAL + self.comparison.PARTS.index(part), 1)
        if difference:
            sample = {"at": time.time(), "request": cut(copy.line), "part": part, "difference": cut(difference)}
            self.samples = [*self.samples[1 - SAMPLES:], sample]
            self.log.info("mirror of route %s: %s: %s differs: %s", self.route.spec.name, copy.line, part,
                          difference)
        return 0


cdef class Copy(Image):
    cdef int take(self, const char* data, Py_ssize_t size) except -1:
        if self.given_up or self.sent or size == 0:
            return 0
        self.size += size
        if self.size > self.mirror.most_bytes:
            return self.drop(MIRROR_TOO_LARGE)
        self.held.append(PyBytes_FromStringAndSize(data, size))
        return 0

    cdef int complete(self) except -1:
        if not self.given_up and not self.sent:
            self.sent = True
            self.original.context.loop.call_soon(self._send, self.original)
        return 0

    cdef int answer_head(self, Head head) except -1:
        return self.expected.head(head, self.mirror.names) if self.expected is not None else 0

    cdef int answer_data(self, const char* data, Py_ssize_t size) except -1:
        return self.expected.data(data, size) if self.expected is not None else 0

    cdef int original_ended(self, bint well) except -1:
        self.original = None
        self.original_over = True
        self.failed |= not well
        if not self.sent:
            return self.drop(MIRROR_INCOMPLETE)
        return self.settle()

    cdef int drop(self, MirrorWord why) except -1:
        if not self.given_up:
            self.given_up = True
            self.mirror.block.add(why, 1)
            self.mirror.running -= 1
            self.held = None
        return 0

    def _send(self, Exchange original not None) -> None:
        """Begin the copy's own exchange."""
        cdef Mirror mirror = self.mirror
        cdef Shadow shadow = Shadow.__new__(Shadow)
        cdef Exchange exchange = new_errand(shadow, original.context, mirror.listener, mirror.route, mirror.service,
                                            original.peer, self.head, self.held)
        shadow.copy = self
        self.exchange = exchange
        self.held = None
        exchange.snapshot = original.snapshot
        exchange.client = original.client
        exchange.request_id = original.request_id
        self.timer = exchange.context.loop.call_later(mirror.timeout, self._expire)
        begin_errand(exchange)

    def _expire(self) -> None:
        if self.exchange is not None:
            self.exchange.context.tick()
            self.exchange.expire()

    cdef int ended(self) except -1:
        """The copy's exchange is over."""
        if self.over:
            return 0
        self.over = True
        self.failed |= self.exchange.reason is not None or not self.exchange.response_complete
        self.exchange = None
        self.timer.cancel()
        self.mirror.running -= 1
        return self.settle()

    cdef int settle(self) except -1:
        """Compare once both are over."""
        if self.over and self.original_over and self.expected is not None:
            return self.mirror.judge(self)
        return 0


cdef class Shadow(Errand):
    cdef int send_head(self, Head head) except -1:
        if self.copy.got is not None and head.status >= 200:
            return self.copy.got.head(head, self.copy.mirror.names)
        return 0

    cdef int send_data(self, const char* data, Py_ssize_t size, bint last) except -1:
        return self.copy.got.data(data, size) if self.copy.got is not None else 0

    cdef int finish(self) except -1:
        return self.copy.ended()

    cdef int abort(self) except -1:
        return self.copy.ended()


cdef Head copy_of(Head head):
    """The same head once more, in memory of its own."""
    cdef Head copy = new_head(head.kind)
    cdef int number
    copy.keep(head.bytes, head.size)
    copy.received = head.received
    copy.scanned = head.scanned
    copy.line_read = head.line_read
    copy.line_size = head.line_size
    copy.repeated = head.repeated
    copy.method_size = head.method_size
    copy.target_start = head.target_start
    copy.target_size = head.target_size
    for number in range(head.field_count):
        copy.new_field()[0] = head.fields[number]
    memcpy(&copy.first[0], &head.first[0], sizeof(head.first))
    copy.last = head.last
    copy.version = head.version
    copy.content_length = head.content_length
    copy.chunked = head.chunked
    copy.keep_alive = head.keep_alive
    copy.te_trailers = head.te_trailers
    copy.method = head.method
    copy.target_form = head.target_form
    copy.port = head.port
    copy.has_query = head.has_query
    copy.handshake = head.handshake
    if head.path.data != NULL and head.path.data == head.normal:
        copy.set_path(head.path.data, head.path.size)
    else:
        copy.path = _moved(head.path, head, copy)
    copy.method_text = _moved(head.method_text, head, copy)
    copy.target = _moved(head.target, head, copy)
    copy.query = _moved(head.query, head, copy)
    copy.authority = _moved(head.authority, head, copy)
    memcpy(&copy.host_bytes[0], &head.host_bytes[0], sizeof(head.host_bytes))
    copy.host = Span(&copy.host_bytes[0], head.host.size)
    return copy


cdef Span _moved(Span span, Head head, Head copy) noexcept:
    if head.bytes <= span.data <= head.bytes + head.size:
        return Span(copy.bytes + (span.data - head.bytes), span.size)
    return span
