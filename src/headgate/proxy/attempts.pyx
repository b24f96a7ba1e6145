"""Attempts of an exchange whose route has a policy for them: again elsewhere, or twice at once.

The exchange asks when an attempt begins, fails or is answered; what is decided lies in core/attempts.pyx. A
hedge, the second attempt beside the first, is an exchange of its own with the same request and an upstream leg
of its own, but without a client: whichever is answered first, the leg that answers goes to the first one.
"""

import re
from email.utils import parsedate_to_datetime

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t

from headgate.core.attempts cimport (
    CAUSES, HEDGES_LOST, HEDGES_SENT, HEDGES_WITHHELD, HEDGES_WON, NO_ATTEMPT, NO_BODY, NO_BUDGET, NO_METHOD,
    NO_OBSTACLE, NO_TIME, NOT_RETRIED, ON_CONNECT, ON_GRPC, ON_REFUSED, ON_STATUS, RETRIED, AttemptPolicy, Tries,
)
from headgate.core.attempts import OBSTACLES, RETRY_CAUSES
from headgate.core.cells cimport RETRIES
from headgate.core.grpc cimport parse_status
from headgate.core.head cimport OTHER, RETRY_AFTER, Field, Span
from headgate.proxy.exchange cimport Leg, new_exchange
from headgate.proxy.snapshot cimport ANSWERED


cdef int begin_tries(Exchange exchange) except -1:
    """The request is ready for its first attempt."""
    cdef AttemptPolicy policy = exchange.route().policy
    cdef Tries tries = Tries.__new__(Tries)
    tries.policy = policy
    tries.repeatable = exchange.idempotent or (policy.methods >> exchange.request.method) & 1
    exchange.tries = tries
    if policy.hedge is not None:
        policy.hedge.deposit()
    return 0


cdef int begin_attempt(Exchange exchange) except -1:
    """An attempt begins: its clocks run, from before it has a connection."""
    cdef Tries tries = exchange.tries
    cdef AttemptPolicy policy = tries.policy
    cdef double delay
    if exchange.hedge:
        return 0
    if policy.try_seconds > 0:
        _stop(tries)
        tries.timer = exchange.context.loop.call_later(policy.try_seconds, _try_expired, exchange)
    if _hedges(exchange) and tries.winner == 0 and tries.retried == 0:
        delay = policy.hedge.delay()
        if delay > 0 and tries.hedge_timer is None:
            tries.hedge_timer = exchange.context.loop.call_later(delay, _hedge_due, exchange)
    return 0


cdef bint _hedges(Exchange exchange) noexcept:
    """Whether the request may be made twice at once. What is translated is translated for one attempt only."""
    cdef Tries tries = exchange.tries
    return (tries.policy.hedge is not None and tries.repeatable
            and (exchange.call is None or exchange.call.incoming is None))


cdef int _stop(Tries tries) except -1:
    if tries.timer is not None:
        tries.timer.cancel()
        tries.timer = None
    return 0


cdef int end_attempt(Exchange exchange) except -1:
    """An attempt is over or answered: nothing is waited for any more."""
    cdef Tries tries = exchange.tries
    cdef Exchange hedge = tries.hedge
    _stop(tries)
    if tries.hedge_timer is not None:
        tries.hedge_timer.cancel()
        tries.hedge_timer = None
    if hedge is not None:
        drop_hedge(hedge)
    return 0


cdef bint keeps_body(Exchange exchange) noexcept:
    """Whether what goes upstream now may be wanted once more."""
    cdef Tries tries = exchange.tries
    if exchange.hedge:
        return False
    if _hedges(exchange) and tries.retried == 0:
        return True
    if tries.retried + 1 >= tries.policy.attempts:
        return False
    return tries.repeatable or (tries.policy.names(ON_REFUSED) and exchange.up.refusable)


# --- Again ---

cdef int note_connect(Exchange exchange) except -1:
    """The exchange goes on to the next endpoint because one could not be connected to."""
    cdef Tries tries = exchange.tries
    _stop(tries)
    tries.cause = ON_CONNECT
    tries.policy.cell.add(<int>RETRIED + <int>ON_CONNECT, 1)
    return 0


cdef bint failed(Exchange exchange, int cause) except -1:
    """An attempt came to nothing. Whether the exchange goes on all the same."""
    cdef Tries tries = exchange.tries
    if exchange.hedge or exchange.response_started or exchange.tunnel:
        return False
    if _follow_hedge(exchange):
        return True
    return _try_next(exchange, cause, 0.0, None)


cdef bint judge(Exchange exchange, Head head) except -1:
    """An answer begins. Whether it is put aside, or not this exchange's to pass on."""
    cdef Tries tries = exchange.tries
    cdef AttemptPolicy policy = tries.policy
    cdef int cause = _cause_of(policy, exchange, head)
    if exchange.hedge:
        return _hedge_answered(exchange, head, cause < CAUSES)
    if cause < CAUSES:
        if _follow_hedge(exchange):
            return True
        if _try_next(exchange, cause, _asked_pause(exchange, head), head):
            return True
    if policy.hedge is not None:
        _settle(exchange)
    end_attempt(exchange)
    return False


cdef int _cause_of(AttemptPolicy policy, Exchange exchange, Head head) except -1:
    cdef Field* field
    cdef int status
    if policy.names(ON_STATUS) and policy.has_status(head.status):
        return ON_STATUS
    if policy.names(ON_GRPC) and exchange.call is not None and head.last:
        # Where no message follows, the head says it all ("Trailers-Only").
        field = head.find_name(b"grpc-status", 11, 0)
        if field != NULL:
            status = parse_status(head.bytes + field.value_start, field.value_size)
            if 0 <= status < 32 and (policy.grpc >> status) & 1:
                return ON_GRPC
    return CAUSES


cdef double _asked_pause(Exchange exchange, Head head) except -1:
    """Seconds that the answer asks to wait for (RFC 9110 section 10.2.3), or 0."""
    cdef Field* field = head.find(RETRY_AFTER)
    if field == NULL or (<Tries>exchange.tries).policy.retry_after <= 0:
        return 0
    value = head.bytes[field.value_start:field.value_start + field.value_size]
    if value.isdigit():
        return float(value[:9])
    try:
        when = parsedate_to_datetime(value.decode("latin-1")).timestamp()
    except (ValueError, OverflowError):
        return 0
    return max(when - (exchange.context.now + exchange.context.wall_offset), 0.0)


cdef bint _try_next(Exchange exchange, int cause, double asked, Head head) except -1:
    """Make another attempt, if the policy names the cause and nothing stands in the way. Whether there will be
    one. `asked`: seconds that the answer, whose head is `head`, wants to pass before."""
    cdef Tries tries = exchange.tries
    cdef AttemptPolicy policy = tries.policy
    cdef double pause
    if not policy.names(cause) or exchange.closed:
        return False
    pause = max(policy.pause(tries.retried, exchange.context.random()), asked)
    tries.obstacle = _obstacle(exchange, cause, asked, pause)
    if tries.obstacle != NO_OBSTACLE:
        policy.cell.add(<int>NOT_RETRIED + tries.obstacle, 1)
        return False
    policy.cell.add(<int>RETRIED + cause, 1)
    exchange.endpoint.block.add(RETRIES, 1)
    exchange.route().block.add(RETRIES, 1)
    if head is not None:
        _put_aside(exchange, head)
    exchange._release_up(head is not None and head.last and exchange.request_sent)
    tries.cause = cause
    tries.retried += 1
    exchange.fresh = False
    exchange.request_sent = False
    exchange.upstream_status = 0
    if pause <= 0:
        exchange.start_attempt()
    else:
        tries.timer = exchange.context.loop.call_later(pause, _pause_over, exchange)
    return True


cdef int _obstacle(Exchange exchange, int cause, double asked, double pause) except -1:
    """What stands in the way of another attempt, or NO_OBSTACLE; then it is paid for."""
    cdef Tries tries = exchange.tries
    cdef AttemptPolicy policy = tries.policy
    cdef bint unseen = exchange.up is None      # nothing went to an endpoint
    if tries.retried + 1 >= policy.attempts:
        return NO_ATTEMPT
    if not (tries.repeatable or unseen or cause == ON_REFUSED):
        return NO_METHOD
    if not (exchange.replayable or unseen):
        return NO_BODY
    if asked > policy.retry_after > 0 or exchange.context.now + pause >= exchange.deadline:
        return NO_TIME
    if not unseen and not exchange._affords():
        return NO_BUDGET
    return NO_OBSTACLE


cdef int _put_aside(Exchange exchange, Head head) except -1:
    """An answer that the client does not see is counted at its endpoint all the same."""
    cdef double seconds = exchange.context.now - exchange.attempt_started
    exchange.endpoint.block.finish(head.status, <uint64_t>(seconds * 1e6), exchange.bytes_in, 0)
    if exchange.request_sent and not head.last:
        exchange.up.skip(head)
    if exchange.service.observes:
        exchange._observe(ANSWERED, head)
    return 0


def _pause_over(Exchange exchange) -> None:
    (<Tries>exchange.tries).timer = None
    try:
        if not exchange.closed:
            exchange.context.tick()
            exchange.start_attempt()
    except Exception:
        _own_error(exchange)


def _try_expired(Exchange exchange) -> None:
    (<Tries>exchange.tries).timer = None
    try:
        if not exchange.closed and not exchange.response_started:
            exchange.context.tick()
            exchange.upstream_closed(504, b"http_response_timeout")
    except Exception:
        _own_error(exchange)


cdef int _own_error(Exchange exchange) except -1:
    exchange.context.own_error("an attempt could not be begun or ended")
    return exchange.break_off(b"proxy_internal_error")


# --- Twice at once ---

def _hedge_due(Exchange exchange) -> None:
    (<Tries>exchange.tries).hedge_timer = None
    try:
        if _can_hedge(exchange):
            exchange.context.tick()
            _send_hedge(exchange)
    except Exception:
        _own_error(exchange)


cdef bint _can_hedge(Exchange exchange) except -1:
    """Whether the request can be sent a second time, whole, and the budget has room for that."""
    cdef Tries tries = exchange.tries
    if exchange.closed or exchange.response_started or exchange.upstream_status or not exchange.request_read:
        return False
    if not (exchange.up is None or exchange.replayable) or exchange.request.upgrade.data != NULL:
        return False
    if tries.policy.hedge.withdraw():
        return True
    tries.policy.cell.add(HEDGES_WITHHELD, 1)
    return False


cdef int _send_hedge(Exchange first) except -1:
    cdef Tries tries = first.tries
    cdef Tries own = Tries.__new__(Tries)
    cdef Exchange hedge = new_exchange(first.context, first.listener, first.down, first.peer)
    own.policy = tries.policy
    own.first = first
    hedge.hedge = True
    hedge.tries = own
    hedge.snapshot = first.snapshot
    hedge.request = first.request
    hedge.facts = first.facts
    hedge.limits = first.limits
    hedge.kept = first.kept
    hedge.service = first.service
    hedge.key = first.key
    hedge.tried = first.tried
    hedge.deadline = first.deadline
    hedge.idempotent = True
    hedge.request_read = True
    hedge.held = first.held
    hedge.held_bytes = first.held_bytes
    hedge.trailers = first.trailers
    tries.hedge = hedge
    tries.winner = 3
    tries.policy.cell.add(HEDGES_SENT, 1)
    first.attempts += 1
    return hedge.start_attempt()


cdef bint _hedge_answered(Exchange hedge, Head head, bint bad) except -1:
    """The answer that the first one gets. A bad one (`bad`: by the policy, to be tried again) does not end the
    first attempt, which may have a better one."""
    cdef Exchange first = (<Tries>hedge.tries).first
    if bad:
        _put_aside(hedge, head)
        drop_hedge(hedge)
        return True
    _take_over(first, hedge)
    try:
        first.response_head(head)
    except Exception:
        first.break_off(b"proxy_internal_error")        # of which the leg's caller does not know
        raise
    return True


cdef bint _follow_hedge(Exchange first) except -1:
    """The first attempt came to nothing, but the second is on its way."""
    cdef Exchange hedge = (<Tries>first.tries).hedge
    if hedge is None or hedge.up is None:
        return False
    _take_over(first, hedge)
    return True


cdef int _take_over(Exchange first, Exchange hedge) except -1:
    """Let the first one go on with the endpoint of its hedge, and cancel its own attempt."""
    cdef Tries tries = first.tries
    cdef Leg leg = hedge.up
    _note_latency(first)
    tries.hedge = None
    tries.winner = 2
    tries.policy.cell.add(HEDGES_WON, 1)
    hedge.up = None
    _forget(hedge)
    first._release_up(False)
    first.up = leg
    leg.exchange = first
    first.endpoint = hedge.endpoint
    first.attempt_started = hedge.attempt_started
    first.connected_at = hedge.connected_at
    first.tried |= hedge.tried
    first.fresh = False
    first.request_sent = True
    first.upstream_status = 0
    leg.watch()
    return 0


cdef int _settle(Exchange exchange) except -1:
    """The first attempt, or one after it, is answered."""
    cdef Tries tries = exchange.tries
    if tries.winner == 3:
        tries.winner = 1
        tries.policy.cell.add(HEDGES_LOST, 1)
    if tries.winner != 2 and tries.retried == 0:
        tries.policy.hedge.note(exchange.context.now - exchange.attempt_started)
    return 0


cdef int _note_latency(Exchange first) except -1:
    """An attempt that is cancelled took so long at least: for the route, and for a balancer that picks by it."""
    cdef double seconds = first.context.now - first.attempt_started
    (<Tries>first.tries).policy.hedge.note(seconds)
    if first.service.balancer.times:
        first.endpoint.load.measure(seconds, first.context.now)
    return 0


cdef int drop_hedge(Exchange hedge) except -1:
    """A second attempt came to nothing, or nobody waits for it."""
    cdef Exchange first
    if hedge.closed:
        return 0
    first = (<Tries>hedge.tries).first
    (<Tries>first.tries).hedge = None
    hedge._release_up(False)
    return _forget(hedge)


cdef int _forget(Exchange hedge) except -1:
    """Let go of what belongs to the first one."""
    hedge.closed = True
    (<Tries>hedge.tries).first = None
    hedge.request = None
    hedge.held = None
    hedge.trailers = None
    hedge.down = None
    return 0


# --- Deadlines of the request's own ---

cdef bytes TIMEOUT_NAME = b"x-request-timeout"
_TIMEOUT = re.compile(rb"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s)?")


cdef bytes _asked_timeout(Head head):
    """The value of X-Request-Timeout, or None."""
    cdef Field* field = head.find_name(PyBytes_AS_STRING(TIMEOUT_NAME), PyBytes_GET_SIZE(TIMEOUT_NAME), 0)
    if field == NULL:
        return None
    return head.bytes[field.value_start:field.value_start + field.value_size]


cdef bint read_deadline(Exchange exchange) except -1:
    """Take the time that a client who is trusted gives the exchange: it can only lower what the route gives.
    False when it cannot be read."""
    cdef bytes text = _asked_timeout(exchange.request)
    cdef double seconds
    if text is None:
        return True
    found = _TIMEOUT.fullmatch(text)
    if found is None:
        return False
    seconds = float(found[1]) / (1000 if found[2] == b"ms" else 1)
    exchange.deadline = min(exchange.deadline, exchange.started + seconds)
    return True


cdef int pass_deadline(Exchange exchange) except -1:
    """Tell the endpoint what is left of that time, in the unit in which it came."""
    cdef Head head = exchange.request
    cdef bytes text = _asked_timeout(head)
    cdef bytes left
    if text is None:
        return 0
    seconds = max(exchange.deadline - exchange.context.now, 0.001)
    left = b"%dms" % <int64_t>(seconds * 1000) if text.endswith(b"ms") else b"%.3f" % seconds
    if text.endswith(b"s") and not text.endswith(b"ms"):
        left += b"s"
    head.drop_name(PyBytes_AS_STRING(TIMEOUT_NAME), PyBytes_GET_SIZE(TIMEOUT_NAME))
    return head.add_line(b"X-Request-Timeout", PyBytes_GET_SIZE(TIMEOUT_NAME), PyBytes_AS_STRING(left),
                         PyBytes_GET_SIZE(left), OTHER)


# --- Records ---

cdef list _causes = [cause.encode() for cause in RETRY_CAUSES]
cdef list _obstacles = [obstacle.encode() for obstacle in OBSTACLES]
cdef list _winners = [None, b"first", b"second", b"none"]


cdef int record_tries(Record* record, Tries tries) except -1:
    if tries.cause < CAUSES:
        record.retried = _span(_causes[tries.cause])
    if tries.obstacle < NO_OBSTACLE:
        record.not_retried = _span(_obstacles[tries.obstacle])
    if tries.winner:
        record.hedge = _span(_winners[tries.winner])
    return 0


cdef inline Span _span(bytes text) noexcept:
    """Of a text that lives as long as the process."""
    return Span(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
