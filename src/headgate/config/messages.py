"""What pydantic says about a configuration, in words for people."""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from headgate.config.model import Config, Section
from headgate.config.model.middlewares import LATER_TYPES, TYPES
from headgate.config.model.scalars import ERROR, kind_of
from headgate.config.problems import Problem, nearest, quoted

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from headgate.config.document import Document

_NO_VALUE = ("has no value", "write one, or remove the key")
NOT_YET = "is not supported by this version yet"


def translate(error: ValidationError, document: Document, root: type[Section] = Config) -> list[Problem]:
    """One problem for each error, in the order of the file, whose form `root` is."""
    problems = [_problem(details, document, root) for details in error.errors(include_url=False)]
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.line, problem.column))


def _problem(details: ErrorDetails, document: Document, root: type[Section]) -> Problem:
    path, section = _walk(details["loc"], root)
    kind = details["type"]
    context = details.get("ctx", {})
    if path and path[-1] == "[key]":
        path = path[:-1]
        return document.problem(
            path,
            f"{quoted(str(path[-1]))} {context.get('reason', 'is no key here')}",
            context.get("hint", ""),
            key=True,
        )
    if kind == "extra_forbidden":
        return _unknown_key(path, section, document)
    if kind == "missing":
        return _missing(path, section, document)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _middleware_type((*path, "type"), kind, context, document)
    message, hint = _wrong_kind(kind, details["input"])
    if kind == ERROR:
        message, hint = context["reason"], context["hint"]
    return _about_value(path, message, hint, details["input"], document)


def _about_value(
    path: tuple[str | int, ...], message: str, hint: str, value: object, document: Document
) -> Problem:
    """The message, behind the value as it was written when that is a single one."""
    place, _ = document.find(path)
    if document.written:
        shown = place.text
        if place.variable:  # a hint may repeat what the variable holds
            hint = ""
    else:
        shown = str(value) if isinstance(value, (str, int, float)) else None
    if shown and value is not None:
        message = f"{quoted(shown)} {message}"
    elif not path:
        message = f"the file {message}"
    return document.problem(path, message, hint)


def _unknown_key(path: tuple[str | int, ...], section: type[Section] | None, document: Document) -> Problem:
    key = str(path[-1])
    if section is not None and key in section.LATER:
        return document.problem(path, f"{quoted(key)} {NOT_YET}", "remove it", key=True)
    keys = section.by_key() if section is not None else ()
    return document.problem(path, f"{quoted(key)} is not a key here", nearest(key, keys), key=True)


def _missing(path: tuple[str | int, ...], section: type[Section] | None, document: Document) -> Problem:
    key = str(path[-1])
    hint = ""
    if section is not None and key in section.by_key():
        examples = section.by_key()[key].examples
        hint = f"write for example `{key}: {_flow(examples[0])}`" if examples else ""
    return document.problem(path[:-1], f"{quoted(key)} is missing", hint)


def _flow(example: Any) -> str:
    """An example as YAML in one line."""
    if isinstance(example, dict):
        return "{ " + ", ".join(f"{key}: {_flow(value)}" for key, value in example.items()) + " }"
    if isinstance(example, list):
        return "[" + ", ".join(_flow(value) for value in example) + "]"
    return str(example)


def _middleware_type(
    path: tuple[str | int, ...], kind: str, context: dict[str, Any], document: Document
) -> Problem:
    if kind == "union_tag_not_found":
        return document.problem(path[:-1], '"type" is missing', f"write one of {', '.join(TYPES)}")
    tag = str(context["tag"])
    place, _ = document.find(path)
    shown = quoted(place.text if place.text is not None else tag)
    if tag in LATER_TYPES:
        return document.problem(path, f"{shown} {NOT_YET}", "remove this middleware")
    return document.problem(
        path, f"{shown} is not a type of middleware", "" if place.variable else nearest(tag, TYPES)
    )


def _wrong_kind(kind: str, value: object) -> tuple[str, str]:
    """Values of another kind than the one that is needed."""
    if value is None:
        return _NO_VALUE
    if kind in ("model_type", "model_attributes_type", "dict_type", "mapping_type"):
        return (
            f"is {kind_of(value)}, where a mapping of keys is needed",
            "write `key: value`, one on each line",
        )
    if kind in ("tuple_type", "list_type", "iterable_type"):
        return f"is {kind_of(value)}, where a list is needed", "write [a, b], or one item a line after `- `"
    if kind in ("string_type", "string_sub_type"):
        return f"is {kind_of(value)}, where a text is needed", ""
    return "is not possible here", ""


def _walk(
    location: tuple[str | int, ...], root: type[Section]
) -> tuple[tuple[str | int, ...], type[Section] | None]:
    """The path in the file, without the names that pydantic adds for the members of unions, and the
    section that the last key belongs to.
    """
    annotation: Any = root
    owner: type[Section] | None = None
    path: list[str | int] = []
    for part in location:
        if part == "[key]":
            path.append(part)
            break
        annotation = _bare(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            owner = annotation if issubclass(annotation, Section) else None
            field = owner.by_key().get(str(part)) if owner is not None else None
            annotation = field.annotation if field is not None else Any
        elif get_origin(annotation) in (Union, UnionType):
            annotation = _member(annotation, str(part))
            continue
        else:
            arguments = get_args(annotation)
            is_dict = get_origin(annotation) is dict
            annotation = (arguments[1] if is_dict else arguments[0]) if arguments else Any
            owner = None
        path.append(part)
    return tuple(path), owner


def _bare(annotation: Any) -> Any:
    """The annotation without metadata and without None."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, UnionType):
            members = [member for member in get_args(annotation) if member is not type(None)]
            if len(members) != 1:
                return annotation
            annotation = members[0]
        else:
            return annotation


def _member(union: Any, tag: str) -> Any:
    for member in get_args(union):
        field = getattr(member, "model_fields", {}).get("type")
        if field is not None and tag in get_args(field.annotation):
            return member
    return Any
