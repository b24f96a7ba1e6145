"""What is written of attempts, as the data that workers read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate import spec
from headgate.base.units import parse_duration
from headgate.config.model.attempts import GRPC_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headgate.config import model as written


def retry(section: written.Retry | None) -> spec.Retry | None:
    """The policy of a route for attempts after the first."""
    if section is None:
        return None
    grpc = [cause.removeprefix("grpc:") for cause in section.on if cause.startswith("grpc:")]
    return spec.Retry(
        attempts=section.attempts,
        causes=tuple(cause for cause in section.on if cause.isalpha() and not cause.endswith("xx")),
        statuses=tuple(sorted(set(_statuses(section.on)))),
        grpc_statuses=tuple(GRPC_STATUSES.index(name) for name in grpc),
        methods=section.methods,
        backoff=section.backoff.base,
        backoff_most=section.backoff.max,
        retry_after=section.retry_after,
        per_try_timeout=section.per_try_timeout,
    )


def _statuses(causes: Iterable[str]) -> Iterator[int]:
    for cause in causes:
        if cause.endswith("xx"):
            yield from range(int(cause[0]) * 100, int(cause[0]) * 100 + 100)
        elif cause.isdecimal():
            yield int(cause)


def hedge(section: written.Hedge | None) -> spec.Hedge | None:
    """The policy of a route for a second attempt beside the first."""
    if section is None:
        return None
    if section.after.startswith("p"):
        return spec.Hedge(percentile=float(section.after[1:]), percent=section.budget)
    return spec.Hedge(delay=parse_duration(section.after), percent=section.budget)


def retry_budget(section: written.RetryBudget | None) -> spec.RetryBudget | None:
    """How much retries may add to the requests of a service."""
    if section is None:
        return None
    return spec.RetryBudget(percent=section.percent, per_second=float(section.per_second))
