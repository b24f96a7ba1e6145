"""A snapshot as the supervisor holds it: bytes that it does not read, and what it must do for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate.base.process import Identity
from headgate.supervisor.sockets import Binding


@dataclass(slots=True)
class Edition:
    """One published snapshot. `memory` is a sealed memfd, owned by whoever holds the edition."""

    number: int  # of its publication
    version: int
    digest: str
    memory: int
    workers: int
    bindings: list[Binding]
    drain_timeout: float  # seconds
    pre_stop_delay: float  # seconds
    identity: Identity | None
    product: str  # name and version, for people
    provider: str  # where it came from, for people

    @classmethod
    def of(cls, number: int, body: Mapping[str, Any], memory: int, identity: Identity | None) -> Edition:
        """The edition that the controller's message `publish` describes."""
        return cls(
            number=number,
            version=body["version"],
            digest=body["digest"],
            memory=memory,
            workers=body["workers"],
            bindings=[Binding.of(fields) for fields in body["bindings"]],
            drain_timeout=body["drain_timeout"],
            pre_stop_delay=body["pre_stop_delay"],
            identity=identity,
            product=body["product"],
            provider=body["provider"],
        )
