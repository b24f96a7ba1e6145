"""Trials do what the proxy does."""

from __future__ import annotations

import asyncio

from headgate.middleware import Exchange, Middleware, Piece, Reply
from headgate.testing import Trial


class ShoutsOrRefuses(Middleware):
    """Shouts what it does not refuse."""

    def on_response(self, exchange: Exchange) -> Reply | None:
        """Refuse what is secret."""
        assert exchange.response is not None
        return Reply(403, "not for you") if "x-secret" in exchange.response.headers else None

    def on_body(self, exchange: Exchange, piece: Piece) -> bytes:  # noqa: ARG002 - it is a hook
        """Shout."""
        return piece.data.upper()


def test_a_reply_in_place_of_a_response_is_not_for_who_gave_it() -> None:
    trial = Trial(ShoutsOrRefuses)
    assert asyncio.run(trial.run(response_body=b"hello")).response_body == b"HELLO"
    refused = asyncio.run(trial.run(response_headers={"X-Secret": "1"}, response_body=b"hello"))
    assert (refused.status, refused.response_body) == (403, b"not for you")
