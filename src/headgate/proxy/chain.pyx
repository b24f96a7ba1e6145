"""Chains of middlewares, and the way of an exchange through one.

A chain is made once for each list of names; an exchange of a route without one never comes here. Hooks are called
one after the other in the turn of the loop in which their time comes; only where one gives something to await does
the exchange wait, and then for that alone. What a hook raises ends its own exchange.
"""

from asyncio import CancelledError
from collections.abc import Coroutine
from inspect import isawaitable

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.math cimport INFINITY
from libc.string cimport memcpy
from posix.time cimport CLOCK_THREAD_CPUTIME_ID, clock_gettime, timespec

from headgate.core.cells cimport (
    MIDDLEWARE_BEYOND, MIDDLEWARE_BLOCKED, MIDDLEWARE_CALLS, MIDDLEWARE_CPU, MIDDLEWARE_ERRORS,
    MIDDLEWARE_HOOK_WORDS, MIDDLEWARE_REPLIES, MIDDLEWARE_WAITED, MIDDLEWARE_WAITS, Block,
)
from headgate.core.events cimport Data
from headgate.core.head cimport CONTENT_LENGTH, METHOD_HEAD, Head, release_head
from headgate.middleware import BodyMalformed, BodyTooLarge, Reply
from headgate.middleware.message cimport add_checked
from headgate.middleware.middleware import HOOKS as HOOK_NAMES, Piece, defined_hooks
from headgate.proxy import replies
from headgate.proxy.forwarding cimport is_request_id
from headgate.proxy.snapshot cimport LiveSnapshot, Listener, Route, Service
from headgate.spec.chains import MOST_MIDDLEWARES, too_long

cdef enum:
    SAMPLED = 64                # of so many calls the processor time of one is measured
    ROOM_BYTES = 65536          # of a body, that are on their way from a source

cdef double BLOCKED_SECONDS = 0.05  # a hook that holds up the loop for so long is counted
cdef double OUT_SECONDS = 1.0       # what was beyond its budget is out for so long
cdef double LOG_SECONDS = 1.0       # between errors of one middleware in the log


cdef uint64_t _cpu() noexcept nogil:
    """Nanoseconds of processor time of this thread."""
    cdef timespec t
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t)
    return <uint64_t>t.tv_sec * 1000000000 + <uint64_t>t.tv_nsec


cdef class Step:
    """An instance, with what it may take and what it took. `spec`: a spec.Middleware."""

    def __init__(self, object spec, object middleware, object memory):
        kind = type(middleware)
        defined = defined_hooks(kind)
        self.spec = spec
        self.middleware = middleware
        self.name = spec.name
        self.hooks = [getattr(middleware, hook) if hook in defined else None for hook in HOOK_NAMES]
        self.requests = "on_body" in defined and kind.bodies in ("request", "both")
        self.responses = "on_body" in defined and kind.bodies in ("response", "both")
        self.changes_length = kind.changes_length
        self.request_piece = middleware.piece_size("request")
        self.response_piece = middleware.piece_size("response")
        self.block = Block(memory, spec.metric)
        self.cpu_seconds = spec.budget.cpu
        self.wait_seconds = spec.budget.wait or kind.wait_seconds
        self.bypasses = spec.budget.bypass
        self.logged_at = -INFINITY

    cdef int beyond(self, Hook hook, double now) except -1:
        """It took more than its budget."""
        self.block.add(hook * MIDDLEWARE_HOOK_WORDS + MIDDLEWARE_BEYOND, 1)
        self.out_until = now + OUT_SECONDS
        return 0

    def never_ended(self, int hook) -> None:
        """A call that is under way will not come back to be counted."""
        self.block.add(hook * MIDDLEWARE_HOOK_WORDS + MIDDLEWARE_CALLS, 1)
        self.block.add(hook * MIDDLEWARE_HOOK_WORDS + MIDDLEWARE_BLOCKED, 1)

    cdef int failed(self, Hook hook, object error, Context context) except -1:
        """A hook raised: counted, and logged, but not for each of many exchanges."""
        self.block.add(hook * MIDDLEWARE_HOOK_WORDS + MIDDLEWARE_ERRORS, 1)
        if context.now < self.logged_at + LOG_SECONDS:
            self.unlogged += 1
            return 0
        more = f" ({self.unlogged} more like this were not logged)" if self.unlogged else ""
        context.log.error("middleware %s: %s failed%s", self.name, HOOK_NAMES[<int>hook], more, exc_info=error)
        self.logged_at = context.now
        self.unlogged = 0
        return 0


cdef class Chain:
    """Steps in the order in which a request meets them."""

    def __init__(self, tuple steps):
        self.steps = steps


def attach_chains(LiveSnapshot live not None, dict steps) -> list[Chain]:
    """Give the routes and services of a snapshot their chains, made of `steps` by name, and return all of them.
    Raises KeyError, ValueError."""
    cdef Route route
    cdef Service service
    cdef dict known = {}
    for number, reason in too_long(live.spec):
        raise ValueError(f"route {live.spec.routes[number].name}: {reason}; there can be {MOST_MIDDLEWARES}")
    for route in live.routes:
        chains = [None] * len(live.listeners)
        for listener in live.listeners.values():
            chains[(<Listener>listener).number] = _chain_of(
                listener.spec.middlewares + route.spec.middlewares, steps, known)
        if any(chain is not None for chain in chains):
            route.chains = chains
            route.facts.special = True
    for service in live.services.values():
        service.chain = _chain_of(service.spec.middlewares, steps, known)
    return list(known.values())


cdef Chain _chain_of(tuple names, dict steps, dict known):
    if not names:
        return None
    if names not in known:
        known[names] = Chain(tuple(steps[name] for name in names))
    return known[names]


cdef int begin_way(Exchange exchange, Chain chain, Py_ssize_t number, const uint8_t* address) except -1:
    """The exchange's route is known, and has a chain."""
    return _open_way(exchange, chain, number, address).run_requests()


cdef int serve_way(Exchange exchange, Chain chain, const uint8_t* address) except -1:
    """The exchange's service is known, and has a chain."""
    cdef Way way = exchange.passage
    if way is None:
        way = _open_way(exchange, chain, -1, address)
    else:
        way.steps = way.steps + chain.steps
        way.service_chain = chain
        chain.ways += 1
    way.serving = True
    return way.run_requests()


cdef Way _open_way(Exchange exchange, Chain chain, Py_ssize_t number, const uint8_t* address):
    cdef Way way = Way.__new__(Way)
    way.exchange = exchange
    way.context = exchange.context
    way.chain = chain
    chain.ways += 1
    way.steps = chain.steps
    way.number = number
    way.has_address = address != NULL
    if address != NULL:
        memcpy(&way.address[0], address, 16)
    way.open(exchange.request, exchange.snapshot.path_policy)
    exchange.passage = way
    return way


cdef class Way(Passage):
    # --- Hooks ---

    cdef object call(self, Py_ssize_t at, Hook hook, object argument):
        """What a hook returns. Raises what it raises."""
        cdef Step step = <Step>self.steps[at]
        cdef Context context = self.context
        cdef double begun = context.tick()
        cdef bint sampled = step.cpu_seconds > 0 or step.calls % SAMPLED == 0
        cdef uint64_t cpu = _cpu() if sampled else 0
        self.at = at
        self.hook = hook
        step.calls += 1
        context.hook = step
        context.hook_number = hook
        context.hook_since = begun
        try:
            if argument is None:
                return (<object>step.hooks[<int>hook])(self)
            return (<object>step.hooks[<int>hook])(self, argument)
        finally:
            context.hook = None
            _account(step, hook, context, begun, cpu, sampled)

    # --- The request ---

    cdef int run_requests(self) except -1:
        cdef Step step
        while self.entered < len(self.steps):
            step = <Step>self.steps[self.entered]
            if step.out_until > self.context.now:
                if not step.bypasses:
                    return self.exceeded(step)
                self.ignored |= <uint64_t>1 << self.entered
                self.bypassed |= <uint64_t>1 << self.entered
            elif step.hooks[<int>ON_REQUEST] is not None:
                try:
                    outcome = self.call(self.entered, ON_REQUEST, None)
                except BaseException as error:
                    return self.refuse(error)
                if outcome is not None:
                    return self.request_outcome(outcome)
                if self.taken:
                    return self.refuse(_body_lost())
            self.entered += 1
        return self.go_on()

    cdef int exceeded(self, Step step) except -1:
        self.exchange.detail = b"middleware " + step.name.encode() + b" took more than its budget"
        return self.exchange.fail(503, b"proxy_internal_response")

    cdef int request_outcome(self, object outcome) except -1:
        """on_request gave something."""
        cdef Step step = <Step>self.steps[self.entered]
        if type(outcome) is Reply:
            step.block.add(ON_REQUEST * MIDDLEWARE_HOOK_WORDS + MIDDLEWARE_REPLIES, 1)
            self.exchange.detail = b"answered by middleware " + step.name.encode()
            try:
                return self.exchange.answer_with(outcome)
            except (TypeError, ValueError) as error:
                return self.refuse(error)
        if isawaitable(outcome):
            self.wait(self.entered, ON_REQUEST, outcome, None)
            return 0
        return self.refuse(TypeError(_nonsense(step, ON_REQUEST, outcome, "a Reply or None")))

    cdef int refuse(self, object error) except -1:
        """on_request raised."""
        cdef Step step = <Step>self.steps[self.entered]
        if isinstance(error, BodyTooLarge):
            return self.exchange.fail(413, b"http_request_denied")
        step.failed(ON_REQUEST, error, self.context)
        self.exchange.detail = b"middleware " + step.name.encode() + b" failed"
        return self.exchange.fail(500, b"proxy_internal_error")

    cdef int go_on(self) except -1:
        """All have seen the request."""
        cdef const uint8_t* address = &self.address[0] if self.has_address else NULL
        if self.serving:
            return self.exchange.serve(address)
        return self.exchange.enter(self.number, address)

    cdef int open_body(self) except -1:
        """The request is about to be sent: its body goes through on_body."""
        cdef Exchange exchange = self.exchange
        cdef Head head = exchange.request
        cdef Lane lane
        cdef list held
        cdef bint read = exchange.request_read
        if self.source is not None:
            return self.begin_feed()
        if head.last:
            return 0
        self.requests = lane = self.lane(True)
        if lane is None:
            return 0
        self.filters = exchange.watched = True
        if self.changes_length(lane):
            _forget_length(head)
        held = exchange.held or []
        exchange.held = None
        exchange.held_bytes = 0
        exchange.request_read = False
        for piece in held:
            lane.push(piece, False)
        if read:
            lane.trailers = exchange.trailers
            exchange.trailers = None
            lane.push(b"", True)
        return 0

    cdef bint changes_length(self, Lane lane) except -1:
        return any((<Step>self.steps[at]).changes_length for at in lane.hooks)

    cdef int take_request(self, Data data) except -1:
        return self.requests.take(data)

    cdef int take_trailers(self, Head head) except -1:
        return self.requests.take_trailers(head)

    cdef bint holds(self) noexcept:
        return self.requests is not None and self.requests.held

    cdef bint reads(self, int64_t size) except -1:
        """Whether somebody wants more than the `size` bytes of the request's body that are there."""
        if _waits(self.taker) and size:
            self._give()
            return True
        if not _waits(self.reader):
            return False
        if size > self.reading:
            self._settle(BodyTooLarge(f"the request's body has more than {self.reading} bytes"))
            return False
        return True

    cdef int request_complete(self) except -1:
        if _waits(self.taker):
            self._give()
        if _waits(self.reader):
            if self.exchange.held_bytes > self.reading:
                self._settle(BodyTooLarge(f"the request's body has more than {self.reading} bytes"))
            else:
                self._settle(None)
        return 0

    cdef int _settle(self, object error) except -1:
        future = self.reader
        self.reader = None
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(b"".join(self.exchange.held or []))
        return 0

    cdef int _give(self) except -1:
        """What came of the request's body, to who takes it."""
        cdef Exchange exchange = self.exchange
        cdef list pieces = exchange.held
        future = self.taker
        self.taker = None
        exchange.held = None
        exchange.held_bytes = 0
        self.taken = self.taken or bool(pieces)
        future.set_result(b"".join(pieces or []))
        return 0

    cdef int stop_reading(self) except -1:
        """Nobody wants the request's body any more: its hook has ended."""
        for future in (self.reader, self.taker):
            if future is not None:
                future.cancel()
        self.reader = self.taker = None
        return 0

    cdef int check_reading(self) except -1:
        if self.hook != ON_REQUEST or _waits(self.reader) or _waits(self.taker):
            raise RuntimeError("the request's body can be read in on_request, by one at a time")
        if self.source is not None:
            raise RuntimeError("the request's body waits elsewhere already: put what reads it before what stores it")
        return 0

    def read_piece(self):
        cdef Exchange exchange = self.open_exchange()
        self.check_reading()
        self.taker = future = self.context.loop.create_future()
        if exchange.request_read or exchange.held_bytes:
            self._give()
        else:
            exchange.ask_for_body()
        return future

    def send_from(self, object source, int64_t size):
        cdef Exchange exchange = self.open_exchange()
        cdef Head head = exchange.request
        if self.hook != ON_REQUEST or not exchange.request_read:
            raise RuntimeError("the request's body can be replaced in on_request, when it was read")
        exchange.replace_body(b"")
        self.taken = False
        head.drop(CONTENT_LENGTH)
        head.last = False
        exchange._count_length(head, size)
        self.source = source

    def read_request(self, Py_ssize_t limit):
        cdef Exchange exchange = self.open_exchange()
        self.check_reading()
        self.reader = future = self.context.loop.create_future()
        self.reading = limit
        if exchange.request.content_length > limit:
            self._settle(BodyTooLarge(f"the request's body has {exchange.request.content_length} bytes, more "
                                      f"than {limit}"))
        elif exchange.request_read:
            self.request_complete()
        else:
            exchange.ask_for_body()
        return future

    def replace_request(self, bytes data not None):
        cdef Exchange exchange = self.open_exchange()
        if self.hook != ON_REQUEST or not exchange.request_read:
            raise RuntimeError("the request's body can be replaced in on_request, when it was read")
        exchange.replace_body(data)
        self.taken = False

    # --- Bodies that waited ---

    cdef int move(self, object coroutine) except -1:
        """Move a body by a task that ends with the exchange."""
        if self.tasks is None:
            self.tasks = []
        self.tasks.append(self.context.loop.create_task(coroutine))
        return 0

    cdef int begin_feed(self) except -1:
        self.requests = self.lane(True) or _new_lane(self, True, [])
        if self.changes_length(self.requests):
            _forget_length(self.exchange.request)
        self.exchange.request_read = False
        return self.move(self.feed())

    async def feed(self):
        """Send the request's body from its source, as the endpoint takes it."""
        cdef Lane lane = self.requests
        try:
            while lane.wanted():
                if not self.has_room():
                    self.room = self.context.loop.create_future()
                    await self.room
                    continue
                piece = _checked(await self.source())
                self.context.tick()
                lane.push(piece, not piece)
                if not piece:
                    return
        except Exception:
            self.broken_off("a request's body could not be sent from where it waited")

    def broken_off(self, what) -> None:
        """A body that waited cannot be had."""
        self.context.own_error(what)
        if self.exchange is not None:
            self.exchange.break_off(b"proxy_internal_error")

    cdef bint has_room(self) noexcept:
        cdef Exchange exchange = self.exchange
        if self.requests.held:
            return False
        if exchange.up is None:
            return exchange.buffering or exchange.held_bytes < ROOM_BYTES
        return not exchange.up.write_blocked

    cdef int upstream_takes(self) except -1:
        if self.room is not None and not self.room.done():
            self.room.set_result(None)
        return 0

    cdef bint reads_ahead(self, bint takes) except -1:
        cdef Lane lane = self.responses
        if lane is None or lane.spool is None:
            return False
        if takes and lane.room is not None and not lane.room.done():
            lane.room.set_result(None)
        return True

    def read_ahead(self, object spool):
        self.open_exchange()
        if self.hook != ON_RESPONSE or self.own_body is not None:
            raise RuntimeError("an endpoint's response can be read ahead, in on_response")
        self.spool = spool

    # --- The response ---

    cdef bint answers(self) noexcept:
        """Whether a response of our own is to be seen by middlewares."""
        return not self.sent

    cdef int answer(self, Head head, bytes own_body) except -1:
        """The head of the response is there; `own_body` None: the body comes from an endpoint. It may be an
        error while another response waits: those in front see the error then."""
        cdef Waiting waiting
        for waiting in self.waits or ():
            if waiting.hook == ON_REQUEST or waiting.hook == ON_RESPONSE:
                waiting.overtaken = True
                waiting.task.cancel()
        if self.answering:
            self.forget_response()
        self.answering = True
        self.own_body = own_body
        if own_body is not None:
            head.last = self.bodyless(head)
        self.respond(head, own_body is not None)
        self.left = self.entered
        return self.run_responses()

    cdef int forget_response(self) except -1:
        """Another takes its place, which those behind do not see: of its body they see nothing either."""
        self.entered = self.left
        self.new_body = None
        self.spool = None
        if self.responses is not None:
            self.responses.queue.clear()
            self.responses.trailers = None
            self.exchange.pacer = self.responses = None
        return 0

    cdef int run_responses(self) except -1:
        cdef Step step
        while self.left > 0:
            self.left -= 1
            step = <Step>self.steps[self.left]
            if self.leaves_out(self.left) or step.hooks[<int>ON_RESPONSE] is None:
                continue
            try:
                outcome = self.call(self.left, ON_RESPONSE, None)
            except BaseException as error:
                self.replace_with_error(error)
                continue
            if outcome is not None and not self.response_outcome(outcome):
                return 0
        return self.send()

    cdef bint leaves_out(self, Py_ssize_t at) noexcept:
        """Whether a step is out for this response: for all of it, since what on_response says on_body does."""
        cdef Step step = <Step>self.steps[at]
        if self.bypassed >> at & 1:
            return True
        if not step.bypasses or step.out_until <= self.context.now:
            return False
        self.ignored_responses |= <uint64_t>1 << at
        return True

    cdef bint response_outcome(self, object outcome) except -1:
        """on_response gave something. Whether the next can have its turn now."""
        cdef Step step = <Step>self.steps[self.left]
        if type(outcome) is Reply:
            step.block.add(ON_RESPONSE * MIDDLEWARE_HOOK_WORDS + MIDDLEWARE_REPLIES, 1)
            try:
                status, fields, body, unchecked = self.exchange.reply_parts(outcome)
                self.replace(status, fields, body, unchecked)
            except (TypeError, ValueError) as error:
                self.replace_with_error(error)
            return True
        if not isawaitable(outcome):
            self.replace_with_error(TypeError(_nonsense(step, ON_RESPONSE, outcome, "a Reply or None")))
            return True
        if self.own_body is None and not self.exchange.response.last:
            if self.responses is None:      # else another waited before, and it has what came meanwhile
                self.responses = self.lane(False) or _new_lane(self, False, [])
                self.responses.held = True
                self.pace(self.responses)
        elif self.own_body is None:
            self.exchange.source_over()
        self.wait(self.left, ON_RESPONSE, outcome, None)
        return False

    cdef int replace_with_error(self, object error) except -1:
        """on_response raised."""
        cdef Step step = <Step>self.steps[self.left]
        cdef Exchange exchange = self.exchange
        cdef int status = 500
        if isinstance(error, BodyTooLarge):
            status = 502
            exchange.reason = b"http_response_body_size"
            exchange.detail = _too_large(step)
        else:
            step.failed(ON_RESPONSE, error, self.context)
            exchange.reason = b"proxy_internal_error"
            exchange.detail = b"middleware " + step.name.encode() + b" failed"
        status, fields, body = exchange.error_reply(status, exchange.reason)
        return self.replace(status, fields, body, [])

    cdef int replace(self, int status, list fields, bytes body, list checked) except -1:
        """Another response than the one that is there. Raises ValueError for a field that cannot be sent."""
        cdef Exchange exchange = self.exchange
        cdef Head old = exchange.response
        cdef Head head = exchange.own_head(status, fields)
        head.last = self.bodyless(head)
        self.respond(head, True)
        try:
            add_checked(head, checked)
        except (TypeError, ValueError):
            exchange.response = old
            self.respond(old, self.own_body is not None)
            raise
        if self.own_body is None:
            exchange.drop_upstream()
        self.own_body = body
        self.forget_response()
        exchange.ended_by = b"headgate"
        release_head(old)
        return 0

    cdef bint bodyless(self, Head head) noexcept:
        """Whether nothing can follow this head, whatever it says (RFC 9110 section 6.4.1)."""
        return head.status == 204 or head.status == 304 or self.exchange.request.method == METHOD_HEAD

    cdef int send(self) except -1:
        """All have seen the response's head."""
        cdef Exchange exchange = self.exchange
        cdef Head head = exchange.response
        cdef Lane lane
        self.sent = True
        if self.new_body is not None:
            self._take_new(head)
        lane = self.responses or self.lane(False)
        if lane is not None:
            lane.hooks = [at for at in lane.hooks if not (self.ignored | self.ignored_responses) >> <int>at & 1]
        if self.bodyless(head):
            return self._send_bodyless(head, lane)
        if lane is None and self.spool is not None:
            lane = _new_lane(self, False, [])
        if (lane is None or self.own_body is None and head.last
                or exchange.call is not None and exchange.call.outgoing is not None):
            return exchange.send_own(head, self.own_body) if self.own_body is not None else self._go(self.responses)
        self.responses = lane
        lane.read_ahead(self.spool)
        if self.changes_length(lane):
            _forget_length(head)
        if self.own_body is None:
            return self._go(lane)
        exchange.begin_own(head, -1 if self.changes_length(lane) else PyBytes_GET_SIZE(self.own_body))
        return lane.push(self.own_body, True)

    cdef int _send_bodyless(self, Head head, Lane lane) except -1:
        """RFC 9110 section 8.6: with no length but the one that the answer to GET would have, through `lane`."""
        cdef Exchange exchange = self.exchange
        cdef bint unknown = lane is not None and self.changes_length(lane)
        if lane is not None:
            lane.hooks = []                 # what they make of nothing cannot be sent
        if unknown:
            head.drop(CONTENT_LENGTH)
            head.content_length = -1
        if self.own_body is None:
            return self._go(self.responses)
        if not unknown:
            return exchange.send_own(head, self.own_body)
        head.last = True
        exchange.begin_own(head, -1)
        return exchange._response_end()

    cdef int pace(self, Lane lane) except -1:
        """The body of an endpoint's response goes through a lane, behind what slows it down already."""
        cdef Exchange exchange = self.exchange
        exchange.watched = True
        if exchange.pacer is None or exchange.pacer is lane:
            exchange.pacer = lane
        else:
            exchange.pacer.behind = lane
        return 0

    cdef int _go(self, Lane lane) except -1:
        """An endpoint's response goes out, and behind it what was held of its body."""
        cdef Exchange exchange = self.exchange
        if lane is not None:
            if exchange.call is not None and exchange.call.outgoing is not None:
                lane.hooks = []
            self.pace(lane)
        exchange.send_answer(exchange.response)
        if lane is not None and lane.held and not exchange.closed:
            return lane.free()
        return 0

    cdef int _take_new(self, Head head) except -1:
        """Another body under the head of the endpoint's response: as one of our own, it goes through on_body of
        those who may have said in the head what they make of it."""
        self.exchange.source_over()
        self.exchange.pacer = self.responses = None
        self.spool = None
        self.own_body = self.new_body
        self.new_body = None
        _forget_length(head)
        head.last = False
        return 0

    def read_response(self, Py_ssize_t limit):
        cdef Lane lane = self.responses
        self.open_exchange()
        if self.hook != ON_RESPONSE:
            raise RuntimeError("the response's body can be read in on_response")
        future = self.context.loop.create_future()
        if self.new_body is not None:
            future.set_result(self.new_body)
        elif self.own_body is not None or self.exchange.response.last:
            future.set_result(self.own_body or b"")
        elif lane is None:
            raise RuntimeError("the response's body can be read where it can be awaited: make on_response async")
        elif self.exchange.response.content_length > limit:
            future.set_exception(BodyTooLarge(f"the response's body has more than {limit} bytes"))
        else:
            lane.read(future, limit)
        return future

    def replace_response(self, bytes data not None):
        self.open_exchange()
        if self.hook != ON_RESPONSE:
            raise RuntimeError("the response's body can be replaced in on_response")
        if self.own_body is not None:
            self.own_body = data
            return
        if not self.exchange.response.last and (self.responses is None or not self.responses.ended):
            raise RuntimeError("the response's body can be replaced when it was read: await response.body() first")
        self.new_body = data

    # --- Bodies ---

    cdef Lane lane(self, bint of_request):
        """The way of a body, or None when no hook wants it. A response's goes the other way round."""
        cdef Step step
        cdef Py_ssize_t at
        cdef list hooks = []
        cdef uint64_t ignored = self.ignored | (self.ignored_requests if of_request else self.ignored_responses)
        for at in range(self.entered):
            step = <Step>self.steps[at]
            if (step.requests if of_request else step.responses) and not ignored >> <int>at & 1:
                hooks.append(at)
        if not hooks:
            return None
        return _new_lane(self, of_request, hooks if of_request else hooks[::-1])

    def ignore_body(self, str side=None):
        """This middleware's on_body is not called in this exchange; with a `side`, request or response, not for
        that one's, if its body has not begun."""
        cdef uint64_t step = <uint64_t>1 << self.at
        if side is None:
            self.ignored |= step
        elif side == "request":
            self.ignored_requests |= step
        elif side == "response":
            self.ignored_responses |= step
        else:
            raise ValueError(f"{side!r} is neither request nor response")

    # --- Waiting ---

    cdef Waiting wait(self, Py_ssize_t at, Hook hook, object awaitable, Lane lane):
        """Await what a hook gave, then go on where it stood."""
        cdef Step step = <Step>self.steps[at]
        cdef Waiting waiting = Waiting.__new__(Waiting)
        waiting.way = self
        waiting.at = at
        waiting.hook = hook
        waiting.lane = lane
        waiting.inner = awaitable if isinstance(awaitable, Coroutine) else _await(awaitable)
        waiting.since = self.context.now
        step.block.add(hook * MIDDLEWARE_HOOK_WORDS + MIDDLEWARE_WAITS, 1)
        if self.waits is None:
            self.waits = set()
        self.waits.add(waiting)
        waiting.task = self.context.loop.create_task(waiting)
        waiting.timer = self.context.loop.call_later(step.wait_seconds, waiting.expire)
        waiting.task.add_done_callback(waiting.finished)
        return waiting

    cdef int resumed(self, Waiting waiting, object outcome, object error) except -1:
        """What was awaited is there."""
        cdef Exchange exchange = self.exchange
        self.at = waiting.at
        self.hook = waiting.hook
        if waiting.hook == ON_REQUEST:
            if error is not None:
                self.refuse(error)
            elif outcome is not None:
                self.request_outcome(outcome)
            elif self.taken:
                self.refuse(_body_lost())
            else:
                self.entered += 1
                self.run_requests()
            if exchange.buffering and not exchange.closed:
                exchange.down.resume()      # it was paused, maybe, when too much waited
            return 0
        if waiting.hook == ON_RESPONSE:
            if error is not None:
                self.replace_with_error(error)
            elif outcome is not None and not self.response_outcome(outcome):
                return 0
            return self.run_responses()
        if waiting.hook == ON_BODY:
            return waiting.lane.outcome(outcome, error, waiting.piece, waiting.last, waiting.position)
        return 0

    # --- The end ---

    cdef bint ended(self) except -1:
        """The exchange is over. Whether its heads are still needed, by an on_done that waits."""
        cdef Waiting waiting
        cdef Py_ssize_t at
        cdef bint needed = False
        for waiting in list(self.waits or ()):
            waiting.timer.cancel()
            waiting.task.cancel()
        self.stop_reading()
        for task in self.tasks or ():
            task.cancel()
        self.tasks = None
        self.requests = self.responses = None
        for at in range(len(self.steps) - 1, -1, -1):
            if (<Step>self.steps[at]).hooks[<int>ON_DONE] is None:
                continue
            try:
                outcome = self.call(at, ON_DONE, None)
                if outcome is not None:
                    self.wait(at, ON_DONE, outcome, None)
                    needed = True
            except BaseException as error:
                (<Step>self.steps[at]).failed(ON_DONE, error, self.context)
        if not needed:
            self.over()
            self.exchange = None
        if not self.waits:
            self.leave()
        return needed

    cdef int leave(self) except -1:
        """Nothing of a middleware runs for this exchange any more."""
        if self.chain is None:
            return 0
        self.chain.ways -= 1
        if self.service_chain is not None:
            self.service_chain.ways -= 1
        self.chain = self.service_chain = None
        return 0

    # --- What middlewares ask ---

    cdef Exchange living_exchange(self):
        if self.exchange is None:
            raise RuntimeError("the exchange is over, and what it carried is gone")
        return self.exchange

    cdef Exchange open_exchange(self):
        """For what concerns bodies: an on_done that waits keeps the heads alone."""
        cdef Exchange exchange = self.living_exchange()
        if exchange.closed or exchange.response_complete:
            raise RuntimeError("the exchange is over, and what it carried is gone")
        if self.hook == ON_REQUEST and self.answering:
            raise RuntimeError("the request is answered already")
        return exchange

    @property
    def client(self) -> str:
        return self.living_exchange().client.decode("latin-1")

    @property
    def peer(self) -> str:
        return self.living_exchange().peer.text.decode("latin-1")

    @property
    def scheme(self) -> str:
        return self.living_exchange().listener.scheme.decode()

    @property
    def listener(self) -> str:
        return self.living_exchange().listener.name.decode()

    @property
    def route(self) -> str:
        return self.living_exchange().route().name.decode()

    @property
    def service(self) -> str | None:
        cdef Exchange exchange = self.living_exchange()
        return None if exchange.service is None else exchange.service.name.decode()

    @property
    def endpoint(self) -> str | None:
        cdef Exchange exchange = self.living_exchange()
        return None if exchange.endpoint is None else exchange.endpoint.name.decode()

    @property
    def request_id(self) -> str:
        return self.living_exchange().identify().decode("latin-1")

    @request_id.setter
    def request_id(self, str value not None) -> None:
        """It goes into logs and fields as it is. Raises ValueError for what cannot."""
        cdef bytes text = value.encode("latin-1")
        if not is_request_id(text):
            raise ValueError("an id of a request has 1 to 128 letters, digits and ._:+/=@-")
        self.living_exchange().request_id = text

    @property
    def trusted(self) -> bool:
        """Whether the peer is one of the proxies that are trusted."""
        cdef Exchange exchange = self.living_exchange()
        return exchange.peer.is_trusted(exchange.snapshot)

    @property
    def tls(self):
        return self.living_exchange().peer.secured

    @property
    def grpc(self) -> bool:
        return self.living_exchange().call is not None

    @property
    def user(self) -> str | None:
        cdef Exchange exchange = self.living_exchange()
        return None if exchange.user is None else exchange.user.decode()

    @user.setter
    def user(self, str value not None) -> None:
        self.living_exchange().user = value.encode()

    @property
    def status(self) -> int:
        return self.living_exchange().status

    @property
    def reason(self) -> str | None:
        cdef Exchange exchange = self.living_exchange()
        return None if exchange.reason is None else exchange.reason.decode()

    @property
    def duration(self) -> float:
        return self.context.now - self.living_exchange().started

    @property
    def bytes_in(self) -> int:
        return self.living_exchange().bytes_in

    @property
    def bytes_out(self) -> int:
        return self.living_exchange().bytes_out

    @property
    def attempts(self) -> int:
        return self.living_exchange().attempts

    def use_service(self, str name not None) -> None:
        """Send this exchange to another service of the file than the route says. In on_request. Raises KeyError
        when there is none of this name, RuntimeError when it is too late or the route has no services."""
        cdef Exchange exchange = self.living_exchange()
        if self.hook != ON_REQUEST or self.serving or exchange.facts.answers:
            raise RuntimeError("the service can be chosen in on_request of a route with a service")
        exchange.chosen = exchange.snapshot.services[name]

    def phrase(self, int status) -> bytes:
        return replies.phrase(status)


cdef int _account(Step step, Hook hook, Context context, double begun, uint64_t cpu, bint sampled) except -1:
    """Count a call, or a step of one that is awaited, with what it took."""
    cdef double took = context.tick() - begun
    cdef int words = hook * MIDDLEWARE_HOOK_WORDS
    cdef uint64_t used
    step.block.add(words + MIDDLEWARE_CALLS, 1)
    if sampled:
        used = _cpu() - cpu
        step.block.add(words + MIDDLEWARE_CPU, used if step.cpu_seconds > 0 else used * SAMPLED)
        if 0 < step.cpu_seconds < used * 1e-9:
            step.beyond(hook, context.now)
    if took > BLOCKED_SECONDS:
        step.block.add(words + MIDDLEWARE_BLOCKED, 1)
    return 0


cdef int _forget_length(Head head) except -1:
    """How long the body will be is not known any more."""
    head.drop(CONTENT_LENGTH)
    head.content_length = -1
    head.chunked = True
    return 0


cdef str _nonsense(Step step, Hook hook, object outcome, str expected):
    return f"{HOOK_NAMES[<int>hook]} of {step.name} returned {type(outcome).__name__}; it returns {expected}"


cdef bytes _checked(object piece):
    if type(piece) is not bytes:
        raise TypeError(f"it gave {type(piece).__name__}; it gives bytes, and b\"\" at the end")
    return piece


cdef bytes _too_large(Step step):
    return b"a body with more bytes than middleware " + step.name.encode() + b" takes"


cdef object _body_lost():
    return RuntimeError("it took the request's body with piece() and sent no other: use replace_body or send_body")


cdef bint _waits(object future) except -1:
    """Whether somebody still waits for it: who waits too long is cancelled."""
    return future is not None and not future.done()


async def _await(awaitable):
    return await awaitable


cdef class Waiting:
    """A hook under way, as the coroutine of its task: what each of its steps takes is measured."""

    cdef object step(self, object method, tuple arguments):
        cdef Way way = self.way
        cdef Step step = <Step>way.steps[self.at]
        cdef Context context = way.context
        cdef double begun = context.tick()
        cdef bint sampled = step.cpu_seconds > 0 or step.calls % SAMPLED == 0
        cdef uint64_t cpu = _cpu() if sampled else 0
        way.at = self.at
        way.hook = self.hook
        step.calls += 1
        context.hook = step
        context.hook_number = self.hook
        context.hook_since = begun
        try:
            return method(*arguments)
        finally:
            context.hook = None
            _account(step, self.hook, context, begun, cpu, sampled)

    def send(self, value):
        return self.step(self.inner.send, (value,))

    def throw(self, *arguments):
        return self.step(self.inner.throw, arguments)

    def close(self):
        self.inner.close()

    def __await__(self):
        return self

    def expire(self) -> None:
        """It waited longer than it may."""
        self.expired = True
        self.task.cancel()

    def finished(self, task) -> None:
        """Go on with the exchange, unless it ended meanwhile."""
        cdef Way way = self.way
        cdef Step step = <Step>way.steps[self.at]
        cdef Context context = way.context
        cdef int words = self.hook * MIDDLEWARE_HOOK_WORDS
        self.timer.cancel()
        self.task = self.timer = self.inner = None      # they know this one: no cycle that holds the piece
        way.waits.discard(self)
        context.tick()
        step.block.add(words + MIDDLEWARE_WAITED, <uint64_t>((context.now - self.since) * 1e6))
        error = CancelledError() if task.cancelled() else task.exception()
        outcome = None if error is not None else task.result()
        if self.hook == ON_REQUEST:
            way.stop_reading()
        try:
            self._go_on(way, step, outcome, error)
        except Exception:
            context.own_error("an exchange failed behind a middleware")
            if way.exchange is not None:
                way.exchange.break_off(b"proxy_internal_error")
        self.piece = None
        if way.exchange is None and not way.waits:
            way.leave()

    def _go_on(self, Way way, Step step, outcome, error) -> None:
        if self.hook == ON_DONE and error is not None:
            step.failed(ON_DONE, error, way.context)
        if way.exchange is None:
            return
        if way.exchange.closed:
            if not way.waits:
                way.over()
                way.exchange = None
            return
        if not self.wanted():
            return
        if self.expired:
            step.block.add(self.hook * MIDDLEWARE_HOOK_WORDS + MIDDLEWARE_BEYOND, 1)
            if not step.bypasses or self.is_bound(step):
                way.exchange.detail = b"middleware " + step.name.encode() + b" waited too long"
                way.exchange.fail(504, b"proxy_internal_response")
                return
            error = None
        way.resumed(self, outcome, error)

    cdef bint is_bound(self, Step step) noexcept:
        """Whether the exchange cannot go on without it: it has bytes of a body that nobody else has."""
        if self.hook == ON_BODY:
            return step.changes_length
        return self.hook == ON_REQUEST and self.way.taken

    cdef bint wanted(self) noexcept:
        """Whether there is something left to go on with: an error may have answered meanwhile."""
        if self.hook == ON_BODY:
            return self.lane.wanted()
        return not self.overtaken and not self.way.exchange.response_complete


Coroutine.register(Waiting)


# --- Bodies ---

cdef Lane _new_lane(Way way, bint of_request, list hooks):
    cdef Lane lane = Lane.__new__(Lane)
    lane.way = way
    lane.of_request = of_request
    lane.hooks = hooks
    lane.queue = []
    return lane


cdef class Lane(Pacer):
    cdef int take(self, Data data) except -1:
        return self.push(data.data[:data.size], data.last)

    cdef int take_trailers(self, Head head) except -1:
        self.trailers = head
        return self.push(b"", True)

    cdef int push(self, bytes piece, bint last) except -1:
        cdef Lane kept = self           # a piece may end the exchange, which lets go of its lanes
        if not self.wanted():
            return 0
        self.ended = last
        if not self.held:
            self.run(piece, last, 0)
            return kept.drain()
        self.queue.append((piece, last, 0))
        self.size += PyBytes_GET_SIZE(piece)
        if last and not self.of_request:
            self.way.exchange.source_over()
        if self.reader is None:
            return self.pause()
        if self.size > self.reading:
            self.pause()
            return self._settle(BodyTooLarge(f"the response's body has more than {self.reading} bytes"))
        return self._settle(None) if last else 0

    def read(self, object future, int64_t limit) -> None:
        """Give `future` all of it."""
        self.reader = future
        self.reading = limit
        if self.size > limit:
            self._settle(BodyTooLarge(f"the response's body has more than {limit} bytes"))
        elif self.ended:
            self._settle(None)
        else:
            self.resume()

    cdef int _settle(self, object error) except -1:
        future = self.reader
        self.reader = None
        if future.done():
            return 0
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(b"".join([piece for piece, _, _ in self.queue]))
        return 0

    cdef int free(self) except -1:
        """What is held may go on."""
        self.held = False
        self.drain()
        return 0 if self.held or self.ended else self.resume()

    cdef bint holds(self) noexcept:
        return self.held and self.reader is None

    cdef bint wanted(self) noexcept:
        """Whether anybody takes what comes of this body. The exchange may be over, which an on_done that waits
        does not let go of; and of a request that we answer nobody wants the rest."""
        cdef Exchange exchange = self.way.exchange
        if exchange is None or exchange.closed or exchange.response_complete:
            return False
        return not self.of_request or self.way.own_body is None

    cdef int drain(self) except -1:
        while self.queue and not self.held and self.wanted():
            piece, last, at = self.queue.pop(0)
            self.size -= len(piece)
            self.run(piece, last, at)
        return 0

    cdef bytes cut(self, bytes piece, bint last, Py_ssize_t at):
        """As much of a piece as the hook takes at once. What is left comes next, in parts too; None: it takes
        all."""
        cdef Step step = <Step>self.way.steps[self.hooks[at]]
        cdef Py_ssize_t most = step.request_piece if self.of_request else step.response_piece
        cdef Py_ssize_t size = PyBytes_GET_SIZE(piece)
        if most == 0 or size <= most:
            return None
        self.queue[0:0] = [(piece[start:start + most], last and start + most >= size, at)
                           for start in range(most, size, most)]
        self.size += size - most
        return piece[:most]

    cdef int run(self, bytes piece, bint last, Py_ssize_t at) except -1:
        """Through the hooks from number `at` on."""
        cdef Way way = self.way
        cdef str side = "request" if self.of_request else "response"
        while at < len(self.hooks):
            if not way.ignored >> <int>self.hooks[at] & 1:
                part = self.cut(piece, last, at)
                if part is not None:
                    piece = part
                    last = False
                try:
                    outcome = way.call(self.hooks[at], ON_BODY, Piece(piece, last, side))
                except BaseException as error:
                    return self.broken(at, error)
                if outcome is not None and type(outcome) is not bytes:
                    return self._other(outcome, piece, last, at)
                if outcome is not None:
                    piece = <bytes>outcome
            at += 1
        return self.deliver(piece, last)

    cdef int _other(self, object outcome, bytes piece, bint last, Py_ssize_t at) except -1:
        """on_body gave neither bytes nor None."""
        cdef Waiting waiting
        cdef Way way = self.way
        if not isawaitable(outcome):
            return self.broken(at, TypeError(_nonsense(<Step>way.steps[self.hooks[at]], ON_BODY, outcome,
                                                       "bytes or None")))
        self.held = True
        self.pause()
        if self.ended and not self.of_request:
            way.exchange.source_over()
        waiting = way.wait(self.hooks[at], ON_BODY, outcome, self)
        waiting.piece = piece
        waiting.last = last
        waiting.position = at
        return 0

    cdef int outcome(self, object outcome, object error, bytes piece, bint last, Py_ssize_t at) except -1:
        """What on_body was awaited for is there."""
        if error is None and outcome is not None and type(outcome) is not bytes:
            error = TypeError(_nonsense(<Step>self.way.steps[self.hooks[at]], ON_BODY, outcome, "bytes or None"))
        if error is not None:
            return self.broken(at, error)
        self.held = False
        self.run(piece if outcome is None else outcome, last, at + 1)
        if self.held or not self.wanted():
            return 0
        return self.free()

    cdef int broken(self, Py_ssize_t at, object error) except -1:
        """on_body raised: the message cannot be completed."""
        cdef Step step = <Step>self.way.steps[self.hooks[at]]
        if isinstance(error, BodyTooLarge):
            self.way.exchange.detail = _too_large(step)
            if self.of_request:
                self.way.exchange.down.close_after()
                return self.way.exchange.fail(413, b"http_request_denied")
            return self.way.exchange.fail(502, b"http_response_body_size")
        if isinstance(error, BodyMalformed):
            self.way.exchange.detail = str(error).encode()
            if self.of_request:
                self.way.exchange.down.close_after()
                return self.way.exchange.fail(400, b"http_request_error")
            return self.way.exchange.fail(502, b"http_response_content_coding")
        step.failed(ON_BODY, error, self.way.context)
        self.way.exchange.detail = b"middleware " + step.name.encode() + b" failed"
        return self.way.exchange.fail(500, b"proxy_internal_error")

    cdef int deliver(self, bytes piece, bint last) except -1:
        cdef Exchange exchange = self.way.exchange
        cdef Head trailers = self.trailers if last else None
        if exchange is None or (not last and PyBytes_GET_SIZE(piece) == 0):
            return 0
        if self.spool is not None:
            return self.keep(piece, last)
        if not self.of_request:
            return exchange.paced(PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece), last, trailers)
        exchange.request_piece(PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece), last and trailers is None)
        if exchange.up is not None:
            exchange.up.flush()     # the piece lives no longer
        if trailers is not None and not exchange.closed:
            self.trailers = None
            exchange.pass_trailers(trailers)
            if exchange.up is not None:
                exchange.up.flush()     # nobody reads now, who would do it
        return 0

    cdef int read_ahead(self, object spool) except -1:
        self.spool = spool
        if spool is not None:
            spool.on_written = self.make_room
        return 0

    cdef int keep(self, bytes piece, bint last) except -1:
        """A piece of a response that is read ahead of its client."""
        cdef Exchange exchange = self.way.exchange
        if not self.pumping and not exchange.down.write_blocked:
            return self.pumped(piece, last)
        if piece:
            self.spool.put(piece)
        self.spooled_last = last
        if last:
            exchange.source_over()
        elif self.spool.full:
            self.full = True
            self.pause()
        if not self.pumping:
            self.pumping = True
            self.way.move(self.pump())
        return 0

    cdef int pumped(self, bytes piece, bint last) except -1:
        """A piece for the client, which can take it."""
        cdef Exchange exchange = self.way.exchange
        exchange.paced(PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece), last, self.trailers if last else None)
        self.make_room()
        return 0

    def make_room(self) -> None:
        """Read on, when there is room for more again."""
        if self.full and not self.spool.full:
            self.full = False
            self.resume()

    async def pump(self):
        """Send what waits, as the client takes it."""
        cdef Way way = self.way
        try:
            while self.wanted():
                if way.exchange.down.write_blocked:
                    self.room = way.context.loop.create_future()
                    await self.room
                    continue
                piece = _checked(await self.spool.get())
                if not self.wanted():
                    return
                way.context.tick()
                last = self.spooled_last and self.spool.size == 0
                self.pumping = last or piece != b""
                if self.pumping:
                    self.pumped(piece, last)
                if last or not self.pumping:
                    return
        except Exception:
            way.broken_off("a response could not be sent from where it waited")

    cdef int pause(self) except -1:
        cdef Exchange exchange = self.way.exchange
        if self.of_request:
            exchange.down.pause()
        elif exchange.up is not None:
            exchange.up.pause()
        return 0

    cdef int resume(self) except -1:
        cdef Exchange exchange = self.way.exchange
        if exchange is None or exchange.closed:
            return 0
        if self.of_request:
            exchange.read_on(exchange.down)
            self.way.upstream_takes()
        elif exchange.up is not None:
            if self.spool is None:
                exchange.read_on(exchange.up)
            elif not self.full:
                exchange.up.resume()        # whatever the client takes: that is what the spool is for
            if exchange.up is not None:
                exchange.up.watch()
        return 0
