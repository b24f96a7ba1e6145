"""Listeners: bound addresses and how they speak."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from headgate.config.model.limits import ListenerLimits, ListenerTimeouts
from headgate.config.model.scalars import (
    BindAddress,
    Count,
    OptionalDuration,
    Prefix,
    Switch,
    refuse,
)
from headgate.config.model.section import Section


def _mode(value: object) -> int:
    """Permissions: octal digits as a text; in Python also a number."""
    if isinstance(value, str) and value.lower().removeprefix("0o").isdecimal():
        try:
            value = int(value, 8)
        except ValueError:
            value = -1
    elif isinstance(value, int) and not isinstance(value, bool) and hasattr(value, "text"):
        value = int(value)
    elif isinstance(value, int) and not isinstance(value, bool) and value > 0o777:
        value = -1
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 0o777:
        raise refuse("is no set of permissions", "write octal digits with a zero in front, such as 0660")
    return int(value)


Mode = Annotated[
    int,
    PlainValidator(_mode),
    PlainSerializer(lambda mode: f"{mode:04o}"),
    WithJsonSchema(
        {
            "$comment": "octal digits",
            "type": ["string", "integer"],
            "pattern": "^0o?[0-7]{3}$",
            "examples": ["0660"],
        }
    ),
]


class SocketOptions(Section):
    """What is set on the sockets of a listener."""

    backlog: Count = Field(
        default=1024,
        description="Connections that the kernel holds until a worker "
        "accepts them; the kernel's own limit is net.core.somaxconn.",
    )
    keepalive: Switch = Field(default=True, description="Let the kernel ask silent peers whether they live.")
    keepalive_idle: OptionalDuration = Field(
        default=60.0, description="Silence after which it asks.", json_schema_extra={"default": "1m"}
    )
    nodelay: Switch = Field(default=True, description="Send small pieces at once (TCP_NODELAY).")
    v6only: Switch = Field(default=True, description="`[::]` takes IPv6 only; `false`: IPv4 too.")
    mode: Mode = Field(
        default=0o666, description="Permissions of a unix socket.", json_schema_extra={"default": "0666"}
    )


class Listener(Section):
    """One bound address that takes requests."""

    LATER: ClassVar[frozenset[str]] = frozenset(
        {"tls", "protocol", "protocols", "http2", "http3", "proxy_protocol", "tcp", "udp", "compression"}
    )

    bind: BindAddress = Field(
        examples=["0.0.0.0:8080"],
        description="Where to listen: `host:port`, `:port` (all IPv4 addresses), `[::]:port`, `unix:/path`, "
        "`unix:@name` or `fd:number` (a socket that was inherited). Port 0 lets the system choose.",
    )
    socket: SocketOptions = Field(default=SocketOptions(), description="What is set on the sockets.")
    limits: ListenerLimits = Field(default=ListenerLimits(), description="Limits of this listener.")
    timeouts: ListenerTimeouts = Field(default=ListenerTimeouts(), description="Timeouts of this listener.")
    health_path: Prefix | None = Field(
        default=None,
        examples=["/-"],
        description="Workers themselves answer `<this>/healthz` and `<this>/readyz` here, before any route.",
    )
