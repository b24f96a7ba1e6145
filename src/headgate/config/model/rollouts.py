"""Progressive rollouts: a share of a route that grows step by step."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from headgate.config.model.scalars import Between, Choice, Duration, Name, refuse
from headgate.config.model.section import Section
from headgate.config.model.splits import Percent

MOST_STEPS = 100


def _margin(value: object) -> float:
    text = value[:-1].strip() if isinstance(value, str) and value.endswith("%") else value
    try:
        number = float(text) if isinstance(text, (str, int, float)) and not isinstance(text, bool) else -1.0
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise refuse("is no part from 0% to 100%", "write for example 1%")
    return number / 100


Margin = Annotated[
    float,
    PlainValidator(_margin),
    PlainSerializer(lambda part: f"{part * 100:g}%"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 100},
                {"type": "string", "pattern": "^[0-9.]+ *%$"},
            ]
        }
    ),
]


def _factor(value: object) -> float:
    try:
        number = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else 0.0
    except ValueError:
        number = 0.0
    if not 1 <= number <= 1000:
        raise refuse("is no factor from 1 to 1000", "write for example 1.5")
    return number


Factor = Annotated[
    float,
    PlainValidator(_factor),
    WithJsonSchema({"type": "number", "minimum": 1, "maximum": 1000}),
]


class RolloutStep(Section):
    """A part of the exchanges, for a while."""

    weight: Percent = Field(description="The part of the exchanges that it gets.", examples=["10%"])
    duration: Duration = Field(
        alias="for", description="How long at least before the next step.", examples=["10m"]
    )


def _steps(value: object) -> object:
    if isinstance(value, (list, tuple)) and not 1 <= len(value) <= MOST_STEPS:
        raise refuse(
            f"has no step, or more than {MOST_STEPS}", "write for example `[{ weight: 10%, for: 10m }]`"
        )
    return value


class Rollout(Section):
    """Give one share of the route more and more, as long as it does as well as the others, and take all of it
    back when it does not.
    """

    to: Name = Field(description="The share that grows: its `name`, or else its service.", examples=["next"])
    steps: Annotated[tuple[RolloutStep, ...], BeforeValidator(_steps)] = Field(
        description="What it gets, and for how long."
    )
    max_error_ratio: Margin = Field(
        default=0.01,
        json_schema_extra={"default": "1%"},
        description="It goes back when the part of its exchanges that fail is larger than that of the "
        "others by more than this.",
    )
    p99: Factor = Field(
        default=1.5, description="It goes back when its 99th percentile is more than so many times theirs."
    )
    minimum: Annotated[int, *Between(1, 1_000_000_000)] = Field(
        default=100, description="With fewer exchanges it is not judged, and does not go on."
    )
    window: Duration = Field(
        default=30.0,
        json_schema_extra={"default": "30s"},
        description="It is judged by what happened in this time and, apart from that, in the whole step.",
    )
    start: Annotated[Literal["order", "file"], Choice("order", "file")] = Field(
        default="order",
        description="What begins it: the `order` of `headgate rollout start`, or the `file` itself, when a "
        "Headgate loads it that does not know it yet.",
    )
