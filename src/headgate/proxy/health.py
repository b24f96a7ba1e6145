"""Rotation and outlier detection of a service, made of their policies, and what the log says of ejections."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from headgate.core.outliers import Observed, Outliers, Reason
from headgate.core.rotation import Rotation

if TYPE_CHECKING:
    from headgate import spec
    from headgate.core.levels import Levels
    from headgate.core.shared import SharedCell

_log = logging.getLogger("headgate")

_REASONS = {
    Reason.CONSECUTIVE_ERRORS: "too many errors one after the other",
    Reason.ERROR_RATIO: "more errors than the others",
    Reason.LATENCY: "slower than the others",
}


def rotation_of(
    service: spec.Service,
    cell: SharedCell,
    cells: list[SharedCell],
    weights: list[int],
    *,
    ramps: bool,
    members: list[bool] | None = None,
    levels: Levels | None = None,
) -> Rotation:
    """Who of the endpoints with these cells may be chosen."""
    backup = [entry.backup for entry in service.endpoints for _ in entry.addresses]
    return Rotation(
        cell,
        cells,
        weights,
        backup,
        slow_start=service.slow_start,
        panic_share=service.panic,
        ramps=ramps,
        members=members,
        falls_back=service.subset_fallback,
        levels=levels,
    )


def outliers_of(
    service: spec.Service, cell: SharedCell, observed: list[Observed], names: list[bytes]
) -> Outliers | None:
    """The outlier detection of a service, or None when it has none. `names` are those of the endpoints."""
    policy = service.outliers
    if policy is None:
        return None
    known = {id(one): name.decode() for one, name in zip(observed, names, strict=True)}
    verb = "would be ejected" if policy.dry_run else "is ejected"

    def report(one: Observed, reason: Reason, seconds: float) -> None:
        _log.warning(
            "endpoint %s of %s %s for %.3g s: %s",
            known[id(one)],
            service.name,
            verb,
            seconds,
            _REASONS[reason],
        )

    # The only endpoint is never ejected: there is nobody to take its part.
    most = max(1, int(policy.share * len(observed))) if len(observed) > 1 else 0
    return Outliers(
        cell,
        observed,
        consecutive=policy.consecutive,
        error_ratio=policy.error_ratio,
        latency=policy.latency,
        latency_floor=policy.latency_floor,
        interval=policy.interval,
        minimum=policy.minimum,
        ejection_seconds=policy.ejection,
        longest_seconds=policy.longest_ejection,
        most=most,
        dry_run=policy.dry_run,
        report=report,
    )
