"""Health: probes of endpoints, and outlier detection by the answers that they give."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from headgate.base.errors import Refusal
from headgate.config import conditions
from headgate.config.model.overload import Ratio
from headgate.config.model.scalars import (
    Authority,
    Between,
    Choice,
    Duration,
    FieldName,
    FieldValue,
    Method,
    OneOrMore,
    OptionalCount,
    Port,
    Switch,
    Text,
    as_text,
    refuse,
    text_like,
)
from headgate.config.model.section import Section


def _statuses(value: object) -> str:
    text = as_text(value)
    matched = re.fullmatch(r"([1-5])xx|([1-5]\d\d)(?:-([1-5]\d\d))?", text)
    if not matched or (matched[3] and matched[3] < matched[2]):
        raise refuse("is no status", "write for example 200, 200-299 or 2xx")
    return text


Statuses: TypeAlias = Annotated[
    str,
    PlainValidator(_statuses),
    WithJsonSchema({"type": ["string", "integer"], "examples": [200, "200-299", "2xx"]}),
]


def _path(text: str) -> None:
    if not text.startswith("/"):
        raise Refusal("is no path", "begin it with a slash, such as /healthz")
    if not re.fullmatch(r"[!-~]+", text) or "#" in text:
        raise Refusal("has a character that no path has", "write it percent-encoded")


def _body(text: str) -> None:
    if text.startswith("~"):
        conditions.parse_condition("body", text)


def _factor(value: object) -> float:
    if value in ("off", False):
        return 0.0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 < value <= 1000:
        raise refuse("is neither off nor a number above 1, up to 1000", "write for example 5")
    return float(value)


class HealthCheck(Section):
    """Ask each endpoint regularly whether it is well. The controller does, once for all workers."""

    type: Annotated[Literal["http", "grpc", "tcp"], Choice("http", "grpc", "tcp")] = Field(
        default="http",
        description="`http`: a request, by TLS or HTTP/2 where the endpoint's scheme says so. `grpc`: "
        "`grpc.health.v1.Health/Check`. `tcp`: a connection, with `send` and `expect` more.",
    )
    method: Method = Field(default="GET", description="Of the request.")
    path: Annotated[str, PlainValidator(text_like(_path)), WithJsonSchema({"type": "string"})] = Field(
        default="/", examples=["/healthz"], description="Of the request, with a query if needed."
    )
    host: Authority | None = Field(
        default=None, description="The Host field; without it the service's `host`, or the endpoint's name."
    )
    headers: dict[FieldName, FieldValue] = Field(
        default_factory=dict, description="Further header fields of the request."
    )
    statuses: Annotated[tuple[Statuses, ...], OneOrMore()] = Field(
        default=("2xx",),
        description="Statuses of a healthy answer: `200`, `200-299`, `2xx`, one or a list. A redirect is no "
        "healthy answer unless it is named here; none is followed.",
    )
    body: Annotated[str, PlainValidator(text_like(_body)), WithJsonSchema({"type": "string"})] | None = Field(
        default=None,
        examples=["ok", "~ ^status: (up|ok)"],
        description="What the first 64 KiB of the body contain: a text, or `~` and a regular expression.",
    )
    grpc_service: Text | None = Field(
        default=None, description="The service that `type: grpc` asks for; without it the whole server."
    )
    send: Text | None = Field(default=None, description="What `type: tcp` sends first.")
    expect: Text | None = Field(default=None, description="What the answer to `type: tcp` begins with.")
    port: Port | None = Field(default=None, description="Another port than that of the endpoint.")
    interval: Duration = Field(default=5.0, description="Between two probes of an endpoint.")
    fast_interval: Duration | None = Field(
        default=None,
        json_schema_extra={"default": "1s, or `interval` if shorter"},
        description="Between two probes while results differ from the state.",
    )
    jitter: Ratio = Field(default=0.1, description="By so much of it each interval differs, by chance.")
    timeout: Duration = Field(default=1.0, description="How long a probe may take in all.")
    healthy: Annotated[int, *Between(1, 1000)] = Field(
        default=2, description="So many probes one after the other make an endpoint healthy again."
    )
    unhealthy: Annotated[int, *Between(1, 1000)] = Field(
        default=3,
        description="So many probes one after the other make it unhealthy. The first of all decides alone.",
    )
    initial: Annotated[Literal["healthy", "unhealthy"], Choice("healthy", "unhealthy")] = Field(
        default="healthy", description="What an endpoint is until its first probe."
    )


class Outliers(Section):
    """Leave endpoints alone for a while that do worse than the others of the service."""

    consecutive_errors: OptionalCount = Field(
        default=5,
        description="So many errors one after the other: no connection, no answer, a broken one, or 5xx. "
        "`off`: never by that.",
    )
    error_ratio: Ratio = Field(
        default=0.5,
        description="So many errors of an interval, where the others fail less than half as often. `off`: "
        "never by that.",
    )
    latency: Annotated[
        float,
        PlainValidator(_factor),
        PlainSerializer(lambda factor: factor or "off"),
        WithJsonSchema(
            {"anyOf": [{"const": "off"}, {"type": "number", "exclusiveMinimum": 1, "maximum": 1000}]}
        ),
    ] = Field(
        default=5.0,
        description="Answers that take so many times as long as those of the others, in the mean of an "
        "interval. `off`: never by that.",
    )
    latency_floor: Duration = Field(
        default=0.05, description="And so much longer at least, so that short pauses eject nobody."
    )
    interval: Duration = Field(default=1.0, description="How often is judged, by what all workers saw.")
    minimum: Annotated[int, *Between(1, 1_000_000)] = Field(
        default=10,
        description="With fewer attempts in an interval neither ratio nor latency count.",
    )
    ejection: Duration = Field(
        default=30.0,
        description="How long it is left alone; twice, three times as long when it comes again soon.",
    )
    longest_ejection: Duration = Field(default=300.0, description="The longest of these times.")
    max_ejected: Ratio = Field(
        default=0.3,
        description="At most this share of the endpoints at a time; one of several always may be.",
    )
    dry_run: Switch = Field(default=False, description="Only report who would be ejected.")
