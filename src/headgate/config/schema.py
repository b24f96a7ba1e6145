"""The configuration's JSON Schema, for editors."""

from __future__ import annotations

from typing import Any

from headgate.config.model import Config


def json_schema() -> dict[str, Any]:
    """The schema of the file (JSON Schema 2020-12)."""
    schema = Config.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Headgate configuration",
            **{key: value for key, value in schema.items() if key != "title"}}
