"""Sticky sessions of a service."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from headgate.base.errors import Refusal
from headgate.config.model.scalars import Choice, Duration, FilePath, OnOff, Text, text_like
from headgate.config.model.section import Section

LEAST_SECRET = 16
LEARNED_SECONDS = 3600.0  # that what is learned holds after the last request


def _name(text: str) -> str:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", text):
        raise Refusal(
            "is no name of a cookie or header", "write letters, digits and dashes, such as shop-session"
        )
    return text


def _attribute(text: str) -> str:
    if not re.fullmatch(r"[!-:<-~]+", text):
        raise Refusal("has a character that cannot be in a cookie", "write ASCII without spaces and ;")
    return text


def _secret(text: str) -> str:
    if len(text.encode()) < LEAST_SECRET:
        raise Refusal(
            f"is shorter than {LEAST_SECRET} bytes",
            "write `${NAME}` and put a long random text in that variable",
        )
    return text


TEXT = WithJsonSchema({"type": "string"})


class Sticky(Section):
    """Clients come back to the endpoint that they were at, by a signed token that does not say which one
    that is. `cookie` and `header` may stand alone.
    """

    SHORT: ClassVar[str] = "by"

    by: Annotated[Literal["cookie", "header"], Choice("cookie", "header")] = Field(
        default="cookie",
        description="`cookie`: set in responses. `header`: a field of responses that clients send back.",
    )
    name: Annotated[str, PlainValidator(text_like(_name)), TEXT] | None = Field(
        default=None,
        examples=["shop-session"],
        description="Of the cookie or header; without it `headgate-` and the service's name.",
    )
    lifetime: Duration | None = Field(
        default=None,
        examples=["1h"],
        description="How long it holds, from the last time that it was set; it is set anew when half of that "
        "is over. Without it, cookies end with the browser, and tokens never.",
    )
    learn: Annotated[str, PlainValidator(text_like(_name)), TEXT] | None = Field(
        default=None,
        examples=["JSESSIONID"],
        description="Instead of a token: the cookie in which the service itself keeps its sessions. The id "
        "that an answer sets belongs to its endpoint for `lifetime` (1h) after its last request.",
    )
    path: Annotated[str, PlainValidator(text_like(_attribute)), TEXT] = Field(
        default="/", description="Path of the cookie."
    )
    domain: Annotated[str, PlainValidator(text_like(_attribute)), TEXT] | None = Field(
        default=None,
        examples=["example.com"],
        description="Domain of the cookie; without it the host asked for.",
    )
    same_site: Annotated[Literal["Lax", "Strict", "None"], Choice("Lax", "Strict", "None")] = Field(
        default="Lax", description="SameSite of the cookie."
    )
    secure: OnOff = Field(
        default=False,
        description="Set Secure even where the client's connection is plain; with TLS it is always set.",
    )
    secret: Annotated[Text, PlainValidator(text_like(_secret)), TEXT] | None = Field(
        default=None,
        examples=["${STICKY_SECRET}"],
        description="What tokens are signed with, for several Headgates in front of the same endpoints. "
        "Without it one is made at start, and tokens end with Headgate.",
    )
    secret_file: FilePath | None = Field(
        default=None, examples=["sticky.secret"], description="The same, from a file."
    )
