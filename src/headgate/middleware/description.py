"""What a class of middleware says of itself, as plain data, by which the configuration is checked.

Somebody else's class is imported only where it may break things, by `python -m
headgate.middleware.description`: all that the controller has of it is this.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import types
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from headgate.middleware.middleware import Middleware, defined_hooks
from headgate.middleware.options import Kind
from headgate.middleware.resolution import MiddlewareMissing, class_of, files_of
from headgate.middleware.worker import Fetched, Worker
from headgate.spec import Secret

Description = dict[str, Any]
_PLAIN = {str: "text", int: "int", float: "number", bool: "switch", Secret: "secret", Any: "any"}
_LARGEST = 1_000_000_000
MOST_COUNTERS = 32  # core/cells.pxd has room for so many
MOST_HISTOGRAMS = 2
# What every middleware is counted by (observe/middlewares.py).
TAKEN = frozenset(
    {"calls", "errors", "cpu_seconds", "waits", "wait_seconds", "exceeded", "blocked", "replies"}
)


def describe(kind: type[Middleware]) -> Description:
    """The class's text, hooks, counters and options. Raises MiddlewareMissing when its options are of types
    that no file can hold.
    """
    where = f"{kind.__module__}:{kind.__qualname__}"
    for names, most in ((kind.counters, MOST_COUNTERS), (kind.histograms, MOST_HISTOGRAMS)):
        if len(names) > most:
            raise MiddlewareMissing(f"{where} has {len(names)} of what can be {most}: {', '.join(names)}")
        if wrong := [
            name for name in names if not re.fullmatch("[a-z][a-z0-9_]{0,63}", name) or name in TAKEN
        ]:
            raise MiddlewareMissing(f"{where}: {wrong[0]!r} is no name that a counter can have")
    return {
        "doc": (kind.__doc__ or "").strip(),
        "hooks": defined_hooks(kind),
        "counters": dict(kind.counters),
        "histograms": dict(kind.histograms),
        "options": _fields(kind.Options, where),
    }


def _fields(options: type, where: str) -> list[Description]:
    if not dataclasses.is_dataclass(options):
        raise MiddlewareMissing(f"{where}: Options is no dataclass")
    hints = get_type_hints(options, vars(sys.modules[options.__module__]), include_extras=True)
    found = []
    for field in dataclasses.fields(options):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        found.append(
            {
                "name": field.name,
                "type": _type(hints[field.name], f"{where}.Options.{field.name}"),
                "required": default is MISSING,
                "default": None if default is MISSING else msgspec.to_builtins(default, enc_hook=_hidden),
                "description": field.metadata.get("description", ""),
                "example": field.metadata.get("example"),
            }
        )
    return found


def _hidden(_value: object) -> str:
    return ""


def _type(hint: Any, where: str) -> Description:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        for kind in arguments[1:]:
            if isinstance(kind, Kind):
                return {"kind": kind.name, "lowest": kind.lowest, "highest": kind.highest}
        return _type(arguments[0], where)
    if hint in _PLAIN:
        return {"kind": _PLAIN[hint], "lowest": -_LARGEST, "highest": _LARGEST}
    if origin is Literal:
        return {"kind": "choice", "words": list(arguments)}
    if origin in (Union, types.UnionType):
        members = [one for one in arguments if one is not type(None)]
        if len(members) == 1:
            return {"kind": "optional", "of": _type(members[0], where)}
    if origin is tuple and arguments[1:] == (...,):
        return {"kind": "list", "of": _type(arguments[0], where)}
    if origin in (dict, Mapping) and arguments[0] is str:
        return {"kind": "map", "of": _type(arguments[1], where)}
    if dataclasses.is_dataclass(hint):
        section = cast("type", hint)
        return {
            "kind": "section",
            "name": section.__name__,
            "doc": (section.__doc__ or "").strip(),
            "fields": _fields(section, where),
        }
    raise MiddlewareMissing(f"{where}: {hint} is no type of an option; see docs/middlewares.md")


class CheckedWorker(Worker):
    """Where no exchange runs: enough to see whether an instance can be made."""

    async def fetch(self, url: str, **_: Any) -> Fetched:
        """Nobody runs this."""
        raise NotImplementedError

    async def in_thread(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Nobody runs this."""
        raise NotImplementedError

    def count(self, name: str, by: int = 1) -> None:
        """Nothing counts."""

    def observe(self, name: str, value: float) -> None:
        """Nothing counts."""

    def shared(self, key: str) -> Any:
        """A cell that nobody shares."""
        from headgate.core.shared import SharedTable

        return SharedTable(memoryview(bytearray(4096))).cell(key)

    def log(self, text: str, *args: object, level: int = 20) -> None:
        """Nothing is written."""


def instance_of(kind: type[Middleware], name: str, options: Mapping[str, Any], worker: Worker) -> Middleware:
    """An instance with options as the snapshot has them. Raises ValueError or OSError with what is wrong."""
    try:
        return kind(name, msgspec.convert(dict(options), kind.Options), worker)
    except msgspec.ValidationError as error:
        raise ValueError(f"middleware {name}: {error}") from None


def _main() -> None:
    """Read a list of {type, folder, name, options} from standard input, write one answer for each."""
    answers = []
    output, sys.stdout = sys.stdout, sys.stderr  # modules may print when they are imported
    for asked in json.load(sys.stdin):
        try:
            found = class_of(asked["type"], asked["folder"])
            answer: Description = {"description": describe(found) | {"files": files_of(found)}}
            if asked.get("options") is not None:
                instance_of(found, asked["name"], asked["options"], CheckedWorker())
        except MiddlewareMissing as error:
            answer = {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - whatever other people's code raises is the answer
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            answer = {"error": f"{kind}{error}"}
        answers.append(answer)
    json.dump(answers, output)
    output.flush()


if __name__ == "__main__":
    _main()
