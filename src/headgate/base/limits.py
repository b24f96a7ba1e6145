"""Every limit and timeout, in one table: name, default, where it can be set, and why.

`name` is the key in the file (`section.key`); `field` is the field of the compiled configuration that
carries the value (seconds, bytes, bytes a second, or a count). The configuration's models take their
descriptions from here, and a test holds the defaults of `spec` equal to these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from headgate.base.units import format_byte_rate, format_duration, format_size

Unit: TypeAlias = Literal["duration", "size", "count", "byte_rate"]
Scope: TypeAlias = Literal["global", "listener", "route", "service"]


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit. `off` says what 0 (or `off` in the file) means; "" when it cannot be switched off."""

    name: str
    default: float
    unit: Unit
    scopes: tuple[Scope, ...]
    field: str
    what: str
    reason: str
    precedent: str = ""
    off: str = ""

    @property
    def default_text(self) -> str:
        """The default as one writes it in the file."""
        if not self.default and self.off:
            return "off"
        if self.unit == "duration":
            return format_duration(self.default)
        if self.unit == "size":
            return format_size(int(self.default))
        if self.unit == "byte_rate":
            return format_byte_rate(self.default)
        return str(int(self.default))


_LISTENER: tuple[Scope, ...] = ("global", "listener")
_ROUTE: tuple[Scope, ...] = ("global", "route")
_SERVICE: tuple[Scope, ...] = ("global", "service")

LIMITS: tuple[Limit, ...] = (
    Limit(
        "timeouts.head",
        10.0,
        "duration",
        _LISTENER,
        "ListenerLimits.head_timeout",
        "Time to receive the whole head of a request, from its first byte",
        "A head fits in a few packets; who needs longer is broken or holds connections on purpose",
        "nginx 60 s, Caddy 1 min, granian 30 s",
    ),
    Limit(
        "timeouts.keep_alive",
        75.0,
        "duration",
        _LISTENER,
        "ListenerLimits.keep_alive_timeout",
        "Time that a connection from downstream may wait for its next request",
        "Longer than the idle time of common load balancers (60 s), so that they close first",
        "nginx 75 s",
    ),
    Limit(
        "timeouts.handshake",
        10.0,
        "duration",
        _LISTENER,
        "ListenerLimits.handshake_timeout",
        "Time from a client's connection to the end of its TLS handshake",
        "A handshake is two round trips; who needs longer holds connections on purpose",
        "nginx 60 s, Go 10 s, Envoy 10 s",
    ),
    Limit(
        "timeouts.request",
        0.0,
        "duration",
        _ROUTE,
        "RouteLimits.request_timeout",
        "Time for a whole exchange, from the request's head to the last byte of the response",
        "Only the application knows how long its work takes; idle times catch what hangs",
        "nginx none, Envoy 15 s",
        off="no limit",
    ),
    Limit(
        "timeouts.body_idle",
        60.0,
        "duration",
        _ROUTE,
        "RouteLimits.body_idle_timeout",
        "Time without any progress of a request body",
        "An upload may take long but must move",
        "nginx 60 s, Caddy 1 min",
    ),
    Limit(
        "timeouts.response_idle",
        60.0,
        "duration",
        _ROUTE,
        "RouteLimits.response_idle_timeout",
        "Time without any progress of a response, from upstream or to downstream",
        "A download may take long but must move",
        "nginx 60 s",
    ),
    Limit(
        "timeouts.first_byte",
        60.0,
        "duration",
        ("global", "service", "route"),
        "RouteLimits.first_byte_timeout",
        "Time from the request sent upstream to the head of the response",
        "Slow answers are normal, lost ones must end",
        "nginx 60 s, Envoy 15 s",
    ),
    Limit(
        "timeouts.tunnel_idle",
        3600.0,
        "duration",
        _ROUTE,
        "RouteLimits.tunnel_idle_timeout",
        "Time without any byte in a tunnel, such as a WebSocket",
        "Quiet WebSockets are normal; a dead peer must not stay for ever",
        "nginx 60 s, Envoy 5 min, HAProxy's guide 1 h",
    ),
    Limit(
        "timeouts.connect",
        3.0,
        "duration",
        _SERVICE,
        "Pool.connect_timeout",
        "Time to open a connection to an endpoint, with its TLS handshake",
        "Long enough for one lost SYN (1 s) and its second try, short enough to try elsewhere",
        "Caddy 3 s, Envoy 5 s, nginx 60 s",
    ),
    Limit(
        "limits.head_size",
        32 * 1024,
        "size",
        _LISTENER,
        "ListenerLimits.head_bytes",
        "Size of a whole head; a larger one is answered with 431, a target that is too long with 414",
        "Holds several large cookies",
        "nginx 32 KiB (4 x 8 KiB), HAProxy 16 KiB, Envoy 60 KiB",
    ),
    Limit(
        "limits.head_fields",
        100,
        "count",
        _LISTENER,
        "ListenerLimits.head_fields",
        "Number of fields in a head; more are answered with 431",
        "Browsers send about 20; each field costs time in every proxy behind",
        "Apache 100, Envoy 100, HAProxy 101",
    ),
    Limit(
        "limits.hello_size",
        16 * 1024,
        "size",
        _LISTENER,
        "ListenerLimits.hello_bytes",
        "Size of a TLS ClientHello, which is read as a whole before the certificate is chosen",
        "Browsers send 0.5 to 2 KiB, with post-quantum keys and long tickets a few more",
        "OpenSSL 128 KiB, Envoy 16 KiB, HAProxy 16 KiB",
    ),
    Limit(
        "http2.max_streams",
        100,
        "count",
        _LISTENER,
        "Http2.max_streams",
        "Requests at a time on one HTTP/2 connection",
        "The least that RFC 9113 recommends; more lets one client hold more of everything",
        "nginx 128, HAProxy 100, Envoy 1024, Go 250",
    ),
    Limit(
        "http2.window_size",
        64 * 1024,
        "size",
        _LISTENER,
        "Http2.window_bytes",
        "Bytes of a request body that may come before the first of them was passed on; it grows while they "
        "are passed on quickly",
        "The default of RFC 9113: what an idle upload may cost",
        "nginx 64 KiB, HAProxy 64 KiB, Envoy 16 MiB",
    ),
    Limit(
        "http2.window_budget",
        16 * 1024 * 1024,
        "size",
        _LISTENER,
        "Http2.budget_bytes",
        "Size to which all windows of one HTTP/2 connection together may grow",
        "Twice what fills 1 Gbit/s over 50 ms; only fast uploads ever get there",
        "Envoy 24 MiB, Go 1 MiB, HAProxy 64 KiB",
    ),
    Limit(
        "proxy_protocol.timeout",
        3.0,
        "duration",
        ("listener",),
        "ProxyProtocol.timeout",
        "Time for the PROXY protocol's header to come",
        "It is the first packet of a balancer nearby; a lost one comes again after 1 s",
        "HAProxy's client timeout, Envoy none, Traefik 10 s",
    ),
    Limit(
        "limits.connections",
        0,
        "count",
        _LISTENER,
        "ListenerLimits.connections",
        "Open connections of one listener, for each worker; then accepting on it stops for a while",
        "The number of open files is the true limit, and it is known at start",
        "HAProxy from the number of open files, nginx 512",
        off="from the number of open files",
    ),
    Limit(
        "limits.connections_per_client",
        0,
        "count",
        _LISTENER,
        "ListenerLimits.connections_per_client",
        "Open connections from one client address, for each worker; more are closed at once",
        "Many users can share one address, so that a default would hurt somebody",
        "nginx, HAProxy and Caddy none",
        off="no limit",
    ),
    Limit(
        "limits.body_size",
        0,
        "size",
        _ROUTE,
        "RouteLimits.body_bytes",
        "Size of a request body; a larger one is answered with 413",
        "Bodies are streamed and cost no memory here; only the application knows what it accepts",
        "nginx 1 MiB, Caddy and HAProxy none",
        off="no limit",
    ),
    Limit(
        "limits.buffer_size",
        64 * 1024,
        "size",
        _ROUTE,
        "RouteLimits.buffer_bytes",
        "Memory of one exchange in each direction before a fast writer has to wait for a slow reader; "
        "less than one read of 64 KiB counts as that",
        "One receive buffer of the kernel; larger ones raise speed only over long, fat links",
        "nginx 64 KiB (8 x 8 KiB), HAProxy 16 KiB, Envoy 1 MiB",
    ),
    Limit(
        "limits.minimum_rate",
        240.0,
        "byte_rate",
        _ROUTE,
        "RouteLimits.minimum_rate",
        "Average rate at which a request body must come and a response must be read",
        "A peer that moves one byte a minute is never idle and holds a connection for ever",
        "Kestrel 240 B/s after 5 s, Apache 500 B/s",
        off="no minimum",
    ),
    Limit(
        "limits.minimum_rate_grace",
        10.0,
        "duration",
        _ROUTE,
        "RouteLimits.minimum_rate_grace",
        "Time after which the minimum rate is asked for",
        "A connection needs time to get going, above all on mobile networks",
        "Kestrel 5 s, Apache 20 s",
    ),
    Limit(
        "buffering.request",
        0,
        "size",
        _ROUTE,
        "RouteLimits.buffer_request",
        "Read up to so much of a request body before a connection to the service is taken",
        "Synchronous WSGI servers are blocked by slow clients; everybody else wants streaming",
        "nginx buffers whole bodies, HAProxy and Envoy stream",
        off="stream",
    ),
    Limit(
        "buffering.response",
        0,
        "size",
        _ROUTE,
        "RouteLimits.buffer_response",
        "Read up to so much of a response ahead of a slow client, to set the service free",
        "The same, in the other direction",
        "nginx 64 KiB and then a file",
        off="limits.buffer_size",
    ),
    Limit(
        "pool.connections",
        0,
        "count",
        _SERVICE,
        "Pool.connections",
        "Open connections to one endpoint, for each worker",
        "What an endpoint can take is not known here",
        "HAProxy and nginx none, Envoy 1024",
        off="no limit",
    ),
    Limit(
        "pool.idle_connections",
        1024,
        "count",
        _SERVICE,
        "Pool.idle_connections",
        "Idle connections kept to one endpoint, for each worker",
        "Opening a connection costs more than a whole request; idle ones leave after the idle time",
        "nginx 32, Traefik 200, Pingora 128",
    ),
    Limit(
        "pool.idle_timeout",
        4.0,
        "duration",
        _SERVICE,
        "Pool.idle_timeout",
        "Time that a connection to an endpoint is kept without an exchange",
        "uvicorn and Node.js close after 5 s; who closes first does not lose a request to the race",
        "nginx 60 s, Traefik 90 s, Caddy 2 min",
    ),
    Limit(
        "pool.age",
        0.0,
        "duration",
        _SERVICE,
        "Pool.age",
        "Time after which a connection to an endpoint is not used again",
        "Needed only where a balancer behind has to see new connections",
        "nginx 1 h",
        off="no limit",
    ),
    Limit(
        "pool.streams",
        100,
        "count",
        _SERVICE,
        "Pool.streams",
        "Exchanges at a time on one HTTP/2 connection to an endpoint, as far as that allows them",
        "One lost packet stops all of a connection; more connections cost little",
        "HAProxy 100, Envoy 2^31, nginx 1",
    ),
    Limit(
        "pool.waiting",
        1024,
        "count",
        _SERVICE,
        "Pool.waiting",
        "Exchanges that wait for a connection to one endpoint, for each worker; more are answered with 503",
        "A longer queue answers nobody in time",
        "Envoy 1024 pending requests",
    ),
    Limit(
        "pool.wait_timeout",
        3.0,
        "duration",
        _SERVICE,
        "Pool.wait_timeout",
        "Time that an exchange waits for a connection to an endpoint; then it is answered with 503",
        "As long as opening a connection may take",
        "HAProxy's connect timeout",
    ),
    Limit(
        "process.drain_timeout",
        30.0,
        "duration",
        ("global",),
        "Process.drain_timeout",
        "Time for running exchanges to end when Headgate stops",
        "What orchestrators give before they kill",
        "Kubernetes 30 s, Traefik 10 s, nginx none",
    ),
    Limit(
        "process.pre_stop_delay",
        0.0,
        "duration",
        ("global",),
        "Process.pre_stop_delay",
        "Time between failing readiness and closing the listeners when Headgate stops",
        "Balancers in front need to notice; without one in front it only costs time",
        "Kubernetes preStop hooks of 5 to 15 s",
    ),
    Limit(
        "process.hook_limit",
        10.0,
        "duration",
        ("global",),
        "Process.hook_limit",
        "Time for which a middleware may hold up the event loop of a worker before the worker is replaced",
        "Everybody else on that worker waits meanwhile, and nothing else can stop it",
        "Gunicorn 30 s, Node.js none",
        off="it may hold it up for ever",
    ),
    Limit(
        "process.ticket_rotation",
        12 * 3600.0,
        "duration",
        ("global",),
        "Process.ticket_rotation",
        "Time after which session tickets of TLS get a new secret; three are known, so that a session can be "
        "resumed for twice as long",
        "A stolen secret opens only the sessions of its time",
        "Caddy 12 h, Cloudflare 1 h, nginx none",
        off="never",
    ),
    Limit(
        "access_log.queue_size",
        4 * 1024 * 1024,
        "size",
        ("global",),
        "AccessLog.queue_bytes",
        "Records that wait for a slow sink, for each worker; more are dropped and counted",
        "About ten thousand records: a short pause of a disk loses nothing",
        "HAProxy drops at once, nginx waits",
    ),
)

BY_NAME: dict[str, Limit] = {limit.name: limit for limit in LIMITS}


def table() -> str:
    """The whole table as Markdown."""
    lines = [
        "| setting | default | settable | what | why | elsewhere |",
        "|---|---|---|---|---|---|",
    ]
    for limit in LIMITS:
        what = f"{limit.what}; `off`: {limit.off}" if limit.off else limit.what
        lines.append(
            f"| `{limit.name}` | {limit.default_text} | {', '.join(limit.scopes)} | {what} "
            f"| {limit.reason} | {limit.precedent} |"
        )
    return "\n".join(lines) + "\n"
