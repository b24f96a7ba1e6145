"""What all sections of the file have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from headgate.base.limits import BY_NAME


class Section(BaseModel):
    """A mapping of the file: unknown keys are errors, an empty one has its defaults.

    `LATER` names keys that later versions know, so that they can be told from typing errors.
    `SHORT` names the key that a bare text stands for, when the section may be written as one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=False,
                              hide_input_in_errors=True)

    LATER: ClassVar[frozenset[str]] = frozenset()
    SHORT: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _from_short(cls, value: Any) -> Any:
        if value is None:
            return {}
        if cls.SHORT and isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return {cls.SHORT: value}
        return value


def setting(name: str) -> Any:
    """A key whose default, meaning and reason stand in the table of limits; None inherits."""
    limit = BY_NAME[name]
    off = f" `off`: {limit.off}." if limit.off else ""
    return Field(default=None, description=f"{limit.what}. {limit.reason}.{off}",
                 json_schema_extra={"default": limit.default_text})
