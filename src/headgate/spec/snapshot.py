"""The snapshot: one compiled, immutable configuration with a version.

Everything is resolved: defaults filled in, inheritance (global, listener, route, service) done,
references checked, names of environment variables replaced. A worker that cannot build a valid
snapshot has found a bug. Durations are seconds, sizes are bytes.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from headgate.spec.answers import Respond
from headgate.spec.data import Data
from headgate.spec.health import HealthCheck, Outliers
from headgate.spec.overload import Breaker, Concurrency, Overload
from headgate.spec.rollout import Rollout
from headgate.spec.secret import Secret
from headgate.spec.tls import Hsts, Http2, HttpsRedirect, ListenerTls, ProxyHeader, ProxyProtocol, ServiceTls

# Defaults are not written: who changes one, or the meaning of a field, takes the next number.
FORMAT = 5


class SnapshotError(ValueError):
    """The bytes are not a snapshot of a format that this version reads."""


class Address(Data, frozen=True):
    """Where a socket is bound or connected: TCP host and port, or a unix path."""

    host: str = ""  # numeric for listeners; a name or number for endpoints
    port: int = 0
    unix: str = ""  # path; "@name" is an abstract socket
    fd: int = -1  # an inherited descriptor (listeners only)


class SocketOptions(Data, frozen=True):
    backlog: int = 1024
    keepalive: bool = True
    keepalive_idle: float = 60.0
    nodelay: bool = True
    v6only: bool = True
    mode: int = 0o666  # of a unix socket


class ListenerLimits(Data, frozen=True):
    """Limits that hold before a route is known. See base/limits.py for each reason."""

    head_timeout: float = 10.0
    head_bytes: int = 32 * 1024
    head_fields: int = 100
    keep_alive_timeout: float = 75.0
    handshake_timeout: float = 10.0  # of TLS
    hello_bytes: int = 16 * 1024  # of a ClientHello
    connections: int = 0  # per worker; 0: from the number of open files
    connections_per_client: int = 0  # per worker and client address; 0: no limit


class Listener(Data, frozen=True):
    name: str
    address: Address
    socket: SocketOptions = SocketOptions()
    limits: ListenerLimits = ListenerLimits()
    health_path: str = ""  # workers answer "<this>/healthz" and "<this>/readyz"; "" is off
    grpc_health: bool = False  # workers answer grpc.health.v1.Health/Check
    tls: ListenerTls | None = None
    http2: Http2 = Http2()
    proxy_protocol: ProxyProtocol | None = None
    https_redirect: HttpsRedirect | None = None  # listeners without TLS only
    hsts: Hsts | None = None  # listeners with TLS only
    middlewares: tuple[str, ...] = ()  # before those of routes
    metric: int = 0


class FieldMatch(Data, frozen=True):
    """A condition on a header field, a query parameter or a fact of TLS."""

    name: str  # headers: lower case
    kind: Literal["exact", "regex", "present", "absent"]
    value: str = ""


class PathMatch(Data, frozen=True):
    kind: Literal["any", "exact", "prefix", "regex"] = "any"
    value: str = ""  # prefix: without the final "/*"; "" is "/*"


class Match(Data, frozen=True):
    hosts: tuple[str, ...] = ()  # lower case; "*.example.com" for a wildcard; () is any host
    path: tuple[PathMatch, ...] = ()  # any of them; () is any path
    methods: tuple[str, ...] = ()
    headers: tuple[FieldMatch, ...] = ()
    query: tuple[FieldMatch, ...] = ()
    client: tuple[str, ...] = ()  # CIDR ranges
    tls: tuple[FieldMatch, ...] = ()  # names: core/handshake, FACTS


class Key(Data, frozen=True):
    """What of a request is equal, when it shall go to the same place."""

    kind: Literal["client", "path", "header", "cookie", "query"] = "client"
    name: str = ""  # of the header (lower case), cookie or parameter


class Selection(Data, frozen=True):
    """Some of a route's requests: a part of those that fit."""

    match: Match = Match()  # methods, headers, query and client of it
    cookies: tuple[FieldMatch, ...] = ()
    percent: float = 100.0


class Compare(Data, frozen=True):
    """What of a mirror's answers is compared with those that clients got, beside the status."""

    headers: tuple[str, ...] = ()  # lower case
    body: bool = True
    ignore: tuple[str, ...] = ()  # places in JSON, such as "user.*.time"


class Mirror(Data, frozen=True):
    """Copies of a route's requests to another service."""

    service: str
    selection: Selection = Selection()
    body_bytes: int = 64 * 1024  # longer requests are not copied
    most: int = 100  # copies under way, per worker
    timeout: float = 10.0
    compare: Compare | None = None
    metric: int = 0
    results_metric: int = 0


class Fault(Data, frozen=True):
    """What goes wrong on a route on purpose."""

    selection: Selection = Selection()
    delay: float = 0.0
    status: int = 0  # of the answer instead of the service's; 0: none
    rate: float = 0.0  # bytes a second of response bodies; 0: as fast as they come
    metric: int = 0


class ServiceShare(Data, frozen=True):
    service: str
    weight: int = 1
    variant: str = ""  # "" is the service's name
    subset: tuple[tuple[str, str], ...] = ()  # labels that its endpoints have, in order; () is all of them
    selection: Selection | None = None  # of requests that are for it whatever the weights
    metric: int = 0  # of routes with several only

    @property
    def name(self) -> str:
        """The name in metrics and records, unique in its route."""
        return self.variant or self.service


class Redirect(Data, frozen=True):
    """Parts that are "" are kept from the request. Templates: {scheme} {host} {port} {path} {query}
    {name} for a named group of the path's regular expression.
    """

    scheme: str = ""
    host: str = ""
    port: int = 0
    path: str = ""
    query: str | None = None  # None keeps it
    status: int = 308


class RouteLimits(Data, frozen=True):
    request_timeout: float = 0.0  # whole exchange; 0: none
    body_idle_timeout: float = 60.0  # no progress of the request body
    response_idle_timeout: float = 60.0  # no progress of the response, from upstream or to downstream
    first_byte_timeout: float = 60.0
    tunnel_idle_timeout: float = 3600.0
    minimum_rate: float = 240.0  # bytes a second on request bodies and on reading responses; 0: off
    minimum_rate_grace: float = 10.0
    body_bytes: int = 0  # maximum request body; 0: none
    buffer_bytes: int = 64 * 1024  # memory per exchange and direction
    buffer_request: int = 0  # read up to so many bytes of the request before connecting; 0: stream
    buffer_response: int = 0  # read up to so many bytes ahead of the client; 0: buffer_bytes


class Budget(Data, frozen=True):
    """What a middleware may take for one call; 0: as much as it wants."""

    cpu: float = 0.0  # seconds of processor time
    wait: float = 0.0  # seconds
    bypass: bool = False  # beyond it, exchanges go on without the middleware; else they fail


class Middleware(Data, frozen=True):
    name: str
    type: str  # built in, published under the entry point group, or module:Class
    options: dict[str, Any] = msgspec.field(default_factory=dict)  # what differs from defaults
    budget: Budget = Budget()
    folder: str = ""  # where modules are looked for beside the usual places
    files: tuple[str, ...] = ()  # its code, in development
    edition: str = ""  # another one when these files changed
    counters: tuple[tuple[str, str], ...] = ()  # name and help of what it counts itself
    histograms: tuple[tuple[str, str], ...] = ()
    metric: int = 0


class Retry(Data, frozen=True):
    """When an attempt is followed by another."""

    attempts: int = 2  # in all
    causes: tuple[str, ...] = ("connect",)  # of core.attempts, RETRY_CAUSES, but for status and grpc
    statuses: tuple[int, ...] = ()
    grpc_statuses: tuple[int, ...] = ()
    methods: tuple[str, ...] = ()  # allowed although they are not idempotent
    backoff: float = 0.025  # the longest first pause; 0: none
    backoff_most: float = 0.25
    retry_after: float = 1.0  # how long an answer may ask for; 0: it is not asked
    per_try_timeout: float = 0.0  # 0: none


class Hedge(Data, frozen=True):
    """When a second attempt is made beside the first."""

    delay: float = 0.0  # seconds; 0: the percentile
    percentile: float = 95.0
    percent: float = 5.0  # of requests that may be hedged


class Route(Data, frozen=True):
    name: str
    listeners: tuple[str, ...] = ()  # () is all HTTP listeners
    match: Match = Match()
    priority: int = 0
    middlewares: tuple[str, ...] = ()  # names, in the order in which a request meets them
    services: tuple[ServiceShare, ...] = ()
    sticky: Key | None = None  # what keeps a client with its share
    variant_header: str = ""  # tells clients the name of the share
    mirror: Mirror | None = None
    fault: Fault | None = None
    rollout: Rollout | None = None
    redirect: Redirect | None = None
    respond: Respond | None = None
    limits: RouteLimits = RouteLimits()
    retry: Retry | None = None
    hedge: Hedge | None = None
    concurrency: Concurrency = Concurrency()
    importance: int = 1  # 0 low, 1 normal, 2 high
    where: str = ""  # "file:line" for explanations
    metric: int = 0


class Pool(Data, frozen=True):
    connections: int = 0  # open connections per endpoint and worker; 0: no limit
    idle_connections: int = 1024  # kept idle per endpoint and worker
    idle_timeout: float = 4.0
    age: float = 0.0  # close after so long; 0: never
    streams: int = 100  # exchanges at a time on one HTTP/2 connection
    waiting: int = 1024  # exchanges waiting for a connection
    wait_timeout: float = 3.0
    connect_timeout: float = 3.0  # with the handshake of TLS


class Endpoint(Data, frozen=True):
    name: str  # identity: as written, e.g. "127.0.0.1:9001" or "https://app.internal:443"
    addresses: tuple[Address, ...]  # resolved; a name with several addresses is several endpoints
    scheme: Literal["http", "https", "h2c"] = "http"
    weight: int = 1
    backup: bool = False  # only where no other is usable
    zone: str = ""
    level: int = 0  # twice its tier, and one more where it is in another zone than this Headgate
    labels: tuple[tuple[str, str], ...] = ()
    metric: int = 0

    @property
    def authority(self) -> str:
        """Its name without the scheme: `app.internal:443`; for a unix socket `unix:/path`."""
        return self.name.partition("://")[2] or self.name

    @property
    def host(self) -> str:
        """The host in its name, as certificates have it; "" for a unix socket."""
        authority = self.authority
        if authority.startswith("unix:"):
            return ""
        return authority.rpartition(":")[0].strip("[]")


class Balance(Data, frozen=True):
    """How an endpoint is chosen. `key`, `table` and `bounded_load` are of algorithms with keys."""

    algorithm: str = "round_robin"  # one of core/balancers, ALGORITHMS
    key: Literal["client", "path", "header", "cookie", "query"] = "client"
    key_name: str = ""  # of the header (lower case), cookie or parameter
    table: Literal["ring", "maglev"] = "ring"
    bounded_load: float = 0.0  # most in flight in relation to the mean; 0: no bound


class Sticky(Data, frozen=True):
    """How clients come back to their endpoints."""

    by: Literal["cookie", "header", "learn"] = "cookie"  # learn: by a cookie that the service sets itself
    name: str = ""
    lifetime: float = 0.0  # seconds; 0: as long as the browser runs; of what is learned, without a request
    path: str = "/"
    domain: str = ""
    same_site: str = "Lax"
    secure: bool = False  # even where the client's connection is plain
    secret: Secret = Secret()  # empty: workers share one that they make themselves
    metric: int = 0


class RetryBudget(Data, frozen=True):
    """How many more requests than came a service may get by retries."""

    percent: float = 20.0
    per_second: float = 10.0


class Service(Data, frozen=True):
    name: str
    balance: Balance = Balance()
    sticky: Sticky | None = None
    endpoints: tuple[Endpoint, ...] = ()
    pool: Pool = Pool()
    host: str = ""  # Host sent upstream; "" keeps the client's
    nodelay: bool = True
    keepalive: bool = True
    tls: ServiceTls = ServiceTls()  # for its endpoints with https
    proxy_protocol: ProxyHeader | None = None
    retry_budget: RetryBudget | None = RetryBudget()  # None: no limit
    breaker: Breaker | None = None
    health_check: HealthCheck | None = None
    outliers: Outliers | None = None
    slow_start: float = 0.0  # in which weights of new and recovered endpoints grow
    panic: float = 0.5  # with less of them healthy, all are tried; 0: never
    subset_fallback: bool = False  # where nobody of a subset is healthy, all endpoints are asked
    levels_metric: int = 0  # of services whose endpoints have several levels
    concurrency: Concurrency = Concurrency()
    middlewares: tuple[str, ...] = ()  # behind those of routes
    metric: int = 0


class Forwarding(Data, frozen=True):
    """Which forwarding fields are written. From strangers they are dropped, not appended to."""

    x_forwarded: bool = True
    x_real_ip: bool = True
    forwarded: bool = False  # RFC 7239
    via: str = "headgate"  # pseudonym; "" writes no Via
    request_id: bool = True


class AccessLog(Data, frozen=True):
    format: str = "json"  # json, combined or template
    template: str = ""
    path: str = "stdout"  # stdout, stderr, a file, or syslog:...
    query: bool = True  # queries stay in the records
    fingerprints: bool = False  # JSON records have ja3 and ja4
    queue_bytes: int = 4 * 1024 * 1024  # waiting for the sink; more is dropped and counted


class Process(Data, frozen=True):
    workers: int = 1  # resolved
    drain_timeout: float = 30.0
    pre_stop_delay: float = 0.0
    user: str = ""
    group: str = ""
    cancel_on_half_close: bool = True
    admin: tuple[Address, ...] = ()
    admin_token: Secret = Secret()
    admin_public: tuple[str, ...] = ()  # of "metrics" and "health": asked without the token from anywhere
    log_level: str = "info"
    ticket_rotation: float = 12 * 3600.0  # a new secret for TLS session tickets; 0: never
    state: str = ""  # folder; "" is where the environment says
    development: bool = False  # middlewares are watched closely, and read anew when their files change
    hook_limit: float = 10.0  # a worker whose loop a middleware holds up for so long is replaced; 0: never
    memory_limit: int = 0  # bytes; a worker that has more is replaced; 0: never
    zone: str = ""  # where this Headgate is


class Metrics(Data, frozen=True):
    """Block numbers by identity, e.g. "route:api"; retired ones are never given out again."""

    blocks: dict[str, int] = msgspec.field(default_factory=dict)
    next: int = 1  # block 0 is the worker's own


class Snapshot(Data, frozen=True, omit_defaults=False):  # its format is always written
    format: int = FORMAT
    version: int = 0
    process: Process = Process()
    trusted_proxies: tuple[str, ...] = ()
    forwarding: Forwarding = Forwarding()
    identity_fields: tuple[str, ...] = ("x-forwarded-client-cert",)  # dropped when they come from outside
    access_log: AccessLog | None = None
    overload: Overload = Overload()
    encoded_slash: Literal["keep", "reject", "decode"] = "keep"
    encoded_backslash: Literal["reject", "keep"] = "reject"
    encoded_nul: Literal["reject", "keep"] = "reject"
    listeners: tuple[Listener, ...] = ()
    routes: tuple[Route, ...] = ()
    services: tuple[Service, ...] = ()
    middlewares: tuple[Middleware, ...] = ()
    metrics: Metrics = Metrics()


_SECRET = 1  # the extension type of msgpack by which a secret is known again, in options too


def _reveal(value: object) -> msgspec.msgpack.Ext:
    """Secrets travel between roles only."""
    if isinstance(value, Secret):
        return msgspec.msgpack.Ext(_SECRET, value.text.encode())
    raise NotImplementedError(f"{type(value).__name__} is no part of a snapshot")


def _secret(code: int, data: memoryview) -> Secret:
    if code != _SECRET:
        raise ValueError(f"extension {code}")  # the decoder makes an error of its own of it
    return Secret(bytes(data).decode())


def _keep_secret(kind: type, value: object) -> Secret:
    if kind is Secret and isinstance(value, Secret):
        return value
    raise TypeError(f"no {kind.__name__}")


_encoder = msgspec.msgpack.Encoder(enc_hook=_reveal)
_decoder = msgspec.msgpack.Decoder(Snapshot, dec_hook=_keep_secret, ext_hook=_secret)


def encode(snapshot: Snapshot) -> bytes:
    """The snapshot as bytes for another role."""
    return _encoder.encode(snapshot)


def decode(data: bytes | memoryview) -> Snapshot:
    """The snapshot in `data`. Raises SnapshotError when it is none or of another format."""
    try:
        snapshot = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotError(f"not a snapshot: {error}") from None
    if snapshot.format != FORMAT:
        raise SnapshotError(f"snapshot has format {snapshot.format}, this version reads {FORMAT}")
    return snapshot


def shown(part: Data) -> Any:
    """A part of a snapshot as plain data for people; secrets are hidden."""
    return msgspec.to_builtins(part, enc_hook=_hide)


def _hide(value: object) -> str:
    if isinstance(value, Secret):
        return "(hidden)" if value else ""
    raise NotImplementedError(f"{type(value).__name__} is no part of a snapshot")


def with_endpoints(snapshot: Snapshot, service: str, endpoints: tuple[Endpoint, ...]) -> Snapshot:
    """The snapshot with other endpoints for one service, as when its names resolve anew."""
    replace = msgspec.structs.replace
    services = tuple(
        replace(entry, endpoints=endpoints) if entry.name == service else entry for entry in snapshot.services
    )
    return replace(snapshot, services=services)
