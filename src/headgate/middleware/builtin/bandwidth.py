"""bandwidth."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from headgate.middleware import Exchange, Middleware, Piece, StateKey, option
from headgate.middleware.builtin import keys
from headgate.middleware.options import ByteRate

if TYPE_CHECKING:
    from collections.abc import Awaitable

PIECE_SECONDS = 0.02  # what goes on at once
CATCH_UP_SECONDS = 0.05  # of what a late timer lost


class Flow:
    """Bytes that go on at a rate, one piece after the other."""

    __slots__ = ("due", "name", "rate", "users")

    def __init__(self, rate: float, name: tuple[str, str] | None = None) -> None:
        self.rate = rate
        self.name = name  # by which others find it
        self.due = 0.0  # when the next piece may go on
        self.users = 0

    def wait(self, size: int, now: float) -> float:
        """Seconds until a piece may go on, which is then on its way."""
        if self.due == 0:
            self.due = now
        begin = max(self.due, now - CATCH_UP_SECONDS)
        self.due = begin + size / self.rate
        return begin - now


class Bandwidth(Middleware):
    """Let bodies pass no faster than so many bytes a second, evenly. Who sends them is slowed down; nothing
    is held.
    """

    @dataclass(frozen=True, slots=True)
    class Options:
        request: ByteRate | None = option("Bytes of requests' bodies.", None, example="1MiB/s")
        response: ByteRate | None = option("Bytes of responses' bodies.", None, example="10MiB/s")
        key: tuple[str, ...] = option(
            f"Exchanges that share the rate in each worker; without it each has its own. {keys.HELP}",
            (),
            example="client_ip",
        )
        ipv6_prefix: keys.PrefixBits = option(keys.PREFIX_HELP, 64)

    bodies = "both"
    changes_length = False
    counters: ClassVar = {"delayed": "Pieces of bodies that had to wait."}

    def prepare(self) -> None:
        options = self.options
        if not options.request and not options.response:
            raise ValueError("nothing is limited; write for example response: 1MiB/s")
        self._rates = {"request": options.request, "response": options.response}
        self._key = keys.key_of(options.key, options.ipv6_prefix) if options.key else None
        self._shared: dict[tuple[str, str], Flow] = {}  # by side and key
        self._flows: dict[str, StateKey[Flow]] = {
            side: StateKey[Flow](f"{side} in {self.name}") for side in self._rates
        }

    def piece_size(self, side: Literal["request", "response"]) -> int:
        rate = self._rates[side]
        return max(1, int(rate * PIECE_SECONDS)) if rate else 0

    def on_body(self, exchange: Exchange, piece: Piece) -> Awaitable[None] | None:
        flow: Flow | None = exchange.state.get(self._flows[piece.side])
        if flow is None:
            flow = self._begin(exchange, piece.side)
        if flow is None:
            return None
        seconds = flow.wait(len(piece.data), self.worker.now())
        if seconds <= 0:
            return None
        self.worker.count("delayed")
        return asyncio.sleep(seconds)

    def _begin(self, exchange: Exchange, side: str) -> Flow | None:
        """The flow that this side of the exchange belongs to."""
        rate = self._rates[side]
        if not rate:
            return None
        if self._key is None:
            flow = Flow(rate)
        else:
            name = (side, self._key(exchange))
            flow = self._shared.setdefault(name, Flow(rate, name))
        flow.users += 1
        exchange.state[self._flows[side]] = flow
        return flow

    def on_done(self, exchange: Exchange) -> None:
        if self._key is not None:
            for side in self._flows.values():
                flow = exchange.state.pop(side, None)
                if flow is not None:
                    flow.users -= 1
                    self._let_go(flow)

    def _let_go(self, flow: Flow) -> None:
        """Forget a flow that nobody has, when what it let through is paid for."""
        if flow.users or flow.name not in self._shared:
            return
        rest = flow.due - self.worker.now()
        if rest > 0:
            asyncio.get_running_loop().call_later(rest, self._let_go, flow)
        else:
            del self._shared[flow.name]
