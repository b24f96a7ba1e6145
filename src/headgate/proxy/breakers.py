"""Breakers of services and endpoints: made of their policy, and what the log says of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from headgate.core.breaker import Breaker, Change

if TYPE_CHECKING:
    from headgate import spec
    from headgate.core.shared import SharedCell

_log = logging.getLogger("headgate")


def breaker_of(cell: SharedCell, policy: spec.Breaker) -> Breaker:
    """The breaker whose state is in a cell."""
    return Breaker(
        cell,
        error_ratio=policy.error_ratio,
        slow_ratio=policy.slow_ratio,
        slow_seconds=policy.slow_seconds,
        consecutive=policy.consecutive,
        minimum=policy.minimum,
        window=policy.window,
        open_seconds=policy.open_seconds,
        longest_seconds=policy.longest_seconds,
        trials=policy.trials,
        statuses=policy.statuses,
    )


def report(service: bytes, endpoint: bytes, breaker: Breaker, now: float) -> None:
    """Say in the log what the last call of a breaker changed; of the many workers only one says it."""
    name = service.decode() + (f" for {endpoint.decode()}" if endpoint else "")
    match breaker.last_change:
        case Change.NOW_OPEN:
            _log.warning("breaker of %s: open for %.3g s", name, breaker.seconds_left(now))
        case Change.NOW_HALF_OPEN:
            _log.info("breaker of %s: half-open, trying again", name)
        case Change.NOW_CLOSED:
            _log.info("breaker of %s: closed", name)
