"""Attempts: when an exchange is tried again or twice at once, and how much of that a service bears."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from headgate.base.errors import Refusal
from headgate.base.units import parse_duration
from headgate.config.model.scalars import (
    Between,
    Choice,
    OneOrMore,
    OptionalDuration,
    as_text,
    refuse,
    replaced_by,
    text_like,
)
from headgate.config.model.section import Section
from headgate.config.problems import nearest

_EVENTS = ("connect", "refused", "reset", "timeout")
GRPC_STATUSES = (
    "ok", "cancelled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists",
    "permission_denied", "resource_exhausted", "failed_precondition", "aborted", "out_of_range",
    "unimplemented", "internal", "unavailable", "data_loss", "unauthenticated",
)  # fmt: skip


def _cause(text: str) -> str:
    kind, colon, name = text.partition(":")
    if text in _EVENTS or re.fullmatch(r"[45](xx|[0-9][0-9])", text):
        return text
    if kind == "grpc" and colon:
        if name in GRPC_STATUSES[1:]:
            return text
        raise Refusal("is no status of gRPC for a failure", nearest(name, GRPC_STATUSES[1:], otherwise=False))
    raise Refusal(
        "is nothing that is tried again",
        "write connect, refused, reset, timeout, a status such as 503, 4xx, 5xx, or one of gRPC such as "
        "grpc:unavailable",
    )


RetryCause: TypeAlias = Annotated[
    str,
    PlainValidator(text_like(_cause)),
    WithJsonSchema(
        {
            "$comment": "cause",
            "type": ["string", "integer"],
            "pattern": "^(connect|refused|reset|timeout|[45](xx|[0-9][0-9])|grpc:[a-z_]+)$",
            "examples": ["connect", "503", "5xx", "grpc:unavailable"],
        }
    ),
]


def _percent(value: object) -> float:
    text = as_text(value).removesuffix("%").strip()
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", text) or not 0 <= float(text) <= 100:
        raise refuse("is no percentage", "write a number from 0 to 100, such as 20%")
    return float(text)


Percent: TypeAlias = Annotated[
    float,
    PlainValidator(_percent),
    PlainSerializer(lambda value: f"{value:g}%"),
    WithJsonSchema(
        {
            "$comment": "percentage",
            "type": ["string", "number"],
            "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3})?%?$",
            "examples": ["20%", 5],
        }
    ),
]


class Backoff(Section):
    """The pause before an attempt after the first: by chance between nothing and `base`, twice as much each
    time, and never more than `max`.
    """

    base: OptionalDuration = Field(default=0.025, description="The longest first pause. `off`: no pauses.")
    max: OptionalDuration = Field(default=0.25, description="The longest pause.")


def _no_pauses(value: object) -> object:
    return {"base": "off"} if value == "off" else value


class Retry(Section):
    """When an exchange is tried again: at another endpoint, where there is one. What an endpoint may have
    done already is done again only where that does no harm (GET, HEAD, PUT, DELETE, OPTIONS, TRACE), and only
    while what was sent of the request's body is still there (`limits.buffer_size`).
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"timeout", "budget", "body_size"})

    attempts: Annotated[int, *Between(1, 10)] = Field(
        default=2, description="Attempts in all, the first one included."
    )
    on: Annotated[tuple[RetryCause, ...], OneOrMore()] = Field(
        default=("connect",),
        description="What is tried again. `connect`: an endpoint could not be connected to. `refused`: it "
        "says that it did nothing (HTTP/2). `reset`: the connection ended before an answer began. `timeout`: "
        "no answer began in time. A status (`503`, `5xx`, `429`). A status of gRPC in an answer without "
        "messages (`grpc:unavailable`).",
    )
    methods: Annotated[
        tuple[Annotated[Literal["POST", "PATCH"], Choice("POST", "PATCH")], ...], OneOrMore()
    ] = Field(
        default=(),
        description="Methods that are tried again, too, although to do them twice is not to do them once.",
    )
    backoff: Annotated[
        Backoff,
        BeforeValidator(_no_pauses, json_schema_input_type=Backoff | Literal["off"]),
    ] = Field(default=Backoff(), description="The pause before an attempt after the first.")
    retry_after: OptionalDuration = Field(
        default=1.0,
        description="The longest Retry-After of an answer that is waited for; an answer that asks for more "
        "patience goes to the client. `off`: it is not looked at.",
    )
    per_try_timeout: OptionalDuration = Field(
        default=0.0,
        json_schema_extra={"default": "off"},
        description="Time from the start of each attempt to the head of its answer. Its end is a `timeout`.",
    )

    @model_validator(mode="after")
    def _grpc_is_post(self) -> Retry:
        if "POST" not in self.methods and any(cause.startswith("grpc:") for cause in self.on):
            raise refuse(
                "has statuses of gRPC, whose calls are POST, which is not tried again",
                "add methods: [POST], if all calls of this route may be made twice",
            )
        return self


def _after(text: str) -> str:
    percentile = re.fullmatch(r"p([0-9]{1,2}(?:\.[0-9]{1,2})?)", text)
    if percentile is None:
        if text[:1] == "p":
            raise Refusal("is neither a percentile nor a time", "write for example p95 or 50ms")
        parse_duration(text)
    elif float(percentile[1]) < 50:
        raise Refusal("is below p50", "write for example p95: most requests must not be sent twice")
    return text


class Hedge(Section):
    """A second attempt at another endpoint while the first is still waited for. The first good answer goes to
    the client, and the other attempt is cancelled. Only for requests that may be done twice and that have
    come completely.
    """

    SHORT: ClassVar[str] = "after"

    after: Annotated[
        str,
        PlainValidator(replaced_by(_after)),
        WithJsonSchema({"$comment": "percentile or duration", "type": "string", "examples": ["p95", "50ms"]}),
    ] = Field(
        default="p95",
        description="When it is made: after a time, or when the first takes longer than that percentile of "
        "the route's own latencies of late.",
    )
    budget: Percent = Field(default=5.0, description="The part of the requests that it may be made for.")


class RetryBudget(Section):
    """How many more requests than came this service may get by retries, all routes and workers together.
    Attempts that reached no endpoint do not count.
    """

    percent: Percent = Field(default=20.0, description="A part of the requests of the last seconds.")
    per_second: Annotated[int, *Between(0, 1_000_000)] = Field(
        default=10, description="So many more a second, whatever comes."
    )
