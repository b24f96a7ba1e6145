"""add_prefix, strip_prefix and replace_prefix."""

from __future__ import annotations

from dataclasses import dataclass

from headgate.middleware import Exchange, Middleware, option
from headgate.middleware.options import Prefix


class AddPrefix(Middleware):
    """Put a prefix in front of the path before the request goes upstream."""

    @dataclass(frozen=True, slots=True)
    class Options:
        prefix: Prefix = option("The prefix.", example="/v1")

    def prepare(self) -> None:
        self._prefix = self.options.prefix.rstrip("/")

    def on_request(self, exchange: Exchange) -> None:
        exchange.request.path = self._prefix + exchange.request.path


class StripPrefix(Middleware):
    """Take a prefix off the path before the request goes upstream. A path that does not have it, on a segment
    boundary, stays as it is.
    """

    @dataclass(frozen=True, slots=True)
    class Options:
        prefix: Prefix = option("The prefix.", example="/v1")

    def prepare(self) -> None:
        self._prefix = self.options.prefix.rstrip("/")

    def on_request(self, exchange: Exchange) -> None:
        rest = behind_prefix(exchange.request.path, self._prefix)
        if rest is not None:
            exchange.request.path = rest or "/"


class ReplacePrefix(Middleware):
    """Put another prefix in the place of one; a path without it, on a segment boundary, stays."""

    @dataclass(frozen=True, slots=True)
    class Options:
        prefix: Prefix = option("The prefix that goes.", example="/v1")
        by: Prefix = option("The prefix that comes.", example="/api/v2")

    def prepare(self) -> None:
        self._prefix = self.options.prefix.rstrip("/")
        self._by = self.options.by.rstrip("/")

    def on_request(self, exchange: Exchange) -> None:
        rest = behind_prefix(exchange.request.path, self._prefix)
        if rest is not None:
            exchange.request.path = (self._by + rest) or "/"


def behind_prefix(path: str, prefix: str) -> str | None:
    """What stands behind a prefix without final slash: nothing or more segments. None without the prefix."""
    rest = path[len(prefix) :]
    return rest if path.startswith(prefix) and rest[:1] in ("/", "") else None
