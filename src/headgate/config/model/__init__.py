"""What people write, as pydantic models: one class for each section, `Config` for the whole."""

from headgate.config.model.limits import (
    Buffering,
    Limits,
    ListenerLimits,
    ListenerTimeouts,
    Pool,
    RouteLimits,
    RouteTimeouts,
    ServiceTimeouts,
    Timeouts,
)
from headgate.config.model.listeners import Listener, SocketOptions
from headgate.config.model.middlewares import AddPrefix, StripPrefix
from headgate.config.model.process import AccessLog, Admin, Forwarding, Process
from headgate.config.model.root import Config, Paths
from headgate.config.model.routes import Match, Redirect, Respond, Retry, Route, Share
from headgate.config.model.section import Section
from headgate.config.model.services import Endpoint, Service, ServiceSocket

__all__ = [
    "AccessLog",
    "AddPrefix",
    "Admin",
    "Buffering",
    "Config",
    "Endpoint",
    "Forwarding",
    "Limits",
    "Listener",
    "ListenerLimits",
    "ListenerTimeouts",
    "Match",
    "Paths",
    "Pool",
    "Process",
    "Redirect",
    "Respond",
    "Retry",
    "Route",
    "RouteLimits",
    "RouteTimeouts",
    "Section",
    "Service",
    "ServiceSocket",
    "ServiceTimeouts",
    "Share",
    "SocketOptions",
    "StripPrefix",
    "Timeouts",
]
