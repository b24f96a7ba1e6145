"""Answers that Headgate gives itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from headgate.config.model.scalars import Between, FieldName, FieldValue, Text
from headgate.config.model.section import Section


class Respond(Section):
    """Answer at once."""

    status: Annotated[int, *Between(200, 599)] = Field(default=200, description="Status of the response.")
    headers: dict[FieldName, FieldValue] = Field(default={}, description="Fields of the response.")
    body: Text = Field(default="", description="The whole body, as UTF-8.")
