"""Conditions on a field: a value, a regular expression, or whether it is there."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from headgate.base.errors import Refusal
from headgate.config import conditions
from headgate.config.model.scalars import as_text, kind_of, refuse
from headgate.config.model.section import Section


class Presence(Section):
    """Whether a field is there at all, whatever its value."""

    present: bool = Field(description="`true`: the field must be there; `false`: it must not.")


def _condition(value: object) -> str | bool:
    """A text, or True and False for `present`."""
    if isinstance(value, dict) and set(value) == {"present"} and isinstance(value["present"], bool):
        return value["present"]
    if isinstance(value, dict):
        raise refuse(
            "is a mapping with something else than `present`",
            "write a text, ~ and a regular expression, or { present: true }",
        )
    if isinstance(value, (list, tuple)):
        raise refuse(f"is {kind_of(value)}", 'write a regular expression for several values: "~ ^(a|b)$"')
    text = as_text(value)
    try:
        conditions.parse_condition("", text)
    except Refusal as refusal:
        raise refuse(refusal.reason, refusal.hint) from None
    return text


Condition: TypeAlias = Annotated[
    str | bool,
    PlainValidator(_condition),
    PlainSerializer(lambda condition: {"present": condition} if isinstance(condition, bool) else condition),
    WithJsonSchema(
        {
            "$comment": "condition",
            "anyOf": [
                {"type": ["string", "number"]},
                {
                    "type": "object",
                    "properties": {"present": {"type": "boolean"}},
                    "required": ["present"],
                    "additionalProperties": False,
                },
            ],
            "examples": ["yes", "~ ^v[0-9]+$"],
        }
    ),
]
