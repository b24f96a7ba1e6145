"""Limits, timeouts, buffering and pools: the same keys, settable where they make sense.

What is not set is inherited: from the service, then from the top of the file, then from the defaults.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from headgate.config.model.scalars import (
    ByteRate,
    ConnectionWindow,
    Count,
    Duration,
    OnOff,
    OptionalCount,
    OptionalDuration,
    OptionalSize,
    Size,
    StreamWindow,
)
from headgate.config.model.section import Section, setting


class ListenerTimeouts(Section):
    """Timeouts that hold before a route is known."""

    head: Duration | None = setting("timeouts.head")
    keep_alive: Duration | None = setting("timeouts.keep_alive")
    handshake: Duration | None = setting("timeouts.handshake")


class ServiceTimeouts(Section):
    """Timeouts towards endpoints."""

    connect: Duration | None = setting("timeouts.connect")
    first_byte: Duration | None = setting("timeouts.first_byte")


class RouteTimeouts(Section):
    """Timeouts of an exchange."""

    request: OptionalDuration | None = setting("timeouts.request")
    idle: Duration | None = Field(
        default=None, description="`body_idle` and `response_idle` together, where they are not set."
    )
    body_idle: Duration | None = setting("timeouts.body_idle")
    response_idle: Duration | None = setting("timeouts.response_idle")
    first_byte: Duration | None = setting("timeouts.first_byte")
    tunnel_idle: Duration | None = setting("timeouts.tunnel_idle")


class Timeouts(ListenerTimeouts, ServiceTimeouts, RouteTimeouts):
    """All timeouts, for everything that sets none of its own."""


class ListenerLimits(Section):
    """Limits that hold before a route is known."""

    head_size: Size | None = setting("limits.head_size")
    head_fields: Count | None = setting("limits.head_fields")
    hello_size: Size | None = setting("limits.hello_size")
    connections: OptionalCount | None = setting("limits.connections")
    connections_per_client: OptionalCount | None = setting("limits.connections_per_client")


class RouteLimits(Section):
    """Limits of an exchange."""

    body_size: OptionalSize | None = setting("limits.body_size")
    buffer_size: Size | None = setting("limits.buffer_size")
    minimum_rate: ByteRate | None = setting("limits.minimum_rate")
    minimum_rate_grace: OptionalDuration | None = setting("limits.minimum_rate_grace")


class Limits(ListenerLimits, RouteLimits):
    """All limits, for everything that sets none of its own."""


class Buffering(Section):
    """Reading ahead, for services that a slow client would block."""

    request: OptionalSize | None = setting("buffering.request")
    response: OptionalSize | None = setting("buffering.response")


class Pool(Section):
    """Connections that are kept open to each endpoint."""

    connections: OptionalCount | None = setting("pool.connections")
    idle_connections: OptionalCount | None = setting("pool.idle_connections")
    idle_timeout: Duration | None = setting("pool.idle_timeout")
    age: OptionalDuration | None = setting("pool.age")
    streams: Count | None = setting("pool.streams")
    waiting: OptionalCount | None = setting("pool.waiting")
    wait_timeout: Duration | None = setting("pool.wait_timeout")


class Http2(Section):
    """HTTP/2 from clients: by ALPN with TLS, by prior knowledge without. `off` alone switches it off."""

    SHORT: ClassVar[str] = "enabled"
    SHORT_SWITCH: ClassVar[bool] = True

    enabled: OnOff | None = Field(
        default=None,
        description="Whether HTTP/2 is spoken beside HTTP/1.1.",
        json_schema_extra={"default": "on"},
    )
    max_streams: Count | None = setting("http2.max_streams")
    window_size: StreamWindow | None = setting("http2.window_size")
    window_budget: ConnectionWindow | None = setting("http2.window_budget")
