"""Middlewares: something that looks at or changes an exchange."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field

from headgate.config.model.options import Budget, section_of
from headgate.config.model.scalars import Name, OneOrMore
from headgate.config.model.section import Section
from headgate.middleware.description import describe
from headgate.middleware.resolution import BUILT_IN, class_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BUILT_IN_SECTIONS", "TYPES", "Budget", "Chain", "Middleware", "Unknown", "middleware_of"]

LATER_TYPES = frozenset({"cache", "oidc", "csrf", "wasm"})


class Chain(Section):
    """Several middlewares under one name, in their order."""

    type: Literal["chain"] = Field(description="Several middlewares under one name.")
    middlewares: Annotated[tuple[Name, ...], OneOrMore()] = Field(
        examples=[["login", "limit"]], description="Names from `middlewares`; chains may stand in chains."
    )


class Unknown(Section):
    """A middleware whose class could not be had, so that nothing can be said about its options."""

    model_config = ConfigDict(extra="allow")

    type: str


DESCRIPTIONS = {kind: describe(class_of(kind)) for kind in BUILT_IN}
BUILT_IN_SECTIONS: dict[str, type[Section]] = {
    "chain": Chain,
    **{kind: section_of(kind, description) for kind, description in DESCRIPTIONS.items()},
}
TYPES: tuple[str, ...] = tuple(sorted(BUILT_IN_SECTIONS))


def middleware_of(sections: Iterable[type[Section]]) -> Any:
    """What a middleware of the file may be."""
    union: Any = reduce(or_, sections)
    return Annotated[union, Field(discriminator="type")]


if TYPE_CHECKING:
    Middleware: TypeAlias = Any
else:
    Middleware = middleware_of(BUILT_IN_SECTIONS.values())
