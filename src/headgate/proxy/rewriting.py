"""Path rewrites that routes name as middlewares."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from headgate import spec

Rewrite = Callable[[bytes], bytes]


def strip_prefix(prefix: str) -> Rewrite:
    """Take `prefix` off the front; a path that does not have it, on a segment boundary, stays."""
    head = prefix.rstrip("/").encode()

    def rewrite(path: bytes) -> bytes:
        if not path.startswith(head) or path[len(head) : len(head) + 1] not in (b"/", b""):
            return path
        return path[len(head) :] or b"/"

    return rewrite


def add_prefix(prefix: str) -> Rewrite:
    """Put `prefix` in front."""
    head = prefix.rstrip("/").encode()

    def rewrite(path: bytes) -> bytes:
        return head + path

    return rewrite


REWRITES: dict[str, Callable[[str], Rewrite]] = {
    "strip_prefix": strip_prefix,
    "add_prefix": add_prefix,
}


def rewrite_of(middleware: spec.Middleware) -> Rewrite:
    """The rewrite that a middleware of the snapshot stands for. Raises KeyError for another type."""
    return REWRITES[middleware.type](cast(str, middleware.options["prefix"]))
