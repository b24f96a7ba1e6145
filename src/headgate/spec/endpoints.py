"""Endpoints alone, as plain data for a message: what changes when names get other addresses."""

from __future__ import annotations

from typing import Any

import msgspec

from headgate.spec.snapshot import Endpoint, SnapshotError


def plain(endpoints: tuple[Endpoint, ...]) -> Any:
    """The endpoints as lists and dicts that JSON can say."""
    return msgspec.to_builtins(endpoints)


def endpoints(data: Any) -> tuple[Endpoint, ...]:
    """The endpoints in what `plain` gave. Raises SnapshotError when it is something else."""
    try:
        return msgspec.convert(data, tuple[Endpoint, ...])
    except msgspec.ValidationError as error:
        raise SnapshotError(f"no endpoints: {error}") from None
