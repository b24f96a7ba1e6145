"""Every metric family: its name, what it counts, and which words of the shared memory hold it.

docs/metrics.md is the table for people; a test holds both equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from headgate.core.attempts import OBSTACLES, RETRY_CAUSES, AttemptWord, BudgetWord
from headgate.core.cells import FaultWord, MirrorWord, Word, WorkerWord
from headgate.core.http2_abuse import Abuse
from headgate.core.stickiness import StickyWord

PREFIX = "headgate_"

Type: TypeAlias = Literal["counter", "gauge", "histogram", "summary", "info"]


@dataclass(frozen=True, slots=True)
class Family:
    """One family. `name` is without prefix and, for counters, without `_total`; a unit ends the name."""

    name: str
    type: Type
    help: str
    unit: Literal["", "seconds", "bytes"] = ""


@dataclass(frozen=True, slots=True)
class Count:
    """What a family of a kind takes from a block: words, each with the value of a label or ""."""

    family: Family
    words: tuple[tuple[str, int], ...]
    label: str = "code"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of counted thing: what its labels are called, and its families."""

    name: str
    labels: tuple[str, ...]
    counts: tuple[Count, ...]
    duration: Family | None


# Upper bounds of the buckets that are shown, in microseconds. Each is an edge of the finer buckets that
# are counted (core/cells.pxd), so nothing is estimated.
BOUNDS = (
    128, 256, 512, 1_024, 2_048, 5_120, 10_240, 20_480, 49_152, 98_304, 262_144, 524_288,
    1_048_576, 2_097_152, 5_242_880, 10_485_760, 29_360_128, 58_720_256,
)  # fmt: skip

_CODES = (
    ("1xx", Word.RESPONSES_1XX),
    ("2xx", Word.RESPONSES_2XX),
    ("3xx", Word.RESPONSES_3XX),
    ("4xx", Word.RESPONSES_4XX),
    ("5xx", Word.RESPONSES_5XX),
)


def _count(name: str, type_: Type, help_: str, word: int, unit: Literal["", "bytes"] = "") -> Count:
    return Count(Family(name, type_, help_, unit), (("", word),))


def _kind(name: str, labels: tuple[str, ...], *own: Count) -> Kind:
    """A kind with the families that every kind has, and its own."""
    return Kind(
        name,
        labels,
        (
            Count(
                Family(f"{name}_requests", "counter", "Exchanges that ended with a response, by class"),
                _CODES,
            ),
            _count(f"{name}_aborted", "counter", "Exchanges that ended without a response", Word.ABORTED),
            _count(
                f"{name}_received_bytes", "counter", "Request body bytes received", Word.BYTES_IN, "bytes"
            ),
            _count(f"{name}_sent_bytes", "counter", "Response body bytes sent", Word.BYTES_OUT, "bytes"),
            _count(f"{name}_in_flight", "gauge", "Exchanges running now", Word.IN_FLIGHT),
            *own,
        ),
        Family(f"{name}_duration_seconds", "histogram", "Duration of exchanges, aborted ones too", "seconds"),
    )


LISTENER = _kind(
    "listener", ("listener",),
    _count("listener_connections", "counter", "Connections accepted", Word.CONNECTIONS),
    _count("listener_open_connections", "gauge", "Connections open now", Word.OPEN),
    _count("listener_rejected", "counter", "Connections refused by a limit", Word.REJECTED),
)  # fmt: skip
ROUTE = _kind(
    "route", ("route",),
    _count("route_retries", "counter", "Attempts after the first", Word.RETRIES),
    _count("route_timeouts", "counter", "Exchanges ended by the timeout of the route", Word.TIMEOUTS),
    _count("route_rejected", "counter", "Exchanges refused by a limit or a breaker", Word.REJECTED),
    _count("route_waiting", "gauge", "Exchanges waiting for their turn now", Word.OPEN),
)  # fmt: skip
SERVICE = _kind(
    "service", ("service",),
    _count("service_rejected", "counter", "Exchanges refused by a limit or a breaker", Word.REJECTED),
    _count("service_waiting", "gauge", "Exchanges waiting for their turn now", Word.OPEN),
)  # fmt: skip
ENDPOINT = _kind(
    "endpoint", ("service", "endpoint"),
    _count("endpoint_connections", "counter", "Connections opened", Word.CONNECTIONS),
    _count("endpoint_open_connections", "gauge", "Connections open now", Word.OPEN),
    _count("endpoint_retries", "counter", "Attempts made again on a fresh connection", Word.RETRIES),
    _count("endpoint_failures", "counter", "Attempts that could not connect or got a broken response",
           Word.FAILURES),
    _count("endpoint_timeouts", "counter", "Attempts ended by a timeout", Word.TIMEOUTS),
    _count("endpoint_rejected", "counter", "Attempts that a limit left without connection", Word.REJECTED),
)  # fmt: skip
VARIANT = _kind("variant", ("route", "variant"))
STICKY = Kind(
    "sticky", ("service",),
    (
        Count(
            Family("sticky_sessions", "counter", "Exchanges of sticky services, by what their session was"),
            tuple(
                (word.name.removeprefix("STICKY_").lower(), word)
                for word in StickyWord
                if word < StickyWord.STICKY_LEARNED
            ),
            "session",
        ),
        _count("sticky_learned", "counter", "Ids of the application that were bound to an endpoint",
               StickyWord.STICKY_LEARNED),
        _count("sticky_displaced", "counter", "Ids that lost their place to a new one",
               StickyWord.STICKY_DISPLACED),
        _count("sticky_not_learned", "counter", "Ids for which there was no place",
               StickyWord.STICKY_NOT_LEARNED),
    ),
    None,
)  # fmt: skip
FAULT = Kind(
    "fault", ("route",),
    (
        Count(
            Family("fault_injected", "counter", "Faults that were asked for, by kind"),
            (
                ("delay", FaultWord.FAULT_DELAYED),
                ("abort", FaultWord.FAULT_ABORTED),
                ("slow_body", FaultWord.FAULT_SLOWED),
            ),
            "fault",
        ),
    ),
    None,
)  # fmt: skip
MIRROR = _kind("mirror", ("route",))
MIRRORED = Kind(
    "mirrored", ("route",),
    (
        Count(
            Family("mirror_skipped", "counter", "Requests that were to be copied and were not, by reason"),
            (
                ("busy", MirrorWord.MIRROR_BUSY),
                ("too_large", MirrorWord.MIRROR_TOO_LARGE),
                ("incomplete", MirrorWord.MIRROR_INCOMPLETE),
            ),
            "reason",
        ),
        Count(
            Family("mirror_compared", "counter", "Copies whose answer was compared, by the first difference"),
            (
                ("none", MirrorWord.COMPARED_EQUAL),
                ("status", MirrorWord.COMPARED_STATUS),
                ("fields", MirrorWord.COMPARED_FIELDS),
                ("body", MirrorWord.COMPARED_BODY),
                ("impossible", MirrorWord.COMPARED_NOT),
            ),
            "difference",
        ),
    ),
    None,
)  # fmt: skip
VARIANT_WEIGHT = Family("variant_weight", "gauge", "Weight among the services of the route, as it holds now")
KINDS = (LISTENER, ROUTE, VARIANT, FAULT, MIRROR, MIRRORED, SERVICE, STICKY, ENDPOINT)

# Of routes that have a policy for attempts, from the cell that all workers share.
ATTEMPTS = (
    Count(
        Family("route_retry_causes", "counter", "Attempts that were followed by another, by cause"),
        tuple((cause, AttemptWord.RETRIED + number) for number, cause in enumerate(RETRY_CAUSES)),
        "cause",
    ),
    Count(
        Family("route_retries_withheld", "counter", "Failed attempts that something kept from another"),
        tuple((obstacle, AttemptWord.NOT_RETRIED + number) for number, obstacle in enumerate(OBSTACLES)),
        "reason",
    ),
    _count("route_hedges", "counter", "Second attempts beside the first", AttemptWord.HEDGES_SENT),
    Count(
        Family("route_hedge_answers", "counter", "Whose answer a hedged request got"),
        (("first", AttemptWord.HEDGES_LOST), ("second", AttemptWord.HEDGES_WON)),
        "attempt",
    ),
    _count("route_hedges_withheld", "counter", "Hedges that their budget did not allow",
           AttemptWord.HEDGES_WITHHELD),
)  # fmt: skip
HEDGE_DELAY = Family(
    "route_hedge_delay_seconds", "gauge", "The percentile after which hedges are sent", "seconds"
)
BUDGETS = (
    _count("service_retries_withheld", "counter", "Retries that the service's budget did not allow",
           BudgetWord.BUDGET_SPENT),
)  # fmt: skip

WORKER = (
    _count("worker_pid", "gauge", "Process number", WorkerWord.WORKER_PID),
    Count(
        Family("worker_started_timestamp_seconds", "gauge", "When the process started", "seconds"),
        (("", WorkerWord.WORKER_STARTED),),
    ),
    _count("worker_snapshot_version", "gauge", "Snapshot served", WorkerWord.WORKER_VERSION),
    _count("worker_older_snapshot", "gauge",
           "Monotonic microseconds at which the oldest snapshot was made that is still in use beside the one "
           "served, or 0", WorkerWord.WORKER_OLDEST),
    _count("worker_connections", "gauge", "Downstream connections open now", WorkerWord.WORKER_CONNECTIONS),
    _count("worker_tunnels", "gauge", "Tunnels open now", WorkerWord.WORKER_TUNNELS),
    _count("worker_violations", "counter", "Requests refused because they break the protocol",
           WorkerWord.WORKER_VIOLATIONS),
    _count("worker_access_records", "counter", "Access records made, dropped ones too",
           WorkerWord.WORKER_RECORDS),
    _count("worker_access_records_dropped", "counter", "Access records dropped because the sink is slow",
           WorkerWord.WORKER_RECORDS_DROPPED),
    _count("worker_accept_pauses", "counter", "Times that accepting stopped for want of descriptors",
           WorkerWord.WORKER_ACCEPT_PAUSES),
    _count("worker_client_limit_rejected", "counter", "Connections refused by the limit per client address",
           WorkerWord.WORKER_CLIENT_LIMIT),
    Count(
        Family("worker_floods", "counter", "HTTP/2 connections ended for a flood, by kind"),
        tuple(
            (abuse.name.lower(), WorkerWord.WORKER_ABUSES + abuse)
            for abuse in Abuse
            if abuse is not Abuse.ABUSES
        ),
        "kind",
    ),
    _count("worker_sweeps", "counter", "Runs of the timer that checks deadlines", WorkerWord.WORKER_SWEEPS),
    _count("worker_errors", "counter", "Errors inside Headgate, each in the log", WorkerWord.WORKER_ERRORS),
    _count("worker_handshakes", "counter", "TLS handshakes with clients that were completed",
           WorkerWord.WORKER_HANDSHAKES),
    _count("worker_handshakes_resumed", "counter", "Those of them that resumed a session",
           WorkerWord.WORKER_HANDSHAKES_RESUMED),
    _count("worker_handshakes_failed", "counter", "TLS handshakes and PROXY headers that failed",
           WorkerWord.WORKER_HANDSHAKES_FAILED),
    _count("worker_misdirected", "counter", "Requests for a host that their TLS connection does not serve",
           WorkerWord.WORKER_MISDIRECTED),
    _count("worker_suspects", "counter", "Connections of clients that had flooded shortly before",
           WorkerWord.WORKER_SUSPECTS),
    _count("worker_suspects_delayed", "counter", "Times that such a connection waited for its turn",
           WorkerWord.WORKER_SUSPECTS_DELAYED),
)  # fmt: skip
WORKER_LAG = Family("worker_loop_lag_seconds", "summary", "How late the event loop woke up", "seconds")

# What is in shared cells; observe/overload.py reads them.
BREAKER_STATE = Family("breaker_state", "gauge", "0 closed, 1 half-open, 2 open, 3 held open, 4 held closed")
BREAKER_OPENED = Family("breaker_opened", "counter", "Times that the breaker opened")
BREAKER_REFUSED = Family("breaker_refused", "counter", "Attempts that the breaker did not let begin")
CONCURRENCY_LIMIT = Family("concurrency_limit", "gauge", "The most exchanges that may run; 0 for no limit")
CONCURRENCY_RUNNING = Family("concurrency_running", "gauge", "Exchanges running now, where they are limited")
CONCURRENCY_QUEUED = Family("concurrency_queued", "counter", "Exchanges that waited for their turn")
CONCURRENCY_REFUSED = Family("concurrency_refused", "counter", "Exchanges that got no turn, by reason")
CONCURRENCY_LEFT = Family("concurrency_left", "counter", "Exchanges whose client left while they waited")
SHED = Family("shed", "counter", "Exchanges refused because a worker had too much to do, by importance")
OVERLOAD = (
    BREAKER_STATE, BREAKER_OPENED, BREAKER_REFUSED,
    CONCURRENCY_LIMIT, CONCURRENCY_RUNNING, CONCURRENCY_QUEUED, CONCURRENCY_REFUSED, CONCURRENCY_LEFT,
    SHED,
)  # fmt: skip

# What is in shared cells, too; observe/rotation.py reads them.
ENDPOINT_HEALTHY = Family("endpoint_healthy", "gauge", "1 when it is healthy and takes new exchanges, else 0")
ENDPOINT_PROBES = Family("endpoint_probes", "counter", "Probes, by result")
ENDPOINT_EJECTIONS = Family("endpoint_ejections", "counter", "Times that it was ejected as an outlier")
SERVICE_PANICS = Family("service_panics", "counter", "Times that a worker began to try all endpoints")
SERVICE_OUTLIERS_SPARED = Family(
    "service_outliers_spared", "counter", "Outliers that were not ejected because it is a dry run"
)
ROTATION = (
    ENDPOINT_HEALTHY, ENDPOINT_PROBES, ENDPOINT_EJECTIONS, SERVICE_PANICS, SERVICE_OUTLIERS_SPARED,
)  # fmt: skip

# What is in shared cells of routes with a rollout; observe/rollouts.py reads them.
ROLLOUT_PHASE = Family(
    "rollout_phase", "gauge", "0 not begun, 1 running, 2 paused, 3 done, 4 aborted, 5 taken back"
)
ROLLOUT_STEP = Family("rollout_step", "gauge", "The step that it is in, from 1 on; 0 when in none")
ROLLOUT_DECISIONS = Family("rollout_decisions", "counter", "What was decided about the rollout")
ROLLOUTS = (ROLLOUT_PHASE, ROLLOUT_STEP, ROLLOUT_DECISIONS)
# Of middlewares and their hooks; observe/middlewares.py reads them.
MIDDLEWARE_CALLS = Family(
    "middleware_calls", "counter", "Calls of hooks, and steps of those that are awaited"
)
MIDDLEWARE_ERRORS = Family("middleware_errors", "counter", "Hooks that raised, or returned what they cannot")
MIDDLEWARE_CPU = Family(
    "middleware_cpu_seconds", "counter", "Processor time of hooks, as every 64th call tells", "seconds"
)
MIDDLEWARE_WAITS = Family("middleware_waits", "counter", "Hooks that were awaited")
MIDDLEWARE_WAIT = Family("middleware_wait_seconds", "counter", "How long they were awaited", "seconds")
MIDDLEWARE_EXCEEDED = Family("middleware_exceeded", "counter", "Calls that took more than their budget")
MIDDLEWARE_BLOCKED = Family("middleware_blocked", "counter", "Calls that held up the event loop over 50 ms")
MIDDLEWARE_REPLIES = Family("middleware_replies", "counter", "Exchanges that a middleware answered")
MIDDLEWARES = (
    MIDDLEWARE_CALLS, MIDDLEWARE_ERRORS, MIDDLEWARE_CPU, MIDDLEWARE_WAITS, MIDDLEWARE_WAIT,
    MIDDLEWARE_EXCEEDED, MIDDLEWARE_BLOCKED, MIDDLEWARE_REPLIES,
)  # fmt: skip
# observe/preferences.py reads them.
LEVEL_PICKS = Family("service_picks", "counter", "Endpoints chosen, by tier and zone, where these differ")
LEVEL_SPILLED = Family("service_spilled", "counter", "Those of them for which the first choice was too weak")
SUBSET_FALLBACKS = Family(
    "service_subset_fallbacks", "counter", "Times that a worker asked all endpoints in place of a subset"
)
PREFERENCES = (LEVEL_PICKS, LEVEL_SPILLED, SUBSET_FALLBACKS)

BUILD = Family("build", "info", "Version of Headgate and of Python")
SNAPSHOT = Family("snapshot_version", "gauge", "Snapshot that the controller published last")

# What the roles report themselves: the names that `render` takes.
ROLES = (
    Family("workers", "gauge", "Workers that should run"),
    Family("workers_ready", "gauge", "Workers that serve the snapshot published last"),
    Family("worker_restarts", "counter", "Workers replaced because they died, or had too much memory"),
    Family("controller_restarts", "counter", "Controllers replaced because they died"),
    Family("started_timestamp_seconds", "gauge", "When the supervisor started", "seconds"),
    Family("reloads", "counter", "Configurations that were accepted and are served"),
    Family("reload_failures", "counter", "Configurations that were refused"),
    Family("reload_last_success", "gauge", "1 when the last configuration was accepted, else 0"),
    Family(
        "reload_last_success_timestamp_seconds", "gauge", "When a configuration was accepted last", "seconds"
    ),
    Family("resolver_failures", "counter", "Look-ups of endpoint names that failed"),
)  # fmt: skip
