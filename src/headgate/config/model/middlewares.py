"""Middlewares: something that looks at or changes an exchange."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from headgate.config.model.scalars import Prefix
from headgate.config.model.section import Section

LATER_TYPES = frozenset(
    {
        "rate_limit",
        "basic_auth",
        "jwt",
        "forward_auth",
        "headers",
        "compress",
        "cors",
        "cache",
        "buffer",
        "ip_allow",
        "ip_deny",
        "rewrite",
        "redirect",
        "retry",
        "circuit_breaker",
        "concurrency",
        "mirror",
        "oidc",
        "csrf",
        "errors",
        "fault",
        "bandwidth",
        "replace_path",
        "body_limit",
    }
)


class StripPrefix(Section):
    """Take a prefix off the path before the request goes upstream."""

    type: Literal["strip_prefix"] = Field(description="Take a prefix off the path.")
    prefix: Prefix = Field(examples=["/v1"], description="The prefix; a path without it stays as it is.")


class AddPrefix(Section):
    """Put a prefix in front of the path before the request goes upstream."""

    type: Literal["add_prefix"] = Field(description="Put a prefix in front of the path.")
    prefix: Prefix = Field(examples=["/v1"], description="The prefix.")


Middleware: TypeAlias = Annotated[StripPrefix | AddPrefix, Field(discriminator="type")]
TYPES: tuple[str, ...] = ("add_prefix", "strip_prefix")
