"""Keys of requests: what is equal goes to the same place."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from headgate.base.errors import Refusal
from headgate.config import conditions
from headgate.config.model.scalars import text_like


def _key(text: str) -> str:
    kind, colon, name = text.partition(":")
    if kind in ("client", "path") and not colon:
        return text
    if kind in ("header", "cookie", "query") and colon:
        if kind == "header":
            conditions.parse_field_name(name)
        elif not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise Refusal("has no name behind its colon", f"write it like {kind}:user")
        return text
    raise Refusal(
        "is no key", "write client, path, header:NAME, cookie:NAME or query:NAME, such as header:x-user"
    )


Key: TypeAlias = Annotated[str, PlainValidator(text_like(_key)), WithJsonSchema({"type": "string"})]
