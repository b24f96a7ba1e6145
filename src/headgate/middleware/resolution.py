"""From the type that a file names to the class."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from headgate.middleware.middleware import Middleware

GROUP = "headgate.middlewares"

# Built-in types and where they are.
BUILT_IN: dict[str, str] = {
    "add_prefix": "headgate.middleware.builtin.prefixes:AddPrefix",
    "api_key": "headgate.middleware.builtin.api_key:ApiKey",
    "bandwidth": "headgate.middleware.builtin.bandwidth:Bandwidth",
    "basic_auth": "headgate.middleware.builtin.basic_auth:BasicAuth",
    "body_limit": "headgate.middleware.builtin.body_limit:BodyLimit",
    "buffer": "headgate.middleware.builtin.buffer:Buffer",
    "client_certificate": "headgate.middleware.builtin.client_certificate:ClientCertificate",
    "compress": "headgate.middleware.builtin.compress:Compress",
    "concurrency": "headgate.middleware.builtin.concurrency:Concurrency",
    "cors": "headgate.middleware.builtin.cors:Cors",
    "decompress": "headgate.middleware.builtin.decompress:Decompress",
    "error_pages": "headgate.middleware.builtin.error_pages:ErrorPages",
    "forward_auth": "headgate.middleware.builtin.forward_auth:ForwardAuth",
    "headers": "headgate.middleware.builtin.headers:Headers",
    "hmac_signature": "headgate.middleware.builtin.hmac_signature:HmacSignature",
    "ip_allow": "headgate.middleware.builtin.ip_lists:IpAllow",
    "ip_deny": "headgate.middleware.builtin.ip_lists:IpDeny",
    "jwt": "headgate.middleware.builtin.jwt:Jwt",
    "maintenance": "headgate.middleware.builtin.maintenance:Maintenance",
    "rate_limit": "headgate.middleware.builtin.rate_limit:RateLimit",
    "redirect": "headgate.middleware.builtin.redirects:Redirect",
    "replace_path": "headgate.middleware.builtin.rewriting:ReplacePath",
    "replace_prefix": "headgate.middleware.builtin.prefixes:ReplacePrefix",
    "request_id": "headgate.middleware.builtin.request_id:RequestId",
    "respond": "headgate.middleware.builtin.respond:Respond",
    "rewrite": "headgate.middleware.builtin.rewriting:Rewrite",
    "security_headers": "headgate.middleware.builtin.security_headers:SecurityHeaders",
    "strip_prefix": "headgate.middleware.builtin.prefixes:StripPrefix",
    "traceparent": "headgate.middleware.builtin.traceparent:Traceparent",
    "trailing_slash": "headgate.middleware.builtin.redirects:TrailingSlash",
}


class MiddlewareMissing(Exception):
    """A type of middleware cannot be had; the text says why."""


def published() -> dict[str, str]:
    """Types that installed packages publish, and where they are."""
    return {point.name: point.value for point in importlib.metadata.entry_points(group=GROUP)}


def is_path(kind: str) -> bool:
    """Whether a type is written as module:Class."""
    return re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", kind) is not None


# Editions of modules that were imported, by their first name.
_editions: dict[str, str] = {}


def files_of(kind: type[Middleware]) -> list[str]:
    """The files of the package, or of the module, that a class is in."""
    top = sys.modules[kind.__module__.partition(".")[0]]
    folders = [Path(folder) for folder in getattr(top, "__path__", ())]
    if not folders:
        return [top.__file__] if top.__file__ else []
    return sorted(str(file) for folder in folders for file in folder.rglob("*.py"))


def edition_of(files: Iterable[str]) -> str:
    """What is another one when one of the files was written."""
    states = []
    for file in files:
        with suppress(OSError):
            found = Path(file).stat()
            states.append(f"{file} {found.st_mtime_ns} {found.st_size}")
    return hashlib.sha256("\n".join(states).encode()).hexdigest()[:16]


def _forget_others(module: str, edition: str) -> None:
    """Let a module and what belongs to it be imported anew when its files are others."""
    top = module.partition(".")[0]
    if _editions.get(top, edition) != edition:
        for name in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
            del sys.modules[name]
        importlib.invalidate_caches()
    _editions[top] = edition


def class_of(kind: str, folder: str = "", edition: str = "") -> type[Middleware]:
    """The class of a type: built in, published under the entry point group, or module:Class, which is looked
    for in `folder` too. One of another `edition` than before is imported anew. Raises MiddlewareMissing, also
    when importing fails.
    """
    where = BUILT_IN.get(kind) or (kind if is_path(kind) else published().get(kind))
    if where is None:
        raise MiddlewareMissing(f"{kind} is no type of middleware")
    if is_path(kind) and folder and folder not in sys.path:
        sys.path.append(folder)
    module, _, name = where.partition(":")
    if edition:
        _forget_others(module, edition)
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
