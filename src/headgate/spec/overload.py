"""What keeps services from being asked for more than they can do: breakers, caps, shedding."""

from __future__ import annotations

from typing import Literal

from headgate.spec.answers import Respond
from headgate.spec.data import Data


class Breaker(Data, frozen=True):
    """When a service or endpoint is asked no more for a while. A ratio, number or time of 0 opens nothing."""

    scope: Literal["service", "endpoint"] = "service"
    error_ratio: float = 0.5
    consecutive: int = 0
    slow_seconds: float = 0.0
    slow_ratio: float = 0.05  # more slow ones than that open it: 0.05 is the 95th percentile
    statuses: tuple[int, ...] = (500, 502, 503, 504)  # that are failures
    window: float = 10.0
    minimum: int = 20  # attempts in the window, for the ratios
    open_seconds: float = 5.0
    longest_seconds: float = 60.0
    trials: int = 3
    fallback: str = ""  # a service
    respond: Respond | None = None


class Concurrency(Data, frozen=True):
    """How many exchanges of a service or route run at a time, in all workers together, and who waits."""

    limit: int = 0  # 0: none
    adaptive: bool = False  # find the limit by latency; `limit` is the most then
    minimum: int = 3  # of an adaptive limit
    endpoint: int = 0  # at a time at each endpoint, services only; 0: no limit
    queue: int = 100  # exchanges that wait in each worker
    queue_timeout: float = 1.0

    @property
    def limits(self) -> bool:
        """Whether it limits anything."""
        return bool(self.limit or self.adaptive or self.endpoint)

    @property
    def most(self) -> int:
        """The most that an adaptive limit can become."""
        return self.limit or 1_000_000


class Overload(Data, frozen=True):
    """When workers shed exchanges by importance; 0 is never."""

    lag: float = 0.0  # seconds that the event loop is late
    memory: int = 0  # bytes of a worker
    importance_header: str = ""  # in which trusted proxies may say it; lower case
