"""From the type that a file names to the class."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import sys
from pathlib import Path
from typing import Any

from headgate.middleware.middleware import Middleware

GROUP = "headgate.middlewares"

# Built-in types and where they are.
BUILT_IN: dict[str, str] = {
    "add_prefix": "headgate.middleware.builtin.prefixes:AddPrefix",
    "buffer": "headgate.middleware.builtin.buffer:Buffer",
    "compress": "headgate.middleware.builtin.compress:Compress",
    "decompress": "headgate.middleware.builtin.decompress:Decompress",
    "forward_auth": "headgate.middleware.builtin.forward_auth:ForwardAuth",
    "strip_prefix": "headgate.middleware.builtin.prefixes:StripPrefix",
}


class MiddlewareMissing(Exception):
    """A type of middleware cannot be had; the text says why."""


def published() -> dict[str, str]:
    """Types that installed packages publish, and where they are."""
    return {point.name: point.value for point in importlib.metadata.entry_points(group=GROUP)}


def is_path(kind: str) -> bool:
    """Whether a type is written as module:Class."""
    return re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", kind) is not None


def class_of(kind: str, folder: str = "") -> type[Middleware]:
    """The class of a type: built in, published under the entry point group, or module:Class, which is looked
    for in `folder` too. Raises MiddlewareMissing, also when importing fails.
    """
    where = BUILT_IN.get(kind) or (kind if is_path(kind) else published().get(kind))
    if where is None:
        raise MiddlewareMissing(f"{kind} is no type of middleware")
    if is_path(kind) and folder and folder not in sys.path:
        sys.path.append(folder)
    module, _, name = where.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:
        # It is other people's code: whatever it raises is the reason.
        raise MiddlewareMissing(f"{where} cannot be imported: {_reason(error)}") from error
    if not (isinstance(found, type) and issubclass(found, Middleware)):
        raise MiddlewareMissing(f"{where} is no subclass of headgate.middleware.Middleware")
    return found


def _reason(error: Exception) -> str:
    """The error, and the line of the file that raised it."""
    text = f"{type(error).__name__}: {error}"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or Path(trace.tb_frame.f_code.co_filename) == Path(__file__):
        return text
    return f"{text} ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
