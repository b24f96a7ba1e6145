"""What to do: the compiled configuration as frozen, plain data, and its encoding between roles."""

from headgate.spec.snapshot import (
    FORMAT,
    AccessLog,
    Address,
    Endpoint,
    FieldMatch,
    Forwarding,
    Listener,
    ListenerLimits,
    Match,
    Metrics,
    Middleware,
    PathMatch,
    Pool,
    Process,
    Redirect,
    Respond,
    Route,
    RouteLimits,
    Service,
    ServiceShare,
    Snapshot,
    SnapshotError,
    SocketOptions,
    decode,
    encode,
)

__all__ = [
    "FORMAT", "AccessLog", "Address", "Endpoint", "FieldMatch", "Forwarding", "Listener",
    "ListenerLimits", "Match", "Metrics", "Middleware", "PathMatch", "Pool", "Process", "Redirect",
    "Respond", "Route", "RouteLimits", "Service", "ServiceShare", "Snapshot", "SnapshotError",
    "SocketOptions", "decode", "encode",
]
