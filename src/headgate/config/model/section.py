"""What all sections of the file have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from headgate.base.limits import BY_NAME

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.fields import FieldInfo
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


class Section(BaseModel):
    """A mapping of the file: unknown keys are errors, an empty one has its defaults.

    `LATER` names keys that later versions know, so that they can be told from typing errors.
    `SHORT` names the key that a bare text stands for, when the section may be written as one, and
    `SHORT_SWITCH` says that this may be true or false, too.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, validate_by_name=True, validate_by_alias=True
    )

    LATER: ClassVar[frozenset[str]] = frozenset()
    SHORT: ClassVar[str] = ""
    SHORT_SWITCH: ClassVar[bool] = False

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        section = handler(schema)
        if cls.SHORT:
            resolved = handler.resolve_ref_schema(section)
            short = {key: value for key, value in resolved["properties"][cls.SHORT].items() if key != "title"}
            resolved.update({"anyOf": [short, dict(resolved)]})
            for key in ("type", "properties", "required", "additionalProperties"):
                resolved.pop(key, None)
        return section

    @model_validator(mode="before")
    @classmethod
    def _from_short(cls, value: Any) -> Any:
        if value is None:
            return {}
        if isinstance(value, bool) and not cls.SHORT_SWITCH:
            return value
        if cls.SHORT and isinstance(value, (str, int, float)):
            return {cls.SHORT: value}
        return value

    @classmethod
    def by_key(cls) -> dict[str, FieldInfo]:
        """The fields by the keys that people write; they differ where a key is a word of Python."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}


def setting(name: str) -> Any:
    """A key whose default, meaning and reason stand in the table of limits; None inherits."""
    limit = BY_NAME[name]
    off = f" `off`: {limit.off}." if limit.off else ""
    return Field(
        default=None,
        description=f"{limit.what}. {limit.reason}.{off}",
        json_schema_extra={"default": limit.default_text},
    )


def default(name: str) -> Any:
    """A key whose default, meaning and reason stand in the table of limits, and that nothing inherits."""
    limit = BY_NAME[name]
    off = f" `off`: {limit.off}." if limit.off else ""
    return Field(
        default=limit.default,
        description=f"{limit.what}. {limit.reason}.{off}",
        json_schema_extra={"default": limit.default_text},
    )
