"""Listeners: bound addresses and how they speak."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    WrapSerializer,
)

from headgate.config.model.limits import Http2, ListenerLimits, ListenerTimeouts
from headgate.config.model.scalars import (
    BindAddress,
    Count,
    Duration,
    Name,
    OneOrMore,
    OnOff,
    OptionalDuration,
    Port,
    Prefix,
    Source,
    Switch,
    redirect_status,
    refuse,
)
from headgate.config.model.section import Section, default
from headgate.config.model.tls import ListenerTls


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


class ProxyProtocol(Section):
    """The PROXY protocol, version 1 or 2, in front of everything else."""

    sources: Annotated[tuple[Source, ...], OneOrMore()] = Field(
        alias="from",
        examples=[["10.0.0.0/8"]],
        description="Balancers whose connections must begin with it: addresses, ranges, or `unix` for a unix "
        "socket. From everybody else it is read as what it is to HTTP or TLS: an error.",
    )
    timeout: Duration = default("proxy_protocol.timeout")


def _proxy_protocol(value: object) -> object:
    if value == "off":
        return None
    if isinstance(value, (str, bool)):
        raise refuse("is neither off nor a mapping", "write for example { from: [10.0.0.0/8] }")
    return value


OptionalProxyProtocol = Annotated[
    ProxyProtocol | None,
    BeforeValidator(_proxy_protocol, json_schema_input_type=ProxyProtocol | Literal["off"]),
    WrapSerializer(lambda value, write: "off" if value is None else write(value)),
]


class HttpsRedirect(Section):
    """Send every request to the same address with https; `on` alone has the defaults."""

    SHORT: ClassVar[str] = "enabled"
    SHORT_SWITCH: ClassVar[bool] = True

    enabled: OnOff = Field(default=True, description="Whether requests are redirected.")
    port: Port = Field(default=443, description="The port of https, as clients see it.")
    status: Annotated[
        int, redirect_status(301, 302, 307, 308), WithJsonSchema({"enum": [301, 302, 307, 308]})
    ] = Field(default=308, description="The answer's status; 307 and 308 have clients keep method and body.")


class Hsts(Section):
    """Tell browsers to use https only (RFC 6797); `on` alone has the defaults."""

    SHORT: ClassVar[str] = "enabled"
    SHORT_SWITCH: ClassVar[bool] = True

    enabled: OnOff = Field(default=True, description="Whether the field is written.")
    max_age: Duration = Field(
        default=63_072_000.0,
        description="For how long browsers remember it.",
        json_schema_extra={"default": "730d"},
    )
    include_subdomains: OnOff = Field(default=False, description="For all names below, too.")
    preload: OnOff = Field(
        default=False,
        description="Agree that browsers ship with this name in a list; hard to take back.",
    )


class Listener(Section):
    """One bound address that takes requests."""

    LATER: ClassVar[frozenset[str]] = frozenset(
        {"protocol", "protocols", "http3", "tcp", "udp", "compression"}
    )

    bind: BindAddress = Field(
        examples=["0.0.0.0:8080"],
        description="Where to listen: `host:port`, `:port` (all IPv4 addresses), `[::]:port`, `unix:/path`, "
        "`unix:@name` or `fd:number` (a socket that was inherited). Port 0 lets the system choose.",
    )
    tls: ListenerTls | None = Field(
        default=None, description="TLS, with certificates or `internal`; without it the listener is in clear."
    )
    http2: Http2 = Field(default=Http2(), description="HTTP/2 from clients; `off` for HTTP/1.1 alone.")
    proxy_protocol: OptionalProxyProtocol = Field(
        default=None, description="Balancers in front that tell the client's address by the PROXY protocol."
    )
    https_redirect: HttpsRedirect | None = Field(
        default=None, description="`on`: send every request to https. For listeners without TLS."
    )
    hsts: Hsts | None = Field(
        default=None, description="`on`: write Strict-Transport-Security. For listeners with TLS."
    )
    socket: SocketOptions = Field(default=SocketOptions(), description="What is set on the sockets.")
    middlewares: Annotated[tuple[Name, ...], OneOrMore()] = Field(
        default=(), description="Names from `middlewares`: of all routes on this listener, before their own."
    )
    limits: ListenerLimits = Field(default=ListenerLimits(), description="Limits of this listener.")
    timeouts: ListenerTimeouts = Field(default=ListenerTimeouts(), description="Timeouts of this listener.")
    health_path: Prefix | None = Field(
        default=None,
        examples=["/-"],
        description="Workers themselves answer `<this>/healthz` and `<this>/readyz` here, before any route.",
    )
    grpc_health: Switch = Field(
        default=False,
        description="Workers themselves answer `grpc.health.v1.Health/Check` here, before any route: for the "
        "empty name, and for names of `services`.",
    )
