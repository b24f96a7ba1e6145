"""Routes: a match and what to do with what matches."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    PrivateAttr,
    WithJsonSchema,
)

from headgate.base.errors import Refusal
from headgate.config import conditions
from headgate.config.model.answers import Respond
from headgate.config.model.attempts import Hedge, Retry
from headgate.config.model.condition import Condition
from headgate.config.model.keys import Key
from headgate.config.model.limits import Buffering, RouteLimits, RouteTimeouts
from headgate.config.model.overload import RouteConcurrency
from headgate.config.model.rollouts import Rollout
from headgate.config.model.scalars import (
    Between,
    Choice,
    FieldName,
    Host,
    Method,
    Name,
    OneOrMore,
    PathPattern,
    Port,
    Range,
    Text,
    as_text,
    redirect_status,
    refuse,
)
from headgate.config.model.section import Section
from headgate.config.model.splits import Fault, Mirror, Share


def _version(condition: str | bool | None) -> str | bool | None:
    if isinstance(condition, str) and condition[:1] != "~" and condition not in _VERSIONS:
        raise refuse("is no version of TLS", f"write one of {', '.join(_VERSIONS)}")
    return condition


_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


class TlsMatch(Section):
    """What the handshake of the client's connection said. On a plain connection all of it is absent."""

    sni: Condition | None = Field(
        default=None, description="The server name that the client asked for, in lower case."
    )
    alpn: Condition | None = Field(default=None, description="The protocol that was agreed on, such as `h2`.")
    version: Annotated[Condition | None, AfterValidator(_version)] = Field(
        default=None, description="`TLSv1.2` or `TLSv1.3`, for example."
    )
    cipher: Condition | None = Field(default=None, description="The cipher suite, by OpenSSL's name.")
    certificate: Condition | None = Field(
        default=None, description="The client's certificate, by the hexadecimal SHA-256 of its DER form."
    )
    ja3: Condition | None = Field(default=None, description="The JA3 fingerprint of the ClientHello.")
    ja4: Condition | None = Field(default=None, description="The JA4 fingerprint of the ClientHello.")


class Match(Section):
    """What a request must be like; all conditions must hold."""

    LATER: ClassVar[frozenset[str]] = frozenset({"cookie", "cookies", "body", "country"})

    host: Annotated[tuple[Host, ...], OneOrMore()] = Field(
        default=(),
        description="Host names without port: exact, or `*.example.com` for all names below it; "
        "one or a list. Without it any host matches.",
    )
    path: Annotated[tuple[PathPattern, ...], OneOrMore()] = Field(
        default=(),
        description="`/exact`, `/prefix/*` (also matches `/prefix`, not `/prefixed`) or "
        "`~ ^/regex$`; one or a list.",
    )
    method: Annotated[tuple[Method, ...], OneOrMore()] = Field(
        default=(), description="Methods, in capitals; one or a list. GET does not include HEAD."
    )
    headers: dict[FieldName, Condition] = Field(
        default={}, description="Header fields: an exact value, `~ regex`, or `{ present: true }`."
    )
    query: dict[Text, Condition] = Field(
        default={}, description="Parameters of the query: an exact value, `~ regex`, or `{ present: true }`."
    )
    client: Annotated[tuple[Range, ...], OneOrMore()] = Field(
        default=(), description="Addresses or ranges of the client, behind trusted proxies."
    )
    tls: TlsMatch = Field(default=TlsMatch(), description="What the client's TLS handshake said.")


def _template(value: object) -> str:
    text = as_text(value)
    try:
        conditions.placeholders(text)
    except Refusal as refusal:
        raise refuse(refusal.reason, refusal.hint) from None
    if any(ord(c) <= 32 or ord(c) > 126 for c in text):
        raise refuse("has a space or a character outside of ASCII", "write it percent-encoded, such as %20")
    return text


Template: TypeAlias = Annotated[
    str,
    PlainValidator(_template),
    WithJsonSchema({"$comment": "template", "type": "string", "examples": ["/new{path}"]}),
]


class Redirect(Section):
    """Answer with another place. What is not set is kept from the request. Templates may use `{scheme}`,
    `{host}`, `{port}`, `{path}`, `{query}` and the named groups of the route's regular expressions.
    """

    scheme: Annotated[Literal["http", "https"], Choice("http", "https")] | None = Field(
        default=None, description="Scheme of the new place."
    )
    host: Template | None = Field(default=None, description="Host of the new place.", examples=["www.{host}"])
    port: Port | None = Field(
        default=None,
        description="Port of the new place; without it the scheme's own, "
        "or the request's when scheme and host are kept.",
    )
    path: Template | None = Field(default=None, description="Path of the new place.", examples=["/new{path}"])
    query: Template | None = Field(
        default=None, description="Query of the new place; an empty text drops it.", examples=["from={path}"]
    )
    status: Annotated[
        int, redirect_status(301, 302, 303, 307, 308), WithJsonSchema({"enum": [301, 302, 303, 307, 308]})
    ] = Field(
        default=308, description="301 or 308 for ever, 302 or 307 for now; 308 and 307 keep the method."
    )


class Route(Section):
    """A match and what to do with what matches: one of `service`, `services`, `redirect` and `respond`."""

    LATER: ClassVar[frozenset[str]] = frozenset(
        {
            "cache",
            "rate_limit",
            "auth",
            "cors",
            "headers",
            "rewrite",
            "compression",
            "access_log",
            "tls",
            "errors",
            "split",
        }
    )

    name: Name = Field(examples=["api"], description="The name in logs, metrics and explanations; unique.")
    listeners: Annotated[tuple[Name, ...], OneOrMore()] = Field(
        default=(), description="Names from `listeners`; without it the route is on all of them."
    )
    match: Match = Field(
        default=Match(), description="What a request must be like. Without it everything matches."
    )
    priority: Annotated[int, *Between(-1_000_000, 1_000_000)] = Field(
        default=0, description="Higher ones are looked at first among the routes of one host."
    )
    importance: Annotated[Literal["high", "normal", "low"], Choice("high", "normal", "low")] = Field(
        default="normal", description="Who goes first when there is too much to do, and who is refused first."
    )
    middlewares: Annotated[tuple[Name, ...], OneOrMore()] = Field(
        default=(), description="Names from `middlewares`, in the order in which a request meets them."
    )
    service: Name | None = Field(default=None, description="A name from `services`.", examples=["api"])
    subset: dict[Name, Text] = Field(
        default={},
        examples=[{"version": "v2"}],
        description="Only those endpoints of the service that have these labels.",
    )
    services: tuple[Share, ...] | None = Field(
        default=None,
        description="Several services with weights, instead of one.",
        examples=[[{"service": "stable", "weight": 9}, {"service": "canary", "weight": 1}]],
    )
    sticky: Key | None = Field(
        default=None,
        examples=["cookie:user"],
        description="Among several services, equal keys get the same one: `client`, `path`, `header:NAME`, "
        "`cookie:NAME` or `query:NAME`. A request without it gets any.",
    )
    variant_header: FieldName | None = Field(
        default=None,
        examples=["X-Variant"],
        description="The field of responses that says which of several services it was.",
    )
    fault: Fault | None = Field(default=None, description="What goes wrong on purpose.")
    mirror: Mirror | None = Field(default=None, description="Copies of requests to another service.")
    rollout: Rollout | None = Field(default=None, description="A share that grows by and by.")
    redirect: Redirect | None = Field(default=None, description="Answer with another place.")
    respond: Respond | None = Field(default=None, description="Answer at once.")
    timeouts: RouteTimeouts = Field(default=RouteTimeouts(), description="Timeouts of this route.")
    limits: RouteLimits = Field(default=RouteLimits(), description="Limits of this route.")
    buffering: Buffering = Field(default=Buffering(), description="Reading ahead on this route.")
    concurrency: RouteConcurrency = Field(
        default=RouteConcurrency(), description="How many exchanges of this route run at a time."
    )
    retry: Retry | None = Field(
        default=None,
        description="When an exchange is tried again. Without it, only "
        "on a kept connection that was closed meanwhile.",
    )
    hedge: Hedge | None = Field(
        default=None, description="When a second attempt is made beside the first. Without it, never."
    )

    _where: str = PrivateAttr(default="")

    @property
    def where(self) -> str:
        """Where the route was written, as "file:line"; "" when it was made in Python."""
        return self._where


def _none_is_empty(value: object) -> object:
    return [] if value is None else value


Routes: TypeAlias = Annotated[tuple[Route, ...], BeforeValidator(_none_is_empty)]
