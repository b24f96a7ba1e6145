"""The simple values of the file: what people write, what is kept, and what editors are told.

Each is an annotated type. Durations are kept as seconds, sizes as bytes; texts with a grammar of their
own (addresses, hosts, paths) are kept as written and read again when the configuration is compiled.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_args

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from headgate.base import units
from headgate.base.errors import Refusal
from headgate.config import addresses, conditions
from headgate.config.problems import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

ERROR = "headgate"
_KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    dict: "a mapping",
    list: "a list",
    tuple: "a list",
    type(None): "nothing",
}


def refuse(reason: str, hint: str = "") -> PydanticCustomError:
    """The error to raise for a value; neither text may repeat the value."""
    return PydanticCustomError(ERROR, "{reason}", {"reason": reason, "hint": hint})


def kind_of(value: object) -> str:
    """What a value is, in words for people."""
    return next((text for kind, text in _KINDS.items() if isinstance(value, kind)), "something else")


def as_text(value: object) -> str:
    """The value as text: a number as it was written; anything else but a text is refused."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        raise refuse("is true or false, where a text is needed", f'put it in quotes: "{str(value).lower()}"')
    if isinstance(value, (int, float)):
        return getattr(value, "text", None) or str(value)
    if value is None:
        raise refuse("has no value", "write one, or remove the key")
    raise refuse(f"is {kind_of(value)}, where a text is needed")


def text_like(read: Callable[[str], object]) -> Callable[[object], str]:
    """A validator that keeps the text when `read` accepts it."""

    def validate(value: object) -> str:
        text = as_text(value)
        try:
            read(text)
        except Refusal as refusal:
            raise refuse(refusal.reason, refusal.hint) from None
        return text

    return validate


def replaced_by(read: Callable[[str], str]) -> Callable[[object], str]:
    """A validator that keeps what `read` makes of the text."""

    def validate(value: object) -> str:
        try:
            return read(as_text(value))
        except Refusal as refusal:
            raise refuse(refusal.reason, refusal.hint) from None

    return validate


def _amount(read: Callable[[str], float]) -> Callable[[object], float]:
    def validate(value: object) -> float:
        if value == "off":
            return 0
        if isinstance(value, timedelta) and value >= timedelta(0):
            return value.total_seconds()
        if value == 0 and not isinstance(value, bool):
            return 0
        try:
            return read(as_text(value))
        except Refusal as refusal:
            raise refuse(refusal.reason, refusal.hint) from None

    return validate


def _needed(validate: Callable[[object], float]) -> Callable[[object], float]:
    def needed(value: object) -> float:
        amount = validate(value)
        if not amount:
            raise refuse("cannot be switched off", "write a value above zero")
        return amount

    return needed


_duration = _amount(units.parse_duration)
_size = _amount(units.parse_size)


def _schema(kind: str, pattern: str, *examples: str, number: bool = False) -> WithJsonSchema:
    """The schema of an amount; one that may be `off` has this among its examples."""
    text = f"off|{pattern}" if "off" in examples else pattern
    schema: dict[str, Any] = {
        "$comment": kind,
        "type": "string",
        "pattern": f"^(?:{text})$",
        "examples": list(examples),
    }
    return WithJsonSchema(schema | {"type": ["string", "integer"], "minimum": 0} if number else schema)


Duration: TypeAlias = Annotated[
    float,
    PlainValidator(_needed(_duration)),
    PlainSerializer(units.format_duration),
    _schema("duration", units.DURATION_PATTERN, "5s", "250ms", "1m30s"),
]
OptionalDuration: TypeAlias = Annotated[
    float,
    PlainValidator(_duration),
    PlainSerializer(units.format_duration),
    _schema("duration or `off`", units.DURATION_PATTERN, "5s", "off"),
]
Size: TypeAlias = Annotated[
    int,
    PlainValidator(_needed(_size)),
    PlainSerializer(units.format_size),
    _schema("size", units.SIZE_PATTERN, "64KiB", "1MiB", number=True),
]


def _bounded(lowest: int, highest: int) -> Callable[[object], float]:
    def bounded(value: object) -> float:
        size = _size(value)
        if not lowest <= size <= highest:
            raise refuse(f"is not between {units.format_size(lowest)} and {units.format_size(highest)}")
        return size

    return bounded


# Windows of HTTP/2: of a frame at least; that of a connection begins with 64 KiB (RFC 9113 section 6.9.2).
StreamWindow: TypeAlias = Annotated[
    int,
    PlainValidator(_bounded(16 * 1024, 1024**3)),
    PlainSerializer(units.format_size),
    _schema("size", units.SIZE_PATTERN, "64KiB", "1MiB", number=True),
]
ConnectionWindow: TypeAlias = Annotated[
    int,
    PlainValidator(_bounded(64 * 1024, 1024**3)),
    PlainSerializer(units.format_size),
    _schema("size", units.SIZE_PATTERN, "1MiB", "16MiB", number=True),
]
OptionalSize: TypeAlias = Annotated[
    int,
    PlainValidator(_size),
    PlainSerializer(units.format_size),
    _schema("size or `off`", units.SIZE_PATTERN, "1MiB", "off", number=True),
]
ByteRate: TypeAlias = Annotated[
    float,
    PlainValidator(_amount(units.parse_byte_rate)),
    PlainSerializer(units.format_byte_rate),
    _schema("bytes over time or `off`", units.BYTE_RATE_PATTERN, "240B/s", "off"),
]


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    if value in ("on", "yes"):
        raise refuse("is not true or false", "write true")
    if value in ("off", "no"):
        raise refuse("is not true or false", "write false")
    if value is None:
        raise refuse("has no value", "write true or false")
    raise refuse("is not true or false", "write true or false")


Switch: TypeAlias = Annotated[bool, PlainValidator(_switch), WithJsonSchema({"type": "boolean"})]


def _on_off(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("on", "off"):
        return value == "on"
    if value in ("yes", "true"):
        raise refuse("is neither on nor off", "write on")
    if value in ("no", "false"):
        raise refuse("is neither on nor off", "write off")
    if value is None:
        raise refuse("has no value", "write on or off")
    raise refuse("is neither on nor off", "write on or off")


# A feature that is there or not, where `off` reads better than `false`; true and false are understood.
OnOff: TypeAlias = Annotated[
    bool,
    PlainValidator(_on_off),
    PlainSerializer(lambda value: "on" if value else "off"),
    WithJsonSchema({"$comment": "`on`, `off`", "enum": ["on", "off", True, False]}),
]


def whole_number(value: object, lowest: int, highest: int) -> int:
    """A whole number within bounds, also from a text (what came from a variable is one)."""
    if value is None:
        raise refuse("has no value", "write a number")
    if isinstance(value, str) and len(value) < 19 and value.removeprefix("-").isdecimal() and value.isascii():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise refuse("is not a whole number", f"write a number from {lowest} to {highest}")
    if not lowest <= value <= highest:
        raise refuse(f"is not between {lowest} and {highest}")
    return int(value)


def redirect_status(*known: int) -> PlainValidator:
    """A validator for one of the statuses, as a number."""

    def validate(value: object) -> int:
        number = int(value) if isinstance(value, str) and value in map(str, known) else value
        if isinstance(number, bool) or number not in known:
            raise refuse(
                "is not a status for a redirect", f"write {', '.join(map(str, known[:-1]))} or {known[-1]}"
            )
        return int(str(number))

    return PlainValidator(validate)


class Between:
    """Bounds of a whole number: `Annotated[int, *Between(0, 10)]`."""

    def __init__(self, lowest: int, highest: int, *, off: bool = False) -> None:
        self.lowest, self.highest, self.off = lowest, highest, off

    def __iter__(self) -> Iterator[object]:
        schema: dict[str, Any] = {"type": "integer", "minimum": self.lowest, "maximum": self.highest}
        if self.off:
            schema = {"anyOf": [schema, {"const": "off"}]}
        yield PlainValidator(self._validate)
        yield WithJsonSchema(schema)

    def _validate(self, value: object) -> int:
        if self.off and value == "off":
            return 0
        return whole_number(value, self.lowest, self.highest)


Count: TypeAlias = Annotated[int, *Between(1, 1_000_000_000)]
OptionalCount: TypeAlias = Annotated[int, *Between(0, 1_000_000_000, off=True)]
Port: TypeAlias = Annotated[int, *Between(1, 65_535)]
Weight: TypeAlias = Annotated[int, *Between(0, 1_000_000)]


class Choice:
    """One of some words; `later` are words of later versions: `Annotated[Literal["a"], Choice("a")]`."""

    def __init__(self, *words: str, later: tuple[str, ...] = ()) -> None:
        self.words, self.later = words, later

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._validate, handler(source))

    def _validate(self, value: object) -> str:
        text = as_text(value)
        if text in self.later:
            raise refuse("is not supported by this version yet", f"write {_any_of(self.words)}")
        if text not in self.words:
            raise refuse(f"is not {_any_of(self.words)}", nearest(text, self.words, otherwise=False))
        return text


def _any_of(words: tuple[str, ...]) -> str:
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


NAME_PATTERN = "[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"


def _name(text: str) -> str:
    if not re.fullmatch(NAME_PATTERN, text):
        raise Refusal(
            "is not a name",
            "use letters, digits, hyphens, underscores and dots; begin with a "
            "letter or digit; at most 128 characters",
        )
    return text


def _visible(text: str) -> str:
    if not text:
        raise Refusal("is empty", "write a text, or remove the key")
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise Refusal("has a control character")
    return text


def _file(text: str) -> None:
    if not text:
        raise Refusal("is empty", "write the path of a file")
    if "\0" in text or len(text.encode(errors="surrogateescape")) > 4095:
        raise Refusal("is no path of a file")
    if "-----BEGIN" in text:
        raise Refusal("is PEM text, where the path of a file is needed", "write it into a file")


Text: TypeAlias = Annotated[str, PlainValidator(as_text), WithJsonSchema({"type": ["string", "number"]})]
Line: TypeAlias = Annotated[
    str, PlainValidator(text_like(_visible)), WithJsonSchema({"type": "string", "minLength": 1})
]
Name: TypeAlias = Annotated[
    str,
    PlainValidator(text_like(_name)),
    WithJsonSchema({"$comment": "name", "type": ["string", "number"], "pattern": f"^{NAME_PATTERN}$"}),
]


def _string(kind: str, *examples: str, pattern: str = "") -> WithJsonSchema:
    schema: dict[str, Any] = {"$comment": kind, "type": "string", "examples": list(examples)}
    return WithJsonSchema(schema | ({"pattern": pattern} if pattern else {}))


BindAddress: TypeAlias = Annotated[
    str,
    PlainValidator(text_like(addresses.parse_bind)),
    _string(
        "address",
        "0.0.0.0:8080",
        "[::]:8080",
        ":8080",
        "unix:/run/headgate.sock",
        "fd:3",
        pattern=r"^(?:unix:[/@].+|fd:[0-9]+|.*:[0-9]{1,5})$",
    ),
]
FilePath: TypeAlias = Annotated[
    str, PlainValidator(text_like(_file)), _string("path", "site.crt", "/etc/headgate/site.crt")
]
ServerName: TypeAlias = Annotated[
    str,
    PlainValidator(replaced_by(conditions.parse_server_name)),
    _string("host", "app.example.com", "*.example.com"),
]
EndpointAddress: TypeAlias = Annotated[
    str,
    PlainValidator(text_like(addresses.parse_endpoint)),
    _string(
        "address",
        "127.0.0.1:9001",
        "app.internal:8000",
        "[::1]:9001",
        "unix:/run/app.sock",
        "https://app.internal",
        "h2c://app.internal:9000",
        pattern=r"^(?:(?:http://|https://|h2c://)?unix:[/@].+|https?://.+|.+:[0-9]{1,5}/?)$",
    ),
]
Range: TypeAlias = Annotated[
    str,
    PlainValidator(replaced_by(addresses.parse_range)),
    _string("range", "10.0.0.0/8", "fd00::/8", "192.0.2.1"),
]
Source: TypeAlias = Annotated[
    str,
    PlainValidator(replaced_by(lambda text: text if text == "unix" else addresses.parse_range(text))),
    _string("range or `unix`", "10.0.0.0/8", "unix"),
]
Host: TypeAlias = Annotated[
    str,
    PlainValidator(replaced_by(conditions.parse_host)),
    _string("host", "api.example.com", "*.example.com"),
]
Authority: TypeAlias = Annotated[
    str,
    PlainValidator(replaced_by(conditions.parse_authority)),
    _string("host", "app.internal", "app.internal:8080"),
]
PathPattern: TypeAlias = Annotated[
    str,
    PlainValidator(text_like(conditions.parse_path)),
    _string("path pattern", "/exact", "/prefix/*", "~ ^/v[0-9]+/", pattern="^[/~]"),
]
Prefix: TypeAlias = Annotated[
    str, PlainValidator(text_like(conditions.parse_prefix)), _string("path", "/v1", pattern="^/")
]
Method: TypeAlias = Annotated[
    str, PlainValidator(replaced_by(conditions.parse_method)), _string("method", "GET", "POST")
]
FieldName: TypeAlias = Annotated[
    str, PlainValidator(replaced_by(conditions.parse_field_name)), _string("field name", "x-canary")
]
FieldValue: TypeAlias = Annotated[
    str,
    PlainValidator(text_like(conditions.parse_field_value)),
    WithJsonSchema({"type": ["string", "number"]}),
]


class OneOrMore:
    """A list that may also be written as its only item: `Annotated[tuple[Name, ...], OneOrMore()]`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._validate, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        inner = handler(schema)
        members = inner.get("anyOf", [inner])  # the list may stand beside words
        item = next(member["items"] for member in members if "items" in member)
        return {"anyOf": [item, *members]}

    @staticmethod
    def _validate(value: object) -> object:
        return [value] if isinstance(value, (str, int, float)) and not isinstance(value, bool) else value


class OrOff:
    """A section that may be left out, or written as `off`: `Annotated[Breaker | None, OrOff()]`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        (section,) = (each for each in get_args(source) if each is not type(None))
        written = core_schema.union_schema(
            [handler.generate_schema(section), core_schema.literal_schema(["off"])]
        )
        return core_schema.no_info_before_validator_function(
            lambda value: None if value == "off" else value,
            handler(source),
            json_schema_input_schema=written,
            serialization=core_schema.wrap_serializer_function_ser_schema(
                lambda value, write: "off" if value is None else write(value)
            ),
        )
