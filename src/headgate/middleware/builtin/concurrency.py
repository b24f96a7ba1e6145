"""concurrency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from headgate.middleware import Exchange, Middleware, Reply, StateKey, option
from headgate.middleware.builtin import keys
from headgate.middleware.options import Duration, Kind
from headgate.middleware.refusal import refusal

Most = Annotated[int, Kind("int", 1, 60_000)]


class Concurrency(Middleware):
    """Let through so many requests of each key at a time, in all workers together. One counts until its
    answer is sent, or its tunnel is over.
    """

    @dataclass(frozen=True, slots=True)
    class Options:
        limit: Most = option("How many of each key run at a time.", example=10)
        key: tuple[str, ...] = option(keys.HELP, ("client_ip",), example="client_ip")
        ipv6_prefix: keys.PrefixBits = option(keys.PREFIX_HELP, 64)
        status: keys.ErrorStatus = option("The status of what is refused.", 429)
        retry_after: Duration = option("When those that are refused should try again.", 1.0)
        when_full: Literal["deny", "allow"] = option(
            "What happens to a key for which the table of all keys has no place. `allow`: it has no limit.",
            "deny",
        )

    counters: ClassVar = {
        "denied": "Requests refused.",
        "table_full": "Requests with a key for which there was no place.",
    }

    def prepare(self) -> None:
        self._key = keys.key_of(self.options.key, self.options.ipv6_prefix)
        self._held: StateKey[str] = StateKey(f"place in {self.name}")

    def on_request(self, exchange: Exchange) -> Reply | None:
        key = self._key(exchange)
        taken = self.worker.take_permit(key, self.options.limit)
        if taken == 1:
            exchange.state[self._held] = key
            return None
        if taken < 0:
            self.worker.count("table_full")
            if self.options.when_full == "allow":
                return None
        self.worker.count("denied")
        seconds = max(1, round(self.options.retry_after))
        text = f"More requests at a time than the limit allows: try again in {seconds} s."
        return refusal(exchange, self.options.status, text, [("Retry-After", str(seconds))])

    def on_done(self, exchange: Exchange) -> None:
        key = exchange.state.pop(self._held, None)
        if key is not None:
            self.worker.give_permit(key)
