"""Splits: several services for one route, and which requests something happens to."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, PlainValidator, WithJsonSchema

from headgate.config.model.condition import Condition
from headgate.config.model.scalars import (
    Between,
    ByteRate,
    Duration,
    FieldName,
    Method,
    Name,
    OneOrMore,
    OnOff,
    Range,
    Size,
    Text,
    Weight,
    refuse,
)
from headgate.config.model.section import Section


class Selection(Section):
    """Which requests of a route; all conditions must hold."""

    method: Annotated[tuple[Method, ...], OneOrMore()] = Field(
        default=(), description="Methods, in capitals; one or a list."
    )
    headers: dict[FieldName, Condition] = Field(
        default={}, description="Header fields: an exact value, `~ regex`, or `{ present: true }`."
    )
    cookies: dict[Text, Condition] = Field(
        default={}, description="Cookies: an exact value, `~ regex`, or `{ present: true }`."
    )
    query: dict[Text, Condition] = Field(
        default={}, description="Parameters of the query: an exact value, `~ regex`, or `{ present: true }`."
    )
    client: Annotated[tuple[Range, ...], OneOrMore()] = Field(
        default=(), description="Addresses or ranges of the client, behind trusted proxies."
    )


class Share(Section):
    """A part of a route's exchanges."""

    service: Name = Field(description="A name from `services`.", examples=["api"])
    weight: Weight = Field(default=1, description="Its part, in relation to the weights of the others.")
    name: Name | None = Field(
        default=None,
        examples=["blue"],
        description="Name of the variant in metrics, records and responses; else the service's.",
    )
    subset: dict[Name, Text] = Field(
        default={},
        examples=[{"version": "v2"}],
        description="Only those endpoints of the service that have these labels.",
    )
    match: Selection | None = Field(
        default=None, description="Requests that come here whatever the weights are, even if its own is 0."
    )


def _percent(value: object) -> float:
    if isinstance(value, str) and value.endswith("%"):
        value = value[:-1].strip()
    try:
        number = (
            float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else -1.0
        )
    except ValueError:
        number = -1.0
    if not 0 < number <= 100:
        raise refuse("is no part from above 0 to 100 percent", "write for example 10 or 0.5%")
    return number


Percent = Annotated[
    float,
    PlainValidator(_percent),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 100},
                {"type": "string", "pattern": "^[0-9.]+ *%$"},
            ]
        }
    ),
]


class Compare(Section):
    """Compare a mirror's answers with those that clients got: the status, and what else is said here."""

    SHORT: ClassVar[str] = "enabled"
    SHORT_SWITCH: ClassVar[bool] = True

    enabled: OnOff = Field(default=True, description="Whether answers are compared.")
    headers: Annotated[tuple[FieldName, ...], OneOrMore()] = Field(
        default=(), examples=[["content-type"]], description="Fields of responses that must be equal."
    )
    body: OnOff = Field(
        default=True,
        description="Whether bodies must be equal; as JSON where both are, so that its form is free.",
    )
    ignore: Annotated[tuple[Text, ...], OneOrMore()] = Field(
        default=(),
        examples=[["time", "items.*.id"]],
        description="Places in JSON that may differ, with `*` for any key or number.",
    )


class Mirror(Section):
    """Send copies of requests to another service. Clients do not wait for it and get none of its answers."""

    service: Name = Field(description="A name from `services`.", examples=["next"])
    percent: Percent = Field(
        default=100.0, description="Which part of the requests that match.", examples=[10]
    )
    match: Selection = Field(default=Selection(), description="Which requests; without it all of the route.")
    body: Size = Field(
        default=64 * 1024,
        json_schema_extra={"default": "64KiB"},
        description="Requests with a longer body are not copied; of answers, so much is compared.",
    )
    concurrency: Annotated[int, *Between(1, 100_000)] = Field(
        default=100, description="Copies under way in each worker; beyond that requests are not copied."
    )
    timeout: Duration = Field(
        default=10.0, json_schema_extra={"default": "10s"}, description="A copy is given up after so long."
    )
    compare: Compare | None = Field(default=None, description="Compare the answers.")


class Fault(Section):
    """Let something go wrong on purpose, to see how clients take it."""

    percent: Percent = Field(
        default=100.0, description="With which part of the requests that match.", examples=[1]
    )
    match: Selection = Field(
        default=Selection(), description="With which requests; without it all of the route."
    )
    delay: Duration | None = Field(
        default=None, examples=["2s"], description="The request waits so long before it goes on."
    )
    abort: Annotated[int, *Between(400, 599)] | None = Field(
        default=None, examples=[503], description="This status is answered, and no service asked."
    )
    slow_body: ByteRate | None = Field(
        default=None, examples=["10KiB/s"], description="The response's body goes out at this rate."
    )
