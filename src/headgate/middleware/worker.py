"""What a middleware can ask of the worker that it lives in."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ParamSpec, TypeVar

from headgate.core.key_permits import KeyPermits
from headgate.core.rates import RateLimit, RateTable
from headgate.shm.region import SLOTS, KeyMemory

P = ParamSpec("P")
T = TypeVar("T")


class FetchFailed(Exception):
    """No answer could be had; the text says why. `reason`: in one word, such as those of the access log."""

    def __init__(self, text: str, reason: str = "destination_unavailable") -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer that was fetched. Names of headers are in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def get(self, name: str, default: str = "") -> str:
        """The first field of a name, in lower case."""
        return next((value for known, value in self.headers if known == name), default)


class Worker(ABC):
    """One for each middleware instance; it counts under its name."""

    @staticmethod
    def now() -> float:
        """Seconds on a clock that never goes back, the same in all processes of the machine."""
        return time.monotonic()

    @staticmethod
    def time() -> float:
        """Seconds since 1970."""
        return time.time()

    @abstractmethod
    async def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        timeout: float = 10.0,  # noqa: ASYNC109 - it is the deadline of the answer, not of the call
        limit: int = 1 << 20,
    ) -> Fetched:
        """Ask for something through Headgate's own pools: `url` is one of the options, of type Url, or
        `service://NAME/path` for a service of the file. Raises FetchFailed when there is no answer in time,
        or one with more than `limit` bytes of body.
        """

    @abstractmethod
    async def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call what would hold up the loop (hashing, files) in one of a few threads."""

    @abstractmethod
    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter that the class names in `counters`."""

    @abstractmethod
    def observe(self, name: str, value: float) -> None:
        """Put a value (seconds, bytes, ...) into a histogram that the class names in `histograms`."""

    @abstractmethod
    def shared(self, key: str) -> Any:
        """Words that all workers share: a core.shared.SharedCell of this middleware, by key."""

    # Limits by key. Where no other worker is, they are this one's alone.

    def rate_limit(self, rate: float, burst: int, what: str = "") -> RateLimit:
        """So many times a second for each key, in all workers together; `what` tells limits of one middleware
        apart. Its state outlives workers, and reloads that change neither of the numbers.
        """
        return self._rates.limit(what, rate, burst)

    def take_permit(self, key: str, limit: int) -> int:
        """1: one more of this key runs now, and gives its permit back when it is over; 0: `limit` run
        already, in all workers together; -1: there is no place to count another key.
        """
        return self._permits.take("", key, limit, 1)

    def give_permit(self, key: str) -> None:
        """It is over. What a worker held that is killed comes back by itself."""
        self._permits.give("", key)

    @cached_property
    def _rates(self) -> RateTable:
        memory = KeyMemory.private(4096, 4096)
        return RateTable(memory.rates, memory.seed)

    @cached_property
    def _permits(self) -> KeyPermits:
        memory = KeyMemory.private(4096, SLOTS * 4096)
        return KeyPermits(memory.permits, memory.seed, 0)

    @abstractmethod
    def log(self, text: str, *args: object, level: int = 20) -> None:
        """Write to Headgate's log, under the middleware's name."""
