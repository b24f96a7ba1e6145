"""An exchange: one request and its response, from first byte to last.

It knows neither sockets nor bytes on the wire: it stands between two legs, one for each side, and
tells each what to send. What it decides, in order: who the client is, which route, which service and
endpoint, what of the heads is changed, and how it ends.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport INFINITY
from libc.stdint cimport uint8_t
from libc.string cimport memcmp

from headgate.core.attempts cimport ON_CONNECT, ON_REFUSED, ON_RESET, ON_TIMEOUT
from headgate.core.cells cimport (
    count_finished, place_of, FAILURES, IN_FLIGHT, REJECTED, RETRIES, TIMEOUTS, WORKER_MISDIRECTED,
    WORKER_RECORDS, WORKER_TUNNELS,
)
from headgate.core.events cimport Data, RESPONSE_HEAD, TRAILERS
from headgate.core.grpc cimport trailers_only
from headgate.core.grpc_web cimport WEB_TEXT
from headgate.core.handshake cimport Handshake
from headgate.core.head cimport (
    ACCEPT, ASTERISK_FORM, CONTENT_LENGTH, CONTENT_TYPE, DATE, EXPECT, HOST, MAX_FORWARDS, METHOD_CONNECT,
    METHOD_DELETE, METHOD_GET, METHOD_HEAD, METHOD_OPTIONS, METHOD_POST, METHOD_PUT, METHOD_TRACE, REFERER,
    STRICT_TRANSPORT_SECURITY, USER_AGENT, Field, Head, Span, new_head, release_head, token_of,
)
from headgate.core.hosts cimport HostKey
from headgate.core.record cimport Record
from headgate.core.splits cimport Share
from headgate.core.stickiness cimport Session
from headgate.core.tls cimport Tls
from headgate.core.websocket cimport WebSocketWatch
from headgate.middleware.message cimport add_checked
from headgate.proxy.attempts cimport (
    begin_attempt, begin_tries, drop_hedge, end_attempt, failed, judge, keeps_body, note_connect, pass_deadline,
    read_deadline, record_tries,
)
from headgate.proxy.chain cimport Chain, begin_way, serve_way
from headgate.proxy.forwarding cimport (
    client_of, drop_claims, edit_request, edit_response, known_id, set_host,
)
from headgate.proxy.grpc cimport answer_health, call_of
from headgate.proxy.snapshot cimport ANSWERED, BROKEN, TIMED_OUT, UNREACHABLE, Outcome
from headgate.proxy import replies

cdef extern from "scan.h" nogil:
    bint hg_equal_lower(const char* name, const char* lower, size_t size)

cdef enum:
    CONNECT_ATTEMPTS = 3        # an endpoint that was never reached has not seen the request
    RECORDS_BYTES = 32768
    QUESTION_BYTES = 4101       # a message of grpc.health.v1 with its prefix
    READ_BYTES = 65536          # what one more read can add to what waits already


cdef class Leg:
    """One side of an exchange. Sends what it is told, tells the exchange what came."""

    cdef int send_head(self, Head head) except -1:
        raise NotImplementedError

    cdef int send_data(self, const char* data, Py_ssize_t size, bint last) except -1:
        """Borrows the bytes until flush()."""
        raise NotImplementedError

    cdef int send_trailers(self, Head head) except -1:
        raise NotImplementedError

    cdef int flush(self) except -1:
        raise NotImplementedError

    cdef Py_ssize_t backlog(self) except -1:
        """Bytes that wait for the peer to take them."""
        raise NotImplementedError

    cdef int pause(self) except -1:
        """Read nothing more."""
        raise NotImplementedError

    cdef int resume(self) except -1:
        raise NotImplementedError

    cdef int begin_tunnel(self) except -1:
        """From here on opaque bytes; what came of them already is handed on."""
        raise NotImplementedError

    cdef int end_tunnel(self) except -1:
        """Half-close: this side of a tunnel gets no more bytes."""
        raise NotImplementedError

    cdef void watch(self) noexcept:
        """What is waited for is another thing now: set the deadline by it."""

    cdef void close_after(self) noexcept:
        """The connection ends with this exchange."""

    cdef bint input_complete(self) noexcept:
        """Whether the whole request came, even if not all of it was handed on yet."""
        return True

    cdef int finish(self) except -1:
        """The exchange is over and all bytes were handed over."""
        raise NotImplementedError

    cdef int skip(self, Head head) except -1:
        """The answer with this head is for nobody: `abort` need not break off what is over soon."""
        return 0

    cdef int abort(self) except -1:
        """Break off, so that the peer sees that something is missing."""
        raise NotImplementedError


cdef class Mirroring:
    """Copies exchanges to where nobody waits for the answer."""

    cdef Image image_of(self, Exchange exchange, const uint8_t* address):
        """The copy of an exchange whose head is there, or None."""
        raise NotImplementedError


cdef class Image:
    """The copy of one exchange."""

    cdef int take(self, const char* data, Py_ssize_t size) except -1:
        """A piece of the request's body as it is sent."""
        raise NotImplementedError

    cdef int complete(self) except -1:
        """The whole request is there."""
        raise NotImplementedError

    cdef int answer_head(self, Head head) except -1:
        raise NotImplementedError

    cdef int answer_data(self, const char* data, Py_ssize_t size) except -1:
        raise NotImplementedError

    cdef int original_ended(self, bint well) except -1:
        raise NotImplementedError


cdef class Faults:
    """Faults that are asked for."""

    cdef bint strike(self, Exchange exchange, const uint8_t* address) except -1:
        """Whether the exchange was taken over: it goes on later, or has ended."""
        raise NotImplementedError


cdef class Pacer:
    """Holds a response body up, and sends it on with paced(), or gives it to the one behind."""

    cdef int take(self, Data data) except -1:
        raise NotImplementedError

    cdef int take_trailers(self, Head head) except -1:
        raise NotImplementedError

    cdef bint holds(self) noexcept:
        """Whether what comes would only have to wait."""
        return False

    cdef int resume(self) except -1:
        """There is room for more of it."""
        raise NotImplementedError


cdef class Passage(View):
    """Middlewares between the exchange and what it does."""

    cdef int open_body(self) except -1:
        """The request is about to be sent."""
        raise NotImplementedError

    cdef int take_request(self, Data data) except -1:
        raise NotImplementedError

    cdef int take_trailers(self, Head head) except -1:
        raise NotImplementedError

    cdef bint holds(self) noexcept:
        """Whether what comes of the request's body would only have to wait."""
        raise NotImplementedError

    cdef bint reads(self, int64_t size) except -1:
        """Whether somebody reads the request's body, and wants more than `size` bytes of it."""
        raise NotImplementedError

    cdef int request_complete(self) except -1:
        raise NotImplementedError

    cdef int upstream_takes(self) except -1:
        """The endpoint can take more of the request."""
        raise NotImplementedError

    cdef bint reads_ahead(self, bint takes) except -1:
        """The client takes more, or no more. Whether the endpoint is read all the same."""
        raise NotImplementedError

    cdef bint answers(self) noexcept:
        """Whether they are to see a response of our own."""
        raise NotImplementedError

    cdef int answer(self, Head head, bytes own_body) except -1:
        """They see a response before it is sent; `own_body` None: it is an endpoint's."""
        raise NotImplementedError

    cdef bint ended(self) except -1:
        """The exchange is over. Whether somebody still needs its heads."""
        raise NotImplementedError


cdef class Source:
    """Gives connections to one endpoint."""

    cdef Leg acquire(self, Exchange exchange):
        """A leg that is ready, or None: connected() or connect_failed() of the exchange follows."""
        raise NotImplementedError

    cdef int forget(self, Exchange exchange) except -1:
        """The exchange waits no more."""
        raise NotImplementedError

    cdef int release(self, Leg leg) except -1:
        """The exchange of a leg is over, and the leg can carry another."""
        raise NotImplementedError

    cdef int opened(self, Leg connection) except -1:
        """A connection that carries many exchanges can be used."""
        raise NotImplementedError

    cdef int changed(self, Leg connection) except -1:
        """Such a connection can carry more exchanges than before, or fewer."""
        raise NotImplementedError

    cdef int left(self, Leg connection) except -1:
        """A connection is closed."""
        raise NotImplementedError

    cdef int keep_session(self, Tls tls) except -1:
        """A session that the next connection may resume."""
        raise NotImplementedError


cdef class Admission:
    """Says whether and when attempts begin."""

    cdef bint admits(self, Exchange exchange) except -1:
        """Whether the first attempt may begin now; else it begins later, or the exchange was answered."""
        raise NotImplementedError

    cdef Py_ssize_t choose(self, Exchange exchange) except -2:
        """The number of the endpoint to ask, or -1 when the exchange was answered."""
        raise NotImplementedError

    cdef bint sheds(self, Exchange exchange) except -1:
        """Whether the exchange was refused, as not important enough now."""
        raise NotImplementedError


cdef class Place:
    """What an exchange holds of what others may have when it is done."""

    cdef int leave(self) except -1:
        raise NotImplementedError


cdef Exchange new_exchange(Context context, Listener listener, Leg down, Peer peer):
    cdef Exchange exchange = Exchange.__new__(Exchange)
    exchange.context = context
    exchange.snapshot = context.snapshot
    exchange.listener = listener
    exchange.down = down
    exchange.peer = peer
    exchange.deadline = INFINITY
    exchange.request_read_at = exchange.attempt_started = -1.0
    exchange.connected_at = exchange.response_at = -1.0
    exchange.started = context.now
    return exchange


@cython.final
@cython.freelist(256)
cdef class Exchange:

    # --- Deciding ---

    cdef int begin(self, Head head, const HostKey* host) except -1:
        """The request head came; body events follow unless it is the last of the request."""
        self.request = head
        self.context.active += 1
        self.listener.block.add(IN_FLIGHT, 1)
        if head.last:
            self.request_read = True
            self.request_read_at = self.context.now
        if self.context.draining:
            self.down.close_after()
        if head.number(CONTENT_TYPE) >= 0 and head.method == METHOD_POST:
            self.call = call_of(head)
        return self._route(host)

    cdef int refuse(self, int status, bytes reason, str detail) except -1:
        """What came is no request that could be routed."""
        self.context.active += 1
        self.listener.block.add(IN_FLIGHT, 1)
        self.client = self.peer.text
        self.detail = detail.encode()
        return self.fail(status, reason)

    cdef int dismiss(self, Head head, bytes reason) except -1:
        """The client took its request back before anything was done with it."""
        self.request = head
        self.context.active += 1
        self.listener.block.add(IN_FLIGHT, 1)
        self.client = self.peer.text
        return self.client_gone(reason)

    cdef int _route(self, const HostKey* host) except -1:
        cdef uint8_t[16] address
        cdef Head head = self.request
        cdef Py_ssize_t number
        self.client = client_of(head, self.peer, self.snapshot, address)
        drop_claims(head, self.peer, self.snapshot)
        head.handshake = self.peer.secured
        if self.peer.secured is not None and not self.peer.secured.serves(head):
            self.context.block.add(WORKER_MISDIRECTED, 1)
            return self.fail(421, b"http_request_denied")
        if head.method == METHOD_CONNECT:
            self.down.close_after()
            return self.fail(405, b"http_request_denied")
        if PyBytes_GET_SIZE(self.listener.health) and self._is_health():
            return self._reply(200 if self.context.ready or head.path.data[head.path.size - 6] == c"e"
                               else 503, [], b"")
        if self.listener.https is not None:
            return self._to_https()
        if self.call is not None and self.listener.grpc_health and self.call.asks_health(head):
            self.call.question = bytearray()
            return self._answer_health() if head.last else 0
        if head.number(MAX_FORWARDS) >= 0 and head.method in (METHOD_OPTIONS, METHOD_TRACE):
            if self._max_forwards():
                return self._own_answer()
        if head.target_form == ASTERISK_FORM:
            return self._own_answer()       # about this server: no path, so no route
        number = self.snapshot.table.match(head, host, self.listener.number,
                                           address if self.peer.has_address else NULL)
        if number < 0:
            if self.snapshot.record_format is not None:
                # Only the record says it, so only the record pays for it.
                self.detail = _nearest_text(self.snapshot.routes, self.snapshot.table.nearest(
                    head, self.listener.number, address if self.peer.has_address else NULL))
            return self.fail(404, b"destination_not_found")
        self.facts = &self.snapshot.facts[number]
        self.limits = <RouteLimits>self.snapshot.limits[self.facts.limits]
        self.facts.words[place_of(IN_FLIGHT)] += 1
        if self.limits.request_timeout > 0:
            self.deadline = self.started + self.limits.request_timeout
        if self.call is not None and self.call.timeout != 0:
            if self.call.timeout < 0:
                self.detail = b"a malformed grpc-timeout"
                return self.fail(400, b"http_request_error")
            # The client's own deadline can only be the earlier one.
            self.deadline = min(self.deadline, self.started + self.call.timeout * 1e-9)
        if self.peer.is_trusted(self.snapshot) and not read_deadline(self):
            self.detail = b"a malformed X-Request-Timeout"
            return self.fail(400, b"http_request_error")
        if not self.facts.answers:
            if self.context.shed_level and (<Admission>self.context.admission).sheds(self):
                return 0
            if 0 < self.limits.body_bytes < head.content_length:
                return self.fail(413, b"http_request_denied")
        if self.facts.special and self.route().chains is not None:
            if self.route().chains[self.listener.number] is not None:
                return begin_way(self, <Chain>self.route().chains[self.listener.number], number,
                                 address if self.peer.has_address else NULL)
        return self.enter(number, address if self.peer.has_address else NULL)

    cdef int enter(self, Py_ssize_t number, const uint8_t* address) except -1:
        """Do what the route says."""
        if self.facts.answers:
            return self._answer_route(number)
        if self.facts.special and self.route().fault is not None and (<Faults>self.route().fault).strike(
                self, address):
            return 0
        return self._prepare_request(address)

    cdef int go_on(self, const uint8_t* address) except -1:
        """Do what was put off when the request came."""
        return self._prepare_request(address)

    cdef int _to_https(self) except -1:
        """The same address over TLS."""
        cdef Head head = self.request
        status, fields, body = replies.redirect(
            self.listener.https, self.listener.scheme, head.host_text, head.port,
            head.path.data[:head.path.size], head.query_text, {},
        )
        return self._reply(status, fields, body)

    cdef bint _is_health(self) noexcept:
        cdef Span path = self.request.path
        cdef Py_ssize_t size = PyBytes_GET_SIZE(self.listener.health)
        if path.size < size or memcmp(path.data, PyBytes_AS_STRING(self.listener.health), size) != 0:
            return False
        return ((path.size == size + 8 and memcmp(path.data + size, b"/healthz", 8) == 0)
                or (path.size == size + 7 and memcmp(path.data + size, b"/readyz", 7) == 0))

    cdef bint _max_forwards(self) except -1:
        """RFC 9110 section 7.6.2. Whether the request ends here."""
        cdef Field* field = self.request.find(MAX_FORWARDS)
        cdef bytes text = self.request.bytes[field.value_start:field.value_start + field.value_size]
        if not text.isdigit():
            return False
        left = int(text[:9])
        if left == 0:
            return True
        self.request.drop(MAX_FORWARDS)
        value = b"%d" % (left - 1)
        self.request.add_line(b"Max-Forwards", 12, value, len(value), MAX_FORWARDS)
        return False

    cdef int _own_answer(self) except -1:
        """OPTIONS and TRACE that end here (RFC 9110 sections 9.3.7 and 9.3.8)."""
        if self.request.method == METHOD_TRACE:
            return self._reply(200, [(b"Content-Type", b"message/http")], replies.trace(self.request))
        return self._reply(200, [(b"Allow", replies.ALLOW)], b"")

    cdef int _answer_route(self, Py_ssize_t number) except -1:
        """Redirect or respond."""
        cdef Head head = self.request
        path = head.path.data[:head.path.size]
        if self.route().spec.redirect is not None:
            status, fields, body = replies.redirect(
                self.route().spec.redirect, self.listener.scheme, head.host_text, head.port, path,
                head.query_text, self.snapshot.table.captures(number, path),
            )
        else:
            status, fields, body = replies.respond(self.route().spec.respond)
        return self._reply(status, fields, body)

    cdef int _prepare_request(self, const uint8_t* address) except -1:
        """Choose the service."""
        if self.chosen is not None:
            self.service = self.chosen
        else:
            self.service = <Service>self.facts.single
            if self.facts.special and self.route().split is not None:
                self._choose_share(address)
        self.service.block.add(IN_FLIGHT, 1)
        if self.service.chain is not None:
            return serve_way(self, <Chain>self.service.chain, address)
        return self.serve(address)

    cdef int serve(self, const uint8_t* address) except -1:
        """Forwarding fields, then the first attempt."""
        cdef Head head = self.request
        cdef bint special = self.facts.special
        if self.passage is not None:
            self.passage.open_body()
            if self.closed or self.response is not None:
                return 0                # an error answers it, if not at once
        self.key = self.service.key_of(head, address)
        if self.service.sticky is not None:
            self.session = self.service.sticky.session_of(head, self.context.now + self.context.wall_offset)
        self.request_id = edit_request(head, self.context, self.snapshot, self.listener, self.peer,
                                       self.client, self.request_id)
        if special and self.route().mirror is not None:
            self.image = (<Mirroring>self.route().mirror).image_of(self, address)
        if PyBytes_GET_SIZE(self.service.host):
            set_host(head, self.service.host)
        elif head.authority.data == NULL and PyBytes_GET_SIZE(self.service.own_host):
            set_host(head, self.service.own_host)
        self.idempotent = head.method in (METHOD_GET, METHOD_HEAD, METHOD_PUT, METHOD_DELETE,
                                          METHOD_OPTIONS, METHOD_TRACE)
        if self.service.budget is not None:
            self.service.budget.note(self.context.now)
        if special and self.route().policy is not None:
            begin_tries(self)
        if self.limits.buffer_request and not self.request_read:
            return self._begin_buffering()
        return self._begin_attempts()

    cdef int _begin_attempts(self) except -1:
        """The first attempt, when the limits of what runs at a time allow it."""
        if ((self.facts.special and self.route().gate is not None or self.service.gate is not None)
                and not (<Admission>self.context.admission).admits(self)):
            return 0
        return self.start_attempt()

    cdef int _choose_share(self, const uint8_t* address) except -1:
        cdef Py_ssize_t number = self.route().split.choose(self.request, self.listener.number, address)
        self.share = <Share>self.route().split.shares[number]
        self.share.block.add(IN_FLIGHT, 1)
        self.service = <Service>self.route().services[number]
        return 0

    cdef int _leave(self) except -1:
        """The service is needed no more: others may have what is held of it."""
        cdef Place place = self.place
        self.place = None
        return place.leave()

    cdef int _begin_buffering(self) except -1:
        """Read the body first, for backends that a slow client must not occupy."""
        self.buffering = True
        if self.request.expect_continue:
            self.request.drop(EXPECT)
            self._send_continue()
        return 0

    cdef int _send_continue(self) except -1:
        cdef Head head = new_head(RESPONSE_HEAD)
        head.status = 100
        head.reason = Span(b"Continue", 8)
        self.down.send_head(head)
        self.down.flush()
        release_head(head)
        return 0

    # --- Attempts ---

    cdef int start_attempt(self) except -1:
        """Choose an endpoint and ask it for a connection."""
        cdef Py_ssize_t number
        cdef Leg leg
        self.attempts += 1
        if not self.fresh:
            if self.service.guarded:
                number = (<Admission>self.context.admission).choose(self)
                if number < 0:
                    return 0
            else:
                number = self.pick(self.tried)
            if number < 0:
                return self.fail(503, b"destination_unavailable")
            self.tried |= <uint64_t>1 << (number & 63)
            self.endpoint = <Endpoint>self.service.endpoints[number]
        self.endpoint.enter()
        self.endpoint.block.add(IN_FLIGHT, 1)
        self.attempt_started = self.context.now
        self.waiting = True
        if self.tries is not None:
            begin_attempt(self)
        leg = (<Source>self.endpoint.source).acquire(self)
        if leg is not None:
            return self.connected(leg)
        return 0

    cdef Py_ssize_t pick(self, uint64_t avoid) noexcept:
        """The number of an endpoint: the client's own, or by the balancer. -1: there is none."""
        cdef Py_ssize_t number = -1
        if self.session is not None:
            number = self.service.find(self.session, avoid, self.context.now)
        return number if number >= 0 else self.service.pick(avoid, self.key, self.context.now)

    cdef int connected(self, Leg leg) except -1:
        """A connection is ready: send what came of the request so far."""
        if self.closed:
            raise RuntimeError("a closed exchange got a connection")
        self.waiting = False
        self.up = leg
        leg.exchange = self
        self.connected_at = self.context.now
        # Only a connection that carried an exchange before can turn out to be closed already, and only
        # one that carries many refuses some.
        self.replayable = (self.idempotent and leg.reused) or (leg.refusable and not self.refused)
        if self.tries is not None:
            self.replayable = self.replayable or keeps_body(self)
        if self.call is not None:
            self.call.begin_attempt(self.request, leg.refusable, self.deadline - self.connected_at)
        if self.deadline < INFINITY:
            pass_deadline(self)
        leg.send_head(self.request)
        if not self._send_held():
            return self._not_base64()
        leg.flush()
        leg.watch()
        if not self.request_sent and not leg.write_blocked and not self.request_read:
            self.read_on(self.down)
            if self.passage is not None:
                self.passage.upstream_takes()
        return 0

    cdef int connect_failed(self, int status, bytes reason) except -1:
        """No connection could be had. Another endpoint may have one; this one saw nothing."""
        cdef int most = max(self.facts.attempts, min(CONNECT_ATTEMPTS, self.service.count))
        self.waiting = False
        self._count_failure(status, UNREACHABLE)
        self._release_endpoint()
        if status != 503 and self.attempts < most and self.service.count > 1:
            self.endpoint.block.add(RETRIES, 1)
            self.route().block.add(RETRIES, 1)
            self.fresh = False
            if self.tries is not None:
                note_connect(self)
            return self.start_attempt()
        if self.tries is not None and status != 503 and failed(self, ON_CONNECT):
            return 0
        return self.fail(status, reason)

    cdef int _count_failure(self, int status, Outcome outcome) except -1:
        self.endpoint.block.add(TIMEOUTS if status == 504 else FAILURES, 1)
        if self.service.observes and status != 503:     # which is a limit of ours
            self._observe(TIMED_OUT if status == 504 else outcome, None)
        return 0

    cdef void _release_endpoint(self) noexcept:
        self.endpoint.leave()
        self.endpoint.block.subtract(IN_FLIGHT, 1)

    cdef int upstream_closed(self, int status, bytes reason) except -1:
        """The upstream side is over before the response was complete."""
        cdef bint reused = self.up is not None and self.up.reused
        if (status == 0 and reused and not self.response_started and self.idempotent
                and self.replayable and self.upstream_status == 0):
            # RFC 9112 section 9.3.1: it closed an idle connection while the request was on its way.
            return self._try_again()
        if self.endpoint is not None:
            self._count_failure(status, BROKEN)
        if (self.tries is not None and self.response is None
                and failed(self, ON_TIMEOUT if status == 504 else ON_RESET)):
            return 0
        self.ended_by = b"upstream"
        return self.fail(status or 502, reason)

    cdef int upstream_refused(self, bytes reason) except -1:
        """The endpoint says that it did nothing with the request (RFC 9113 section 8.7): even one that
        must not be done twice is safe to send again, once."""
        if self.tries is not None and failed(self, ON_REFUSED):
            return 0
        if (self.replayable and not self.refused and not self.response_started and self.upstream_status == 0
                and self._affords()):
            self.refused = True
            return self._try_again()
        return self.upstream_closed(502, reason)

    cdef bint _affords(self) except -1:
        """Whether the service's budget has room for one more attempt: what refuses everything must not get
        twice as much of it."""
        return self.service.budget is None or self.service.budget.take(self.context.now)

    cdef int _try_again(self) except -1:
        self._release_up(False)
        self.endpoint.block.add(RETRIES, 1)
        self.route().block.add(RETRIES, 1)
        self.fresh = True
        self.request_sent = False
        return self.start_attempt()

    cdef int _release_up(self, bint clean) except -1:
        """Let the upstream side go: back to its source, or broken off."""
        cdef Leg leg = self.up
        if self.tries is not None:
            end_attempt(self)
        if self.waiting:
            self.waiting = False
            (<Source>self.endpoint.source).forget(self)
            self._release_endpoint()
        if leg is None:
            return 0
        self.up = None
        leg.exchange = None
        self._release_endpoint()
        if clean:
            leg.finish()
        else:
            leg.abort()
        return 0

    # --- The request's body ---

    cdef bint expects(self) noexcept:
        """Whether the client waits for leave to send its body (RFC 9110 section 10.1.1)."""
        return (self.request is not None and self.request.expect_continue and not self.buffering
                and not self.request_read and self.bytes_in == 0 and self.upstream_status == 0)

    cdef int request_data(self, Data data) except -1:
        cdef int64_t limit
        self.bytes_in += data.size
        if self.response_complete or self.closed:
            return 0
        if self.call is not None and self.call.question is not None:
            return self._take_question(data)
        limit = self.limits.body_bytes if self.facts != NULL else 0
        if 0 < limit < self.bytes_in:
            self.down.close_after()
            return self.fail(413, b"http_request_denied")
        if self.passage is not None and self.passage.filters:
            return self.passage.take_request(data)
        return self.request_piece(data.data, data.size, data.last)

    cdef int request_piece(self, const char* data, Py_ssize_t size, bint last) except -1:
        """A piece of the body as it is sent."""
        if self.image is not None:
            self.image.take(data, size)
        if self.up is not None:
            if self.replayable:
                self._hold(data, size)
            if not self._send_on(data, size, last):
                return self._not_base64()
            if last:
                return self._request_end()
            if not self.response_started:
                self.up.watch()
            return 0
        self._hold(data, size)
        if last:
            return self._request_end()
        if self.passage is not None and self.passage.reads(self.held_bytes):
            return 0
        if self.buffering:
            if self.held_bytes >= self.limits.buffer_request:
                return self._unbuffer()
        elif self.held_bytes + READ_BYTES > self.limits.buffer_bytes:
            self.down.pause()
        return 0

    cdef bint _send_on(self, const char* data, Py_ssize_t size, bint last) except -1:
        """Send a piece of the body upstream. Whether it is what the call says that it is."""
        cdef bytes piece
        if self.call is None or self.call.incoming is None:
            self.up.send_data(data, size, last)
            return True
        piece = self.call.incoming.take(data, size)
        if self.call.incoming.broken or (last and not self.call.incoming.finish()):
            return False
        self.up.send_data(PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece), last)
        self.up.flush()         # the piece lives no longer
        return True

    cdef int _not_base64(self) except -1:
        self.detail = b"a body of application/grpc-web-text that is not base64"
        return self.fail(400, b"http_request_error")

    cdef int request_moved(self, Py_ssize_t size, bint last) except -1:
        """The kernel moved a piece of the body upstream: it cannot be sent a second time."""
        self.bytes_in += size
        self.replayable = False
        self.held = None
        if last:
            return self._request_end()
        if not self.response_started:
            self.up.watch()
        return 0

    cdef int request_trailers(self, Head head) except -1:
        if self.response_complete or self.closed:
            release_head(head)
            return 0
        if self.call is not None and self.call.question is not None:
            release_head(head)
            self.request_read = True
            return self._answer_health()
        if self.passage is not None and self.passage.filters:
            return self.passage.take_trailers(head)
        return self.pass_trailers(head)

    cdef int pass_trailers(self, Head head) except -1:
        """The trailers of the request, behind its body as it is sent."""
        if self.up is not None:
            self.up.send_trailers(head)
            self.replayable = False
            release_head(head)
        else:
            self.trailers = head
        return self._request_end()

    cdef int _request_end(self) except -1:
        self.request_read = True
        self.request_read_at = self.context.now
        if self.image is not None:
            self.image.complete()
        if self.passage is not None:
            self.passage.request_complete()
        if self.buffering:
            return self._unbuffer()
        if self.up is not None:
            self.request_sent = True
            self.up.watch()
        return 0

    cdef int _hold(self, const char* data, Py_ssize_t size) except -1:
        """Copy a piece of the body, for a connection that is not there yet or for a second try."""
        cdef int64_t limit = self.limits.buffer_bytes
        if self.up is not None and self.held_bytes + size > limit:
            self.replayable = False
            self.held = None
            self.held_bytes = 0
            return 0
        if self.held is None:
            self.held = []
        if size:
            self.held.append(PyBytes_FromStringAndSize(data, size))
            self.held_bytes += size
        return 0

    cdef bint _send_held(self) except -1:
        cdef bytes piece
        if self.held is not None:
            for piece in self.held:
                if not self._send_on(PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece), False):
                    return False
            # Borrowed by the output until it is flushed.
            self.up.flush()
            if not self.replayable:
                self.held = None
        if self.request_read:
            if self.trailers is not None:
                self.up.send_trailers(self.trailers)
            elif not self.request.last and not self._send_on(NULL, 0, True):
                return False
            self.request_sent = True
        return True

    cdef int _unbuffer(self) except -1:
        """The request is buffered, whole or as far as the limit goes: start the attempt."""
        cdef bytes length
        self.buffering = False
        if self.request_read and self.request.chunked and self.trailers is None:
            # Its length is known now, which is what a WSGI server wants to see.
            length = b"%d" % self.held_bytes
            self.request.chunked = False
            self.request.content_length = self.held_bytes
            self.request.add_line(b"Content-Length", 14, PyBytes_AS_STRING(length),
                                  PyBytes_GET_SIZE(length), CONTENT_LENGTH)
            self.request.last = self.held_bytes == 0
        elif not self.request_read:
            self.down.pause()
        return self._begin_attempts()

    # --- The response ---

    cdef int response_head(self, Head head) except -1:
        self.upstream_status = head.status
        if head.status < 200:
            return self._interim(head)
        if self.tries is not None and judge(self, head):
            return 0
        self.response = head
        self.status = head.status
        self.response_at = self.context.now
        self.held = None
        self.replayable = False
        if self.service.observes:
            self._observe(ANSWERED, head)
        if self.image is not None:
            self.image.answer_head(head)
        edit_response(head, self.context, self.snapshot, self.listener)
        if self.share is not None:
            self.share.tell(head)
        if self.session is not None:
            self.session.tell(head, self.service.identity_of(self.endpoint),
                              self.context.now + self.context.wall_offset, self.peer.secured is not None)
        if self.call is not None:
            self.call.answer_head(head)
        if self.passage is not None:
            if self.up is not None:
                self.up.watch()         # however long they take over the head, the first byte came
            return self.passage.answer(head, None)
        return self.send_answer(head)

    cdef int send_answer(self, Head head) except -1:
        """The head of an endpoint's response goes out, and its body from here on."""
        self.status = head.status
        if head.status >= 300 and not self.request_read and not self.down.input_complete():
            # An early refusal: the rest of the request may never be read (RFC 9112 section 9.6).
            # An early success may be an echo, and the connection lives on if both come to an end.
            self.down.close_after()
        self.response_started = True
        self.down.send_head(head)
        if self.up is not None:
            self.up.watch()
        if head.last:
            return self._response_end()
        return 0

    cdef int _observe(self, Outcome outcome, Head head) except -1:
        """Tell whoever wants to know how an attempt ended."""
        return self.service.observe(self.endpoint, outcome, head, self.context.now - self.attempt_started,
                                    self.context.now)

    cdef int _interim(self, Head head) except -1:
        """RFC 9110 section 15.2: forwarded, but never to an HTTP/1.0 client."""
        if self.hedge:
            return drop_hedge(self) if head.status == 101 else 0    # nobody's until it answers
        if head.status == 101:
            return self._begin_tunnel(head)
        if self.request.version >= 11:
            self.down.send_head(head)
            self.down.flush()
        release_head(head)
        if not self.request_read:
            # It was waited for, maybe.
            self.up.watch()
            self.down.watch()
        return 0

    cdef int response_data(self, Data data) except -1:
        if self.image is not None:
            self.image.answer_data(data.data, data.size)
        if self.pacer is not None:
            self.pacer.take(data)
            if self.up is not None:
                self.up.watch()         # it came in time, whenever it goes on
            return 0
        if self.call is not None and self.call.outgoing is not None:
            self._web_data(data.data, data.size, data.last)
        else:
            self.bytes_out += data.size
            self.down.send_data(data.data, data.size, data.last)
        if data.last:
            return self._response_end()
        self.up.watch()
        return 0

    cdef int source_over(self) except -1:
        """The whole response is there, but did not go out yet."""
        return self._release_up(self.request_sent)

    cdef int paced(self, const char* data, Py_ssize_t size, bint last, Head trailers) except -1:
        """A piece of the response that was held up; behind the last one may come `trailers`."""
        if self.call is not None and self.call.outgoing is not None:
            self._web_data(data, size, last and trailers is None)
        else:
            self.bytes_out += size
            self.down.send_data(data, size, last and trailers is None)
        self.down.flush()       # the piece lives no longer
        if not last:
            return 0
        if trailers is None:
            return self._response_end()
        self.pacer = None
        return self.response_trailers(trailers)

    cdef int response_moved(self, Py_ssize_t size, bint last) except -1:
        """The kernel moved a piece of the body downstream."""
        self.bytes_out += size
        if last:
            return self._response_end()
        self.up.watch()
        return 0

    cdef int response_trailers(self, Head head) except -1:
        if self.pacer is not None:
            return self.pacer.take_trailers(head)
        if self.call is not None:
            self.call.read_status(head)
        if self.call is not None and self.call.outgoing is not None:
            self._send_web(self.call.outgoing.finish(head), True)
        elif self._takes_trailers():
            self.down.send_trailers(head)
        else:
            self.down.send_data(NULL, 0, True)
        release_head(head)
        return self._response_end()

    cdef bint _takes_trailers(self) noexcept:
        """RFC 9110 section 6.5.1: only a client that says so takes them, as each one of HTTP/2 does."""
        return self.request.te_trailers or self.request.version == 20

    cdef int _response_end(self) except -1:
        self.response_complete = True
        self.down.flush()
        self._release_up(self.request_sent)
        if self.place is not None:
            self._leave()
        if self.down.write_blocked:
            return 0                # writable() goes on when the last byte was taken
        return self._close()

    # --- gRPC ---

    cdef int _web_data(self, const char* data, Py_ssize_t size, bint last) except -1:
        """A piece of a response that becomes one of gRPC-Web."""
        cdef bytes piece
        if self.call.outgoing.kind != WEB_TEXT and not last:
            self.bytes_out += size
            return self.down.send_data(data, size, False)
        piece = self.call.outgoing.take(data, size)
        if last:
            piece += self.call.outgoing.finish_with([])     # without trailers, which a client notices
        return self._send_web(piece, last)

    cdef int _send_web(self, bytes piece, bint last) except -1:
        self.bytes_out += PyBytes_GET_SIZE(piece)
        self.down.send_data(PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece), last)
        return self.down.flush()        # the piece lives no longer

    cdef bint _end_call(self, int status, bytes reason) except -1:
        """End a response of gRPC that has begun with what is wrong as its trailers. Whether that could be
        said: behind half a message of gRPC-Web it would be taken for the other half, and a body of known
        length has no end before it is there."""
        cdef Head head
        if (self.call is None or not self.call.answering or self.call.outgoing is not None
                or self.response.content_length >= 0 or not self._takes_trailers()):
            return False
        head = new_head(TRAILERS)
        _add_fields(head, self.call.error_fields(status, reason, self.detail)[1:])
        self._end_with(head)
        return True

    cdef int _end_with(self, Head trailers) except -1:
        cdef Leg down = self.down
        self.response_complete = True
        if not self.request_read and not down.input_complete():
            down.close_after()
        down.send_trailers(trailers)
        release_head(trailers)
        down.flush()
        return 0 if down.write_blocked else self._close()

    cdef int _take_question(self, Data data) except -1:
        """The body of a question to this listener itself, which is short."""
        self.call.question += data.data[:data.size]
        if len(self.call.question) > QUESTION_BYTES:
            return self.fail(413, b"http_request_denied")
        if not data.last:
            return 0
        self.request_read = True
        self.request_read_at = self.context.now
        return self._answer_health()

    cdef int _answer_health(self) except -1:
        cdef Head head
        cdef Span path = self.request.path
        cdef bytes message
        status, message = answer_health(path.data[:path.size], bytes(self.call.question),
                                        self.context.ready, self.snapshot.services)
        self.call.status = status
        if status:
            return self._reply(200, trailers_only(status, message), b"")
        self.response_started = True
        head = self.own_head(200, [(b"Content-Type", b"application/grpc")])
        head.chunked = True
        self.down.send_head(head)
        self.bytes_out = PyBytes_GET_SIZE(message)
        self.down.send_data(PyBytes_AS_STRING(message), PyBytes_GET_SIZE(message), False)
        self.down.flush()
        head = new_head(TRAILERS)
        _add_fields(head, [(b"grpc-status", b"0")])
        return self._end_with(head)

    # --- Tunnels ---

    cdef int _begin_tunnel(self, Head head) except -1:
        cdef Leg down = self.down
        self.response = head
        self.status = 101
        self.response_at = self.context.now
        self.response_started = True
        self.tunnel = True
        if self.service.observes:
            self._observe(ANSWERED, head)
        if self.snapshot.record_format is not None and _is_websocket(head.upgrade):
            self.frames = WebSocketWatch()
        self.context.block.add(WORKER_TUNNELS, 1)
        self.deadline = self.context.now + self.limits.tunnel_idle_timeout
        self.up.watch()
        edit_response(head, self.context, self.snapshot, self.listener)
        down.send_head(head)
        down.flush()
        return down.begin_tunnel()

    cdef int tunnel_data(self, Leg source, Data data) except -1:
        """Opaque bytes; the last of one direction is a half-close."""
        cdef Leg other = self.up if source is self.down else self.down
        self.deadline = self.context.now + self.limits.tunnel_idle_timeout
        if source is self.down:
            self.bytes_in += data.size
        else:
            self.bytes_out += data.size
        if self.frames is not None:
            self.frames.see(source is self.down, data.data, data.size)
        if data.size:
            other.send_data(data.data, data.size, False)
        if not data.last:
            return 0
        other.flush()
        if source is self.down:
            self.down_ended = True
        else:
            self.up_ended = True
        other.end_tunnel()
        if self.down_ended and self.up_ended:
            self.ended_by = b"client" if source is self.up else b"upstream"
            self._release_up(True)
            return self._close()
        return 0

    # --- Both sides ---

    cdef int writable(self, Leg leg, bint yes) except -1:
        """A side can, or cannot, take more bytes: the other is read accordingly."""
        cdef Leg up = self.up
        if leg is self.down:
            if yes and self.response_complete:
                return self._close()
            if self.passage is not None and self.passage.reads_ahead(yes):
                return 0
            if up is None:
                return 0
            if yes:
                self.read_on(up)
            elif leg.backlog() + READ_BYTES > self.limits.buffer_response:
                up.pause()
        elif yes:
            if not self.request_read or self.tunnel:
                self.read_on(self.down)
            if self.passage is not None:
                self.passage.upstream_takes()
        elif leg.backlog() + READ_BYTES > self.limits.buffer_bytes:
            self.down.pause()
        return 0

    cdef int read_on(self, Leg leg) except -1:
        """Read from a side again, unless a middleware holds what came, or the other side has enough waiting."""
        cdef Leg up = self.up
        cdef int64_t most = self.limits.buffer_bytes
        if leg is not self.down:
            if self.pacer is not None and self.pacer.holds():
                return 0
            if self.down.write_blocked and self.down.backlog() + READ_BYTES > self.limits.buffer_response:
                return 0
        else:
            if self.passage is not None and self.passage.holds():
                return 0
            if up is not None and up.write_blocked and up.backlog() + READ_BYTES > most:
                return 0
            if up is None and not self.buffering and self.held_bytes + READ_BYTES > most:
                return 0
        return leg.resume()

    cdef int client_gone(self, bytes reason) except -1:
        """The client left: nobody waits for the answer."""
        return self._give_up(b"client", reason)

    cdef int break_off(self, bytes reason) except -1:
        """End both sides as they are."""
        cdef Leg down = self.down
        if self.hedge:
            return drop_hedge(self)
        self._give_up(b"headgate", reason)
        if down is not None:
            down.abort()
        return 0

    cdef int _give_up(self, bytes ended_by, bytes reason) except -1:
        if self.closed:
            return 0
        self.ended_by = ended_by
        self.reason = reason
        if not self.response_started:
            self.status = 0
        self._release_up(False)
        return self._close()

    cdef int expire(self) except -1:
        """The deadline of the whole exchange passed."""
        self.deadline = INFINITY
        if self.facts != NULL:
            self.route().block.add(TIMEOUTS, 1)
        if self.call is not None:
            self.call.expired = True
        return self.fail(504, b"http_response_timeout")

    cdef int fail(self, int status, bytes reason) except -1:
        """End with an error of our own; where a response has begun, break it off visibly."""
        cdef Leg down = self.down
        if self.closed:
            return 0
        if self.hedge:
            return drop_hedge(self)
        if self.response_complete:
            down.close_after()      # it only has to go out
            return 0
        self.reason = reason
        if self.ended_by is None:
            self.ended_by = b"headgate"
        if self.request_id is None and self.snapshot.request_id:
            self.request_id = self.context.new_request_id()
        if self.facts != NULL and status in (413, 429):
            self.route().block.add(REJECTED, 1)
        self._release_up(False)
        if self.response_started:
            if self._end_call(status, reason):
                return 0
            down.abort()
            return self._close()
        status, fields, body = self.error_reply(status, reason)
        return self._reply(status, fields, body)

    cdef tuple error_reply(self, int status, bytes reason):
        """What an error of our own is answered with: status, fields and body."""
        if self.call is not None:
            return 200, self.call.error_fields(status, reason, self.detail), b""
        fields, body = replies.error(status, reason, self._accept(), self.request_id, self.detail)
        if self.retry_after:
            fields.append((b"Retry-After", b"%d" % self.retry_after))
        return status, fields, body

    cdef bytes _accept(self):
        cdef Field* field
        if self.request is None:
            return b""
        field = self.request.find(ACCEPT)
        if field == NULL:
            return b""
        return self.request.bytes[field.value_start:field.value_start + field.value_size]

    cdef int _reply(self, int status, list fields, bytes body) except -1:
        """Send an answer of our own."""
        return self._answer_own(self.own_head(status, fields), body)

    cdef int answer_with(self, object reply) except -1:
        """Send the middleware.Reply. Raises TypeError and ValueError for what cannot be sent."""
        cdef Head head
        status, fields, body, unchecked = self.reply_parts(reply)
        head = self.own_head(status, fields)
        add_checked(head, unchecked)
        if self.facts != NULL and status in (413, 429):
            self.route().block.add(REJECTED, 1)
        return self._answer_own(head, body)

    cdef tuple reply_parts(self, object reply):
        """What a middleware.Reply is answered with: status, fields, body, and fields to be checked."""
        if self.call is not None and reply.status >= 400:
            return (200, self.call.error_fields(reply.status, b"http_request_denied", self.detail, reply.message),
                    b"", [])
        if type(reply.body) is not bytes:
            raise TypeError(f"the body of a Reply is bytes, not {type(reply.body).__name__}")
        return reply.status, [], reply.body, reply.fields

    cdef int _answer_own(self, Head head, bytes body) except -1:
        if self.place is not None:
            self._leave()
        self.buffering = False          # no attempt follows, even while middlewares look at this
        if self.passage is not None and self.passage.answers():
            return self.passage.answer(head, body)
        return self.send_own(head, body)

    cdef int _count_length(self, Head head, Py_ssize_t size) except -1:
        cdef bytes value = b"%d" % size
        head.content_length = size
        if head.status != 204 and head.status != 304:
            head.add_line(b"Content-Length", 14, PyBytes_AS_STRING(value),
                          PyBytes_GET_SIZE(value), CONTENT_LENGTH)
        return 0

    cdef int begin_own(self, Head head, Py_ssize_t size) except -1:
        """Send the head of an answer of our own; the body follows with paced(). `size`: of it, or -1 when that
        is not known."""
        if size >= 0:
            self._count_length(head, size)
        if not self.request_read and not self.down.input_complete():
            self.down.close_after()
        self.status = head.status
        self.response_started = True
        return self.down.send_head(head)

    cdef int send_own(self, Head head, bytes body) except -1:
        """Send an answer of our own as it is."""
        cdef int status = head.status
        self._count_length(head, PyBytes_GET_SIZE(body))
        if not self.request_read and not self.down.input_complete():
            self.down.close_after()
        self.status = status
        self.response_started = self.response_complete = True
        head.last = PyBytes_GET_SIZE(body) == 0 or status == 204 or status == 304 or (
            self.request is not None and self.request.method == METHOD_HEAD)
        self.down.send_head(head)
        if not head.last:
            self.bytes_out = PyBytes_GET_SIZE(body)
            self.down.send_data(PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body), True)
        self.down.flush()
        if self.down.write_blocked:
            return 0
        return self._close()

    cdef Head own_head(self, int status, list fields):
        """The head of an answer of our own, with what every one has."""
        cdef Head head = new_head(RESPONSE_HEAD)
        cdef bytes phrase = replies.phrase(status)
        head.status = self.status = status
        head.reason = Span(PyBytes_AS_STRING(phrase), PyBytes_GET_SIZE(phrase))
        head.add_line(b"Date", 4, self.context.date, 29, DATE)
        if PyBytes_GET_SIZE(self.listener.hsts):
            head.add_line(b"Strict-Transport-Security", 25, PyBytes_AS_STRING(self.listener.hsts),
                          PyBytes_GET_SIZE(self.listener.hsts), STRICT_TRANSPORT_SECURITY)
        _add_fields(head, fields)
        if self.ended_by is None:
            self.ended_by = b"headgate"
        self.response = head
        return head

    cdef int drop_upstream(self) except -1:
        """Nobody wants what the endpoint still sends."""
        return self._release_up(False)

    cdef int ask_for_body(self) except -1:
        """Somebody wants the request's body before it is sent on."""
        if self.request.expect_continue and self.bytes_in == 0:
            self.request.drop(EXPECT)
            self.request.expect_continue = False
            self._send_continue()
        return self.down.resume()

    cdef int replace_body(self, bytes data) except -1:
        """Send another body than the one that came, which is there."""
        cdef Head head = self.request
        self.held = [data] if data else None
        self.held_bytes = PyBytes_GET_SIZE(data)
        self.trailers = None
        head.drop(CONTENT_LENGTH)
        head.chunked = False
        head.last = self.held_bytes == 0
        return self._count_length(head, self.held_bytes)

    cdef bytes identify(self):
        """The request's id."""
        if self.request_id is None and self.peer.is_trusted(self.snapshot):
            self.request_id = known_id(self.request)
        if self.request_id is None:
            self.request_id = self.context.new_request_id()
        return self.request_id

    # --- The end ---

    cdef int _close(self) except -1:
        """Count, record, and let both sides go. Runs once."""
        # The downstream side may hold the only reference.
        cdef Exchange alive = self
        cdef Leg down = self.down
        cdef double duration
        cdef bint needed = False
        if self.closed:
            return 0
        self.closed = True
        if self.place is not None:
            self._leave()
        self.context.active -= 1
        duration = self.context.tick() - self.started
        self._count(duration)
        if self.passage is not None:
            needed = self.passage.ended()
            self.passage = None
        self.pacer = None
        if self.snapshot.record_format is not None and not self.muted:
            self._record(duration)
        if self.image is not None:
            self.image.original_ended(self.response_complete)
            self.image = None
        self.down = None
        self.held = None
        if down is not None:
            down.exchange = None
            if self.response_complete or self.tunnel:
                down.finish()
        if not needed:
            release_head(self.request)
            release_head(self.response)
            self.request = self.response = None
        return 0

    cdef int _count(self, double duration) except -1:
        cdef uint64_t microseconds = <uint64_t>(duration * 1e6)
        # A failed call goes out as 200, and counts as what it is.
        cdef int status = self.call.failure if self.call is not None and self.call.failure else self.status
        self.listener.block.subtract(IN_FLIGHT, 1)
        self.listener.block.finish(status, microseconds, self.bytes_in, self.bytes_out)
        if self.tunnel:
            self.context.block.subtract(WORKER_TUNNELS, 1)
        if self.facts == NULL:
            return 0
        self.facts.words[place_of(IN_FLIGHT)] -= 1
        count_finished(self.facts.words, status, microseconds, self.bytes_in, self.bytes_out)
        if self.service is None:
            return 0
        self.service.block.subtract(IN_FLIGHT, 1)
        self.service.block.finish(status, microseconds, self.bytes_in, self.bytes_out)
        if self.share is not None:
            self.share.block.subtract(IN_FLIGHT, 1)
            self.share.block.finish(status, microseconds, self.bytes_in, self.bytes_out)
        if self.endpoint is not None:
            self.endpoint.block.finish(self.upstream_status, microseconds, self.bytes_in,
                                       self.bytes_out)
        return 0

    cdef int _record(self, double duration) except -1:
        cdef Record record
        cdef Head head = self.request
        cdef double now = self.started + duration
        record.started = self.started + self.context.wall_offset
        record.client = _span(self.client)
        record.user = _span(self.user)
        record.peer = _span(self.peer.text)
        record.peer_port = self.peer.port
        record.listener = _span(self.listener.name)
        record.method = record.target = record.host = record.path = Span(NULL, 0)
        record.user_agent = record.referer = Span(NULL, 0)
        record.version = 11
        record.head_bytes_in = record.head_bytes_out = 0
        if head is not None:
            record.method = head.method_text
            record.target = head.target
            record.host = head.host
            record.path = head.path
            record.version = head.version
            record.head_bytes_in = head.received
            record.user_agent = _field(head, USER_AGENT)
            record.referer = _field(head, REFERER)
        if self.response is not None:
            record.head_bytes_out = self.response.size
        record.request_id = _span(self.request_id)
        record.route = _span(self.route().name if self.facts != NULL else None)
        record.service = _span(self.service.name if self.service is not None else None)
        record.variant = _span(self.share.name if self.share is not None else None)
        record.endpoint = _span(self.endpoint.name if self.endpoint is not None else None)
        record.reason = _span(self.reason)
        record.ended_by = _span(self.ended_by if self.ended_by is not None else b"upstream")
        record.detail = _span(self.detail)
        record.status = self.status
        record.upstream_status = self.upstream_status
        record.attempts = self.attempts
        record.retried = record.not_retried = record.hedge = Span(NULL, 0)
        if self.tries is not None:
            record_tries(&record, self.tries)
        record.bytes_in = self.bytes_in
        record.bytes_out = self.bytes_out
        record.duration = duration
        record.wait_seconds = _between(self.started, self.attempt_started)
        record.connect_seconds = _between(self.attempt_started, self.connected_at)
        record.first_byte_seconds = _between(self.connected_at, self.response_at)
        record.request_seconds = _between(self.started, self.request_read_at)
        record.secure = self.peer.secured is not None
        record.tls_version = record.tls_cipher = record.sni = record.alpn = Span(NULL, 0)
        record.ja3 = record.ja4 = Span(NULL, 0)
        if record.secure:
            _record_handshake(&record, self.peer.secured)
        record.grpc_status = self.call.status if self.call is not None else -1
        record.websocket_close = -1
        record.websocket_closed_by = Span(NULL, 0)
        if self.frames is not None:
            record.websocket_close = self.frames.close_code
            record.websocket_closed_by = _span(_closers[self.frames.closed_by])
        self.snapshot.record_format.write(&record, self.context.records)
        self.context.block.add(WORKER_RECORDS, 1)
        if self.context.records.total > RECORDS_BYTES:
            self.context.write_records()
        return 0


cdef void _record_handshake(Record* record, Handshake handshake) noexcept:
    record.tls_version = _text(handshake.version)
    record.tls_cipher = _text(handshake.cipher)
    record.sni = _text(handshake.server_name)
    record.alpn = _text(handshake.protocol)
    record.ja3 = _text(handshake.ja3)
    record.ja4 = _text(handshake.ja4)


cdef int _add_fields(Head head, list fields) except -1:
    cdef bytes name, value
    for name, value in fields:
        head.add_line(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name),
                      PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value),
                      token_of(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)))
    return 0


cdef inline Span _span(bytes text) noexcept:
    if text is None:
        return Span(NULL, 0)
    return Span(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef inline Span _text(bytes text) noexcept:
    """Absent when empty."""
    return _span(text if PyBytes_GET_SIZE(text) else None)


cdef inline bint _is_websocket(Span protocol) noexcept:
    return protocol.size == 9 and hg_equal_lower(protocol.data, b"websocket", 9)


cdef inline Span _field(Head head, int token) noexcept:
    cdef int number = head.number(token)
    if number < 0:
        return Span(NULL, 0)
    return Span(head.bytes + head.fields[number].value_start, head.fields[number].value_size)


cdef inline double _between(double start, double end) noexcept:
    return end - start if start >= 0 and end >= 0 else -1.0


cdef list _closers = [None, b"client", b"upstream"]       # by Closer


cdef bytes _nearest_text(list routes, tuple nearest):
    number, failed = nearest
    if number < 0:
        return failed.encode("utf-8", "replace")
    return b"nearest route " + (<Route>routes[number]).name + b": " + failed.encode("utf-8", "replace")
