"""Splits: several services for one route, and which requests something happens to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headgate.config.model.condition import Condition
from headgate.config.model.scalars import FieldName, Method, Name, OneOrMore, Range, Text, Weight
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
    match: Selection | None = Field(
        default=None, description="Requests that come here whatever the weights are, even if its own is 0."
    )
