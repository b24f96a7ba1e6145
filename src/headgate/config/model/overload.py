"""Overload: breakers, caps on what runs at a time, shedding."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from headgate.config.model.answers import Respond
from headgate.config.model.scalars import (
    Between,
    Choice,
    Duration,
    FieldName,
    Name,
    OneOrMore,
    OnOff,
    OptionalCount,
    OptionalDuration,
    OptionalSize,
    as_text,
    refuse,
)
from headgate.config.model.section import Section


def _share(value: object) -> float:
    if value in ("off", False):
        return 0.0
    matched = re.fullmatch(r"(\d{1,3}(?:\.\d{1,3})?)%", as_text(value))
    if not matched or not 0 < float(matched[1]) <= 100:
        raise refuse("is neither off nor a share from 0.001% to 100%", "write for example 50%")
    return float(matched[1]) / 100


Ratio: TypeAlias = Annotated[
    float,
    PlainValidator(_share),
    PlainSerializer(lambda share: f"{share * 100:g}%" if share else "off"),
    WithJsonSchema(
        {"type": "string", "pattern": r"^(?:off|[0-9]{1,3}(?:\.[0-9]{1,3})?%)$", "examples": ["50%", "off"]}
    ),
]


def _quantile(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.5 <= value <= 0.999:
        raise refuse("is not a number from 0.5 to 0.999", "write for example 0.95")
    return float(value)


class Breaker(Section):
    """Stop asking a service that fails, and find out by a few trials when it can again."""

    scope: Annotated[Literal["service", "endpoint"], Choice("service", "endpoint")] = Field(
        default="service",
        description="What has one: the whole `service`, or each `endpoint`, so that the others take what "
        "one does not get.",
    )
    error_ratio: Ratio = Field(
        default=0.5, description="It opens when so many attempts of the window failed. `off`: never by that."
    )
    consecutive: OptionalCount = Field(
        default=0,
        json_schema_extra={"default": "off"},
        description="It opens when so many attempts failed one after the other. `off`: never by that.",
    )
    latency: OptionalDuration = Field(
        default=0.0,
        json_schema_extra={"default": "off"},
        description="It opens when the quantile of the time until an answer begins is above this. `off`: "
        "never by that.",
    )
    quantile: Annotated[
        float, PlainValidator(_quantile), WithJsonSchema({"type": "number", "minimum": 0.5, "maximum": 0.999})
    ] = Field(default=0.95, description="Which quantile `latency` is about.")
    statuses: Annotated[tuple[Annotated[int, *Between(400, 599)], ...], OneOrMore()] = Field(
        default=(500, 502, 503, 504),
        description="Statuses that are failures; no connection, no answer and a broken one always are.",
    )
    window: Duration = Field(default=10.0, description="How far back it looks.")
    minimum: Annotated[int, *Between(1, 60_000)] = Field(
        default=20, description="With fewer attempts in the window neither ratio nor quantile open it."
    )
    open_for: Duration = Field(
        default=5.0,
        description="How long it is open; twice as long each time that it opens again after trials.",
    )
    open_at_most: Duration = Field(default=60.0, description="The longest of these times.")
    trials: Annotated[int, *Between(1, 255)] = Field(
        default=3,
        description="How many attempts are made afterwards, by all workers together. When all succeed it "
        "closes, when one fails it opens again.",
    )
    fallback: Name | None = Field(
        default=None, description="A name from `services`: who answers while it is open."
    )
    respond: Respond | None = Field(
        default=None,
        description="What is answered while it is open. Without this and `fallback`: 503 with Retry-After.",
    )


class RouteConcurrency(Section):
    """How many exchanges run at a time, in all workers together; a number may stand alone. What is more
    waits, and what cannot wait gets 503 with Retry-After.
    """

    SHORT: ClassVar[str] = "limit"

    limit: OptionalCount = Field(
        default=0,
        json_schema_extra={"default": "off"},
        description="The most that run at a time. `off`: as many as come.",
    )
    queue: OptionalCount = Field(
        default=100, description="How many may wait in each worker. `off`: nobody waits."
    )
    queue_timeout: Duration = Field(default=1.0, description="How long each may wait.")


class ServiceConcurrency(RouteConcurrency):
    """How many exchanges run at a time, in all workers together; a number may stand alone. What is more
    waits, and what cannot wait gets 503 with Retry-After.
    """

    adaptive: OnOff = Field(
        default=False,
        description="Find the limit by latency: as many as run without making each other slow. `limit` is "
        "the most then.",
    )
    minimum: Annotated[int, *Between(1, 1_000_000)] = Field(
        default=3, description="The least that `adaptive` goes down to."
    )
    endpoint: OptionalCount = Field(
        default=0,
        json_schema_extra={"default": "off"},
        description="The most that run at each endpoint. `off`: as many as come.",
    )


class Overload(Section):
    """When a worker has too much to do itself, it refuses what is less important: `low` first, then `normal`;
    `high` is never refused.
    """

    lag: OptionalDuration = Field(
        default=0.0,
        json_schema_extra={"default": "off"},
        description="How late the event loop may be; `normal` is refused at twice that. `off`: nothing is "
        "refused for that.",
    )
    memory: OptionalSize = Field(
        default=0,
        json_schema_extra={"default": "off"},
        description="How much memory a worker may have; `normal` is refused at one eighth more. `off`: "
        "nothing is refused for that.",
    )
    importance_header: FieldName | None = Field(
        default=None,
        description="A header in which trusted proxies may say `high`, `normal` or `low`, which counts more "
        "than the route's.",
    )
