"""Sections of the file for middlewares, made from what their classes say of themselves."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema, create_model

from headgate import spec
from headgate.base import units
from headgate.base.errors import Refusal
from headgate.config.addresses import parse_endpoint
from headgate.config.model import scalars
from headgate.config.model.scalars import Between, Choice, OneOrMore, OnOff, as_text, refuse, text_like
from headgate.config.model.section import Section
from headgate.core.regex import check_regex
from headgate.middleware.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.middleware.description import Description


class Budget(Section):
    """What a middleware may take for one call of one hook."""

    cpu: scalars.Duration | None = Field(
        default=None, examples=["500us"], description="Processor time, measured for each call when it is set."
    )
    wait: scalars.Duration | None = Field(
        default=None, examples=["50ms"], description="How long it may be awaited; without it a minute."
    )
    on_exceed: Annotated[Literal["fail", "bypass"], Choice("fail", "bypass")] = Field(
        default="fail",
        description="`fail`: the exchange ends with 503, or 504 when it was awaited. `bypass`: it goes on "
        "without this middleware. Processor time that was taken acts on the exchanges of the next second.",
    )


class RelativeFile(str):
    """A path as it was written; it counts from where the configuration lies."""

    __slots__ = ()


class PrivateFile(RelativeFile):
    """The path of a file with hashes of secrets, such as passwords that can be guessed from them."""

    __slots__ = ()


class SecretFile(str):
    """The path of a file that holds a secret."""

    __slots__ = ()


class FileSecret(Section):
    """A secret that stands in a file of its own; spaces and line ends around it do not count."""

    file: scalars.FilePath = Field(examples=["/run/secrets/key"], description="The path of the file.")


def _secret(value: object) -> object:
    if isinstance(value, dict):
        if set(value) != {"file"} or not isinstance(value["file"], str) or not value["file"]:
            raise refuse("is no secret", "write a text such as `${NAME}`, or `{ file: PATH }`")
        return SecretFile(value["file"])
    text = as_text(value)
    if not text:
        raise refuse("is empty", "write the secret, or remove the key")
    return spec.Secret(text)


def _pattern(text: str) -> None:
    if problem := check_regex(text):
        raise Refusal(f"is no regular expression: {problem}", "see https://github.com/google/re2/wiki/Syntax")


def _url(text: str) -> None:
    try:
        url = parse_url(text)
    except ValueError as error:
        raise Refusal("is no URL", str(error).partition(": ")[2]) from None
    if url.origin:
        parse_endpoint(url.origin)


def _number(value: object) -> float:
    try:
        return float(as_text(value))
    except ValueError:
        raise refuse("is not a number", "write for example 1.5") from None


def _percent(value: object) -> float:
    text = as_text(value).strip()
    number = _number(text.removesuffix("%").strip())
    if not 0 <= number <= 100:
        raise refuse("is not between 0% and 100%", "write for example 5%")
    return number


def _read(read: Callable[[str], float]) -> PlainValidator:
    def validate(value: object) -> float:
        try:
            return read(as_text(value))
        except Refusal as error:
            raise refuse(error.reason, error.hint) from None

    return PlainValidator(validate)


def _string(comment: str, *validate: object) -> Any:
    return Annotated[(str, *validate, WithJsonSchema({"$comment": comment, "type": ["string", "number"]}))]


def _written(secret: object) -> object:
    """A secret as it stands in the file, for a model that is checked once more."""
    return secret.text if isinstance(secret, spec.Secret) else {"file": str(secret)}


_TEXTS: dict[str, Any] = {
    "text": scalars.Text,
    "any": Any,
    "duration": scalars.Duration,
    "size": scalars.Size,
    "rate": _string("rate", _read(units.parse_rate), PlainSerializer(units.format_rate)),
    "byte_rate": _string(
        "bytes for each second", _read(units.parse_byte_rate), PlainSerializer(units.format_byte_rate)
    ),
    "prefix": scalars.Prefix,
    "field": scalars.FieldName,
    "range": scalars.Range,
    "pattern": _string("regular expression", PlainValidator(text_like(_pattern))),
    "url": _string("URL", PlainValidator(text_like(_url))),
    "file": _string("path of a file", PlainValidator(lambda value: RelativeFile(as_text(value)))),
    "private_file": _string("path of a file", PlainValidator(lambda value: PrivateFile(as_text(value)))),
    "secret": Annotated[
        Any,
        PlainValidator(_secret),
        PlainSerializer(_written),
        WithJsonSchema({"$comment": "text, or `{ file: PATH }`", "type": ["string", "object"]}),
    ],
    "number": Annotated[
        float, PlainValidator(_number), WithJsonSchema({"$comment": "number", "type": "number"})
    ],
    "percent": _string("percentage", PlainValidator(_percent), PlainSerializer(units.format_percent)),
    "switch": OnOff,
}


def _annotation(kind: Description, owner: str) -> Any:
    name = kind["kind"]
    if name in ("optional", "list", "map"):
        inner: Any = _annotation(kind["of"], owner)
        if name == "optional":
            return inner | None
        return Annotated[tuple[inner, ...], OneOrMore()] if name == "list" else dict[scalars.Line, inner]
    if name == "int":
        return Annotated[(int, *Between(kind["lowest"], kind["highest"]))]
    if name == "choice":
        words: Any = tuple(map(str, kind["words"]))
        return Annotated[Literal[words], Choice(*words)]
    if name == "section":
        return _section(f"{owner}{kind['name']}", kind["doc"], kind["fields"], {})
    return _TEXTS[name]


def _shown(default: Any, kind: Description) -> Any:
    """A default as people write it."""
    while kind["kind"] == "optional":
        kind = kind["of"]
    formats: dict[str, Callable[[Any], str]] = {
        "duration": units.format_duration,
        "size": units.format_size,
        "rate": units.format_rate,
        "byte_rate": units.format_byte_rate,
        "percent": units.format_percent,
    }
    return formats[kind["kind"]](default) if default is not None and kind["kind"] in formats else default


def _field(field: Description, owner: str) -> tuple[Any, Any]:
    shown = _shown(field["default"], field["type"])
    default = field["default"]
    if field["type"]["kind"] == "section" and not field["required"]:
        default = None  # the class has it
    return (
        _annotation(field["type"], owner),
        Field(
            default=... if field["required"] else tuple(default) if isinstance(default, list) else default,
            description=field["description"],
            examples=[field["example"]] if field["example"] is not None else None,
            json_schema_extra={"default": shown} if shown not in (None, "", [], {}) else None,
        ),
    )


def _section(name: str, doc: str, fields: list[Description], more: dict[str, Any]) -> type[Section]:
    definitions: Any = more | {field["name"]: _field(field, name) for field in fields}
    with warnings.catch_warnings():
        # An option may be called as something of pydantic's that is not used here, such as `json`.
        warnings.simplefilter("ignore", UserWarning)
        made: type[Section] = create_model(name, __base__=Section, __doc__=doc or name, **definitions)
    return made


def section_of(kind: str, description: Description) -> type[Section]:
    """The section of a type of middleware."""
    name = "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", kind)) + "Middleware"
    summary = " ".join(description["doc"].split())
    more = {
        "type": (Literal[kind], Field(description=summary.partition(". ")[0].removesuffix(".") + ".")),
        "budget": (Budget | None, Field(default=None, description="What it may take for one call.")),
    }
    return _section(name, summary, description["options"], more)
