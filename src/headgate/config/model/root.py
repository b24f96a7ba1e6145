"""The whole file."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PrivateAttr

from headgate.config.model.limits import Buffering, Http2, Limits, Pool, Timeouts
from headgate.config.model.listeners import Listener
from headgate.config.model.middlewares import Middleware
from headgate.config.model.overload import Overload
from headgate.config.model.process import AccessLog, Admin, Forwarding, OptionalAccessLog, Process
from headgate.config.model.routes import Routes
from headgate.config.model.scalars import Choice, Name, OneOrMore, Range
from headgate.config.model.section import Section
from headgate.config.model.services import Service


class Paths(Section):
    """What is done with encoded characters that servers read in different ways."""

    encoded_slash: Annotated[Literal["keep", "reject", "decode"], Choice("keep", "reject", "decode")] = Field(
        default="keep", description="`%2f`: kept as it is, refused with 400, or decoded to a slash."
    )
    encoded_backslash: Annotated[Literal["reject", "keep"], Choice("reject", "keep")] = Field(
        default="reject", description="`%5c`: refused with 400, or kept as it is."
    )
    encoded_nul: Annotated[Literal["reject", "keep"], Choice("reject", "keep")] = Field(
        default="reject", description="`%00`: refused with 400, or kept as it is."
    )


def _none_is_empty(value: object) -> object:
    return {} if value is None else value


class Config(Section):
    """A configuration: listeners take requests, routes decide about them, services answer them."""

    LATER: ClassVar[frozenset[str]] = frozenset(
        {
            "tls",
            "certificates",
            "acme",
            "providers",
            "tracing",
            "telemetry",
            "dns",
            "resolver",
            "plugins",
            "include",
            "errors",
            "secrets",
            "api",
            "dashboard",
            "rate_limits",
            "kubernetes",
            "docker",
        }
    )

    process: Process = Field(
        default=Process(), description="How many workers there are, how they stop, and as whom they run."
    )
    admin: Admin | None = Field(
        default=None, description="The address for operators; without it there is none."
    )
    trusted_proxies: Annotated[tuple[Range, ...], OneOrMore()] = Field(
        default=(), description="Addresses and ranges whose forwarding fields are believed."
    )
    forwarding: Forwarding = Field(
        default=Forwarding(), description="The fields that tell a service about the client."
    )
    access_log: OptionalAccessLog = Field(
        default=AccessLog(), description="One record for each exchange; `off` for none."
    )
    paths: Paths = Field(default=Paths(), description="What is done with encoded characters in paths.")
    limits: Limits = Field(default=Limits(), description="Limits for everything that sets none of its own.")
    timeouts: Timeouts = Field(
        default=Timeouts(), description="Timeouts for everything that sets none of its own."
    )
    buffering: Buffering = Field(
        default=Buffering(), description="Reading ahead, for routes that say nothing."
    )
    http2: Http2 = Field(default=Http2(), description="HTTP/2 of listeners that say nothing about it.")
    pool: Pool = Field(default=Pool(), description="Connections to endpoints, for services that say nothing.")
    overload: Overload = Field(
        default=Overload(), description="What is refused when a worker has too much to do."
    )
    listeners: dict[Name, Listener] = Field(
        examples=[{"web": {"bind": "0.0.0.0:8080"}}], description="Bound addresses, by name."
    )
    routes: Routes = Field(
        default=(), description="What to do with requests; the order in the file decides between equals only."
    )
    middlewares: Annotated[dict[Name, Middleware], BeforeValidator(_none_is_empty)] = Field(
        default={}, description="Middlewares, by name."
    )
    services: Annotated[dict[Name, Service], BeforeValidator(_none_is_empty)] = Field(
        default={}, description="Groups of endpoints, by name."
    )

    _folder: str = PrivateAttr(default="")
    _descriptions: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def descriptions(self) -> dict[str, Any]:
        """What classes of middlewares that are not built in say of themselves, by type."""
        return self._descriptions

    @property
    def folder(self) -> str:
        """Where paths of files count from; "" is the working directory."""
        return self._folder
