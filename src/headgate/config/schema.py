"""The configuration's JSON Schema, for editors."""

from __future__ import annotations

from typing import Any

from headgate.config.model import Config

# A value may always come from a variable; what it holds is checked when the file is loaded.
VARIABLE = {"type": "string", "pattern": r"\$\{"}
_ANNOTATIONS = ("description", "default", "examples", "title")
_CONSTRAINTS = frozenset({"enum", "const", "pattern", "minimum"})


def json_schema() -> dict[str, Any]:
    """The schema of the file (JSON Schema 2020-12), with descriptions, choices and examples."""
    schema = Config.model_json_schema(mode="validation")
    for definition in (schema, *schema["$defs"].values()):
        for section in (definition, *definition.get("anyOf", ())):
            for name, value in section.get("properties", {}).items():
                section["properties"][name] = _annotated(value)
    schema.pop("title", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Headgate configuration",
        **schema,
    }


def _annotated(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a key, its annotations outermost, as editors want them.

    Defaults of sections say nothing and go.
    """
    annotations = {key: schema.pop(key) for key in _ANNOTATIONS if key in schema}
    annotations.pop("title", None)
    if isinstance(annotations.get("default"), (dict, list, type(None))):
        annotations.pop("default", None)
    if set(schema) == {"anyOf"} and {"type": "null"} in schema["anyOf"]:
        members = [member for member in schema["anyOf"] if member != {"type": "null"}]
        schema = members[0] if len(members) == 1 else {"anyOf": members}
        if "examples" in schema:
            annotations.setdefault("examples", schema.pop("examples"))
    return {**annotations, **_or_variable(schema)}


def _or_variable(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema that also takes a variable, everywhere inside."""
    if "anyOf" in schema:
        members = [_or_variable(member) for member in schema["anyOf"]]
        flat = [inner for member in members for inner in member.get("anyOf", [member])]
        return {**schema, "anyOf": [member for i, member in enumerate(flat) if member not in flat[:i]]}
    if schema.get("type") == "array":
        return {**schema, "items": _or_variable(schema["items"])}
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return {**schema, "additionalProperties": _or_variable(schema["additionalProperties"])}
    if "patternProperties" in schema:
        return {**schema, "additionalProperties": False}
    if schema.get("type") == "boolean" or schema.keys() & _CONSTRAINTS:
        return {"anyOf": [schema, VARIABLE]}
    return schema
