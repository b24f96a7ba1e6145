"""The class that a middleware is made from."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from headgate.middleware.exchange import Exchange
from headgate.middleware.reply import Reply
from headgate.middleware.worker import Worker


class Piece:
    """A part of a body on its way; behind the `last` one comes nothing, and it may be empty."""

    __slots__ = ("data", "last", "side")

    def __init__(self, data: bytes, last: bool, side: Literal["request", "response"]) -> None:
        self.data = data
        self.last = last
        self.side = side


@dataclass(frozen=True, slots=True)
class NoOptions:
    """A middleware that can be set to nothing."""


class Middleware:
    """Looks at exchanges, or changes them. A subclass defines those of the four hooks that it needs, each
    plain or `async def`; what it does not define costs nothing. A plain hook may also return an awaitable.

    There is one instance for each name in the file and worker, and it lives on over reloads while its options
    are equal. `options` is an instance of `Options`, a frozen dataclass.
    """

    Options: ClassVar[type] = NoOptions
    # Whose pieces on_body gets.
    bodies: ClassVar[Literal["request", "response", "both"]] = "response"
    # Whether on_body may return more or fewer bytes than it got: then a Content-Length is not sent on.
    changes_length: ClassVar[bool] = True
    # How long one call of a hook may be awaited, where the file sets no budget.
    wait_seconds: ClassVar[float] = 60.0
    # Names and help of what it counts with `worker.count` and `worker.observe`.
    counters: ClassVar[Mapping[str, str]] = {}
    histograms: ClassVar[Mapping[str, str]] = {}

    def __init__(self, name: str, options: Any, worker: Worker) -> None:
        self.name = name
        self.options = options
        self.worker = worker
        self.prepare()

    def prepare(self) -> None:
        """Called once, before the first exchange: compile, load, open. A ValueError or OSError refuses the
        configuration with its text.
        """

    async def close(self) -> None:
        """Called when no configuration has this instance any more and its exchanges are over."""

    def on_request(self, exchange: Exchange) -> Reply | Awaitable[Reply | None] | None:
        """The request is there, its body maybe not. A Reply answers it; of the other middlewares only those
        that came before see that answer.
        """

    def on_response(self, exchange: Exchange) -> Reply | Awaitable[Reply | None] | None:
        """The head of the response is there: an endpoint's, Headgate's own, or a Reply. In the other
        direction than on_request: the last middleware is first. A switch of protocols (101) is no response.
        """

    def on_body(self, exchange: Exchange, piece: Piece) -> bytes | Awaitable[bytes | None] | None:
        """A piece of a body; what is returned goes on in its place, None leaves it as it is."""

    def piece_size(self, side: Literal["request", "response"]) -> int:  # noqa: ARG002 - for subclasses
        """The most bytes that a piece of this side's bodies has when on_body gets it, so that larger ones
        come in parts; 0: as they come. Asked once, after `prepare`.
        """
        return 0

    def on_done(self, exchange: Exchange) -> Awaitable[None] | None:
        """The exchange is over, however it ended: always called, and once."""


HOOKS = ("on_request", "on_response", "on_body", "on_done")


def defined_hooks(kind: type[Middleware]) -> tuple[str, ...]:
    """Those that a class has of its own."""
    return tuple(hook for hook in HOOKS if getattr(kind, hook) is not getattr(Middleware, hook))
