"""body_limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate.base.units import format_size
from headgate.middleware import BodyTooLarge, Exchange, Middleware, Piece, Reply, StateKey, option
from headgate.middleware.options import Size
from headgate.middleware.refusal import refusal


class BodyLimit(Middleware):
    """Refuse bodies with more bytes than are allowed: by what their heads say, or as they come. Nothing is
    held up.
    """

    @dataclass(frozen=True, slots=True)
    class Options:
        request: Size | None = option(
            "Bytes of a request's body; a larger one is answered with 413.", None, example="1MiB"
        )
        response: Size | None = option(
            "Bytes of a response's body; 502 is sent instead of a larger one, and one that has begun is cut.",
            None,
            example="100MiB",
        )

    bodies = "both"
    changes_length = False
    counters: ClassVar = {
        "request_too_large": "Requests refused or broken off.",
        "response_too_large": "Responses refused or broken off.",
    }

    def prepare(self) -> None:
        if self.options.request is None and self.options.response is None:
            raise ValueError("nothing is limited; write for example request: 1MiB")
        self._limits = {"request": self.options.request, "response": self.options.response}
        self._seen = {side: StateKey[int](f"bytes of the {side} in {self.name}") for side in self._limits}

    def on_request(self, exchange: Exchange) -> Reply | None:
        most, size = self.options.request, exchange.request.content_length
        if most is not None and size is not None and size > most:
            self.worker.count("request_too_large")
            return refusal(exchange, 413, f"A request's body has {format_size(most)} at most here.")
        if self.options.response is None and (size is not None or not exchange.request.has_body):
            exchange.ignore_body()  # a body with a length cannot have more
        return None

    def on_response(self, exchange: Exchange) -> Reply | None:
        most, size = self.options.response, exchange.response.content_length
        if most is None or size is None or size <= most or exchange.request.method == "HEAD":
            return None
        self.worker.count("response_too_large")
        return refusal(exchange, 502, "The service's answer is too large.")

    def on_body(self, exchange: Exchange, piece: Piece) -> None:
        most = self._limits[piece.side]
        if most is None:
            return
        key = self._seen[piece.side]
        size = exchange.state.get(key, 0) + len(piece.data)
        if size > most:
            self.worker.count(f"{piece.side}_too_large")
            raise BodyTooLarge
        exchange.state[key] = size
