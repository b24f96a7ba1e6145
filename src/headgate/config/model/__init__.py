"""What people write, as pydantic models: one class for each section, `Config` for the whole."""

from headgate.config.model.answers import Respond
from headgate.config.model.attempts import Backoff, Hedge, Retry, RetryBudget
from headgate.config.model.health import HealthCheck, Outliers
from headgate.config.model.limits import (
    Buffering,
    Http2,
    Limits,
    ListenerLimits,
    ListenerTimeouts,
    Pool,
    RouteLimits,
    RouteTimeouts,
    ServiceTimeouts,
    Timeouts,
)
from headgate.config.model.listeners import Hsts, HttpsRedirect, Listener, ProxyProtocol, SocketOptions
from headgate.config.model.middlewares import Chain
from headgate.config.model.overload import Breaker, Overload, RouteConcurrency, ServiceConcurrency
from headgate.config.model.process import AccessLog, Admin, Forwarding, Process
from headgate.config.model.rollouts import Rollout, RolloutStep
from headgate.config.model.root import Config, Paths
from headgate.config.model.routes import Match, Redirect, Route
from headgate.config.model.section import Section
from headgate.config.model.services import Balance, Endpoint, ProxyHeader, Service, ServiceSocket
from headgate.config.model.splits import Compare, Fault, Mirror, Selection, Share
from headgate.config.model.stickiness import Sticky
from headgate.config.model.tls import CertificatePair, ClientCertificates, ListenerTls, ServiceTls, TlsSite

__all__ = [
    "AccessLog",
    "Admin",
    "Backoff",
    "Balance",
    "Breaker",
    "Buffering",
    "CertificatePair",
    "Chain",
    "ClientCertificates",
    "Compare",
    "Config",
    "Endpoint",
    "Fault",
    "Forwarding",
    "HealthCheck",
    "Hedge",
    "Hsts",
    "Http2",
    "HttpsRedirect",
    "Limits",
    "Listener",
    "ListenerLimits",
    "ListenerTimeouts",
    "ListenerTls",
    "Match",
    "Mirror",
    "Outliers",
    "Overload",
    "Paths",
    "Pool",
    "Process",
    "ProxyHeader",
    "ProxyProtocol",
    "Redirect",
    "Respond",
    "Retry",
    "RetryBudget",
    "Rollout",
    "RolloutStep",
    "Route",
    "RouteConcurrency",
    "RouteLimits",
    "RouteTimeouts",
    "Section",
    "Selection",
    "Service",
    "ServiceConcurrency",
    "ServiceSocket",
    "ServiceTimeouts",
    "ServiceTls",
    "Share",
    "SocketOptions",
    "Sticky",
    "Timeouts",
    "TlsSite",
]
