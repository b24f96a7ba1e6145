"""The configuration reference as Markdown, made from the models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from headgate.base import limits
from headgate.config.model import Config, Section
from headgate.config.model.middlewares import BUILT_IN_SECTIONS
from headgate.config.schema import VARIABLE, json_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

_HEAD = """\
# Configuration reference

The file is YAML (1.2 core schema: only `true` and `false` are booleans). `headgate check FILE` says what
is wrong with one; `headgate schema` prints its JSON Schema for editors. Durations are written like `5s`,
`250ms` or `1m30s`, sizes like `64KiB`, `1MiB` or `10MB`. In values, `${NAME}` and `${NAME:-default}` are
replaced from the environment, and `$${` is a plain `${`.

Limits, timeouts, buffering and pools are inherited: what a listener, route or service does not set comes
from the section of the same name at the top of the file, and then from the [table of limits](#limits).
"""


def markdown() -> str:
    """The whole page."""
    whole = json_schema()
    definitions = whole["$defs"] | {Config.__name__: whole}
    parts = [
        _HEAD,
        *(_section(title, section, definitions) for title, section in _sections()),
        "## Limits\n\nEvery limit and timeout, its default, and why.\n\n" + limits.table(),
    ]
    return "\n".join(parts)


def limits_markdown() -> str:
    """The page of limits alone."""
    return (
        "# Limits and timeouts\n\nEvery limit and timeout with its default, where it can be set, and "
        "why.\n\n" + limits.table()
    )


def _sections() -> Iterator[tuple[str, type[Section]]]:
    """Path and model of each section, from the outside to the inside, in the order of the file."""
    yield "The file", Config
    yield from _inside("", Config)


def _inside(prefix: str, section: type[Section]) -> Iterator[tuple[str, type[Section]]]:
    for name, field in section.by_key().items():
        path = f"{prefix}.{name}" if prefix else name
        for suffix, inner in _members(field.annotation):
            yield f"`{path}{suffix}`", inner
            yield from _inside(f"{path}{suffix}", inner)


def _members(annotation: Any, suffix: str = "") -> Iterator[tuple[str, type[Section]]]:
    """The sections in an annotation, and what leads to them: `.NAME` or `[]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation in BUILT_IN_SECTIONS.values():
            suffix += f" (type: {get_args(annotation.model_fields['type'].annotation)[0]})"
        if issubclass(annotation, Section):
            yield suffix, annotation
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        arguments = arguments[:1]
    elif origin is dict:
        suffix, arguments = suffix + ".NAME", arguments[1:]
    elif origin is tuple:
        suffix += "[]"
    elif origin is not Union and not hasattr(annotation, "__args__"):
        return
    for argument in arguments:
        yield from _members(argument, suffix)


def _section(title: str, section: type[Section], definitions: dict[str, Any]) -> str:
    properties = _properties(definitions[section.__name__])
    lines = [
        f"## {title}",
        "",
        " ".join((section.__doc__ or "").split()),
        "",
        "| key | value | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, field in section.by_key().items():
        lines.append(
            f"| `{name}` | {_cell(_value(properties[name]))} | {_cell(_default(field, properties[name]))} "
            f"| {_cell(field.description or '')} |"
        )
    return "\n".join(lines) + "\n"


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(
        part["properties"] for part in (schema, *schema.get("anyOf", ())) if "properties" in part
    )
    return found


def _default(field: FieldInfo, schema: dict[str, Any]) -> str:
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "default" in extra:
        return f"`{extra['default']}`"
    if field.is_required():
        return "required"
    if field.default is PydanticUndefined or field.default is None or field.default in ((), {}, ""):
        return ""
    if isinstance(field.default, BaseModel):
        return ""
    if isinstance(field.default, bool) and "on" in _value(schema):
        return "`on`" if field.default else "`off`"
    return f"`{_plain(field.default)}`"


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_plain(item) for item in value) + "]"
    return value if isinstance(value, str) else json.dumps(value)


def _value(schema: dict[str, Any]) -> str:
    """What can be written, by its schema."""
    if "$comment" in schema:
        return str(schema["$comment"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{word}`" for word in schema.get("enum", [schema.get("const")]))
    if members := schema.get("anyOf") or schema.get("oneOf"):
        values = [_value(member) for member in members if member != VARIABLE]
        return " or ".join(dict.fromkeys(values))
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_value(schema['items'])}"
    if kind == "object":
        return f"mapping of names to {_value(_inner(schema))}"
    if kind == "integer":
        return f"number from {schema['minimum']} to {schema['maximum']}"
    if kind == "boolean":
        return "`true`, `false`"
    return "section below" if "$ref" in schema else "text"


def _inner(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of the values of a mapping."""
    by_name: dict[str, Any] = schema.get("patternProperties", {})
    inner: dict[str, Any] = next(iter(by_name.values()), schema.get("additionalProperties") or {})
    return inner


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
