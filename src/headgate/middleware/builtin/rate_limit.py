"""rate_limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from headgate.core.rates import standing
from headgate.middleware import Exchange, Middleware, Reply, StateKey, option
from headgate.middleware.builtin import keys
from headgate.middleware.builtin.redis_rates import Redis, RedisRates
from headgate.middleware.options import Kind, Rate
from headgate.middleware.refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable

Burst = Annotated[int, Kind("int", 1, 1_000_000_000)]

SECOND = 1_000_000_000
LOG_SECONDS = 1.0  # between lines about what a dry run lets through


class RateLimit(Middleware):
    """Let through so many requests a second for each key. It is exact over all workers, and over machines
    that share a Redis.
    """

    @dataclass(frozen=True, slots=True)
    class Options:
        rate: Rate = option("Requests for each key.", example="100/s")
        burst: Burst | None = option(
            "How many may come at once; without it what one second brings, and at least one.",
            None,
            example=50,
        )
        key: tuple[str, ...] = option(keys.HELP, ("client_ip",), example="client_ip")
        ipv6_prefix: keys.PrefixBits = option(keys.PREFIX_HELP, 64)
        status: keys.ErrorStatus = option("The status of what is refused.", 429)
        fields: bool = option("Whether answers say in RateLimit fields how much is left.", default=True)
        when_full: Literal["deny", "allow"] = option(
            "What happens to a key for which the table of all keys has no place. `allow`: it has no limit, "
            "so that whoever can use many keys at once gets past it.",
            "deny",
        )
        dry_run: bool = option("Refuse nothing: count and log what would be.", default=False)
        redis: Redis | None = option("Share the limit with other machines.", None)

    counters: ClassVar = {
        "denied": "Requests refused.",
        "would_deny": "Requests that a dry run let through.",
        "table_full": "Requests with a key for which there was no place.",
        "shared": "Requests that Redis decided about.",
        "local": "Requests that were decided here because Redis was away.",
    }

    def prepare(self) -> None:
        options = self.options
        burst = options.burst or max(1, round(options.rate))
        self._key = keys.key_of(options.key, options.ipv6_prefix)
        self._limit = self.worker.rate_limit(options.rate, burst, "+".join(options.key))
        self._take = self._limit.take
        self._standing: StateKey[str] = StateKey(f"standing of {self.name}")
        self._quoted = f'"{self.name}"'
        self._policy = _policy(self._quoted, options.rate, burst)
        self._fields = options.fields
        self._logged = -math.inf
        self._shared = None
        if options.redis is not None:
            self._shared = RedisRates(
                options.redis, f"{self.name} {options.key}", options.rate, burst, self.worker
            )

    async def close(self) -> None:
        if self._shared is not None:
            await self._shared.close()

    def on_request(self, exchange: Exchange) -> Reply | Awaitable[Reply | None] | None:
        key = self._key(exchange)
        wait = self._take(key)
        if wait:
            return self._beyond(exchange, wait, self._limit.reset)
        if self._shared is not None:
            if self._shared.near:
                return self._ask(exchange, key)
            self.worker.count("local")
        if self._fields:
            exchange.state[self._standing] = self._limit.standing(self._quoted)
        return None

    async def _ask(self, exchange: Exchange, key: str) -> Reply | None:
        """What this machine lets through may be beyond what all do together."""
        assert self._shared is not None
        left = self._limit.standing(self._quoted)
        decision = await self._shared.take(key)
        self.worker.count("shared" if decision is not None else "local")
        if decision is not None:
            if decision.wait:
                self._limit.give_back(key)
                return self._beyond(exchange, decision.wait, decision.reset)
            left = standing(self._quoted, decision.remaining, decision.reset)
        if self._fields:
            exchange.state[self._standing] = left
        return None

    def on_response(self, exchange: Exchange) -> None:
        left = exchange.state.get(self._standing) if self._fields else None
        if left is not None:
            add = exchange.response.headers.add
            add("RateLimit-Policy", self._policy)
            add("RateLimit", left)

    def _beyond(self, exchange: Exchange, wait: int, reset: int) -> Reply | None:
        """More than the limit: `wait` nanoseconds until one more may come, or -1 when the table is full."""
        if wait < 0:
            self.worker.count("table_full")
            if self.options.when_full == "allow":
                return None
            wait = reset = SECOND
        if self.options.dry_run:
            self._let_through(exchange)
            return None
        self.worker.count("denied")
        seconds = max(1, -(-wait // SECOND))
        headers = [("Retry-After", str(seconds))]
        if self._fields:
            headers += [("RateLimit-Policy", self._policy), ("RateLimit", standing(self._quoted, 0, reset))]
        text = f"More requests than the limit allows: try again in {seconds} s."
        return refusal(exchange, self.options.status, text, headers)

    def _let_through(self, exchange: Exchange) -> None:
        self.worker.count("would_deny")
        if self.worker.now() >= self._logged + LOG_SECONDS:
            self._logged = self.worker.now()
            self.worker.log("dry run: %s on route %s is beyond the limit", exchange.client, exchange.route)


def _policy(quoted: str, rate: float, burst: int) -> str:
    """Quota and window of draft-ietf-httpapi-ratelimit-headers: the rate, over whole seconds in which a burst
    comes back.
    """
    window = max(1, math.ceil(burst / rate))
    return f"{quoted};q={max(1, round(rate * window))};w={window}"
