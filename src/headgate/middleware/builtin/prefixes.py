"""add_prefix and strip_prefix."""

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
        self._size = len(self._prefix)

    def on_request(self, exchange: Exchange) -> None:
        path = exchange.request.path
        if path.startswith(self._prefix) and path[self._size : self._size + 1] in ("/", ""):
            exchange.request.path = path[self._size :] or "/"
