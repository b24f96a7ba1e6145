"""How things stand: what /readyz and the metrics of the roles are made from."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(slots=True)
class Status:
    """Kept by the controller: what the supervisor last said, and how the last reload went."""

    version: int = 0
    wanted: int = 0
    serving: int = 0
    slots: int = 0
    worker_restarts: int = 0
    controller_restarts: int = 0
    stopping: bool = False
    started: float = field(default_factory=time.time)
    reloads: int = 0
    refusals: int = 0
    last_reload: float = 0.0  # epoch seconds of the last one that is served
    problems: tuple[str, ...] = ()  # of the last reload; empty when it is served

    @property
    def ready(self) -> bool:
        """The published snapshot is served by all workers, and nobody asked us to stop."""
        return not self.stopping and self.version > 0 and self.serving >= self.wanted > 0

    def know(self, state: Mapping[str, int]) -> None:
        """Take over what the supervisor says about the fleet."""
        self.version = state["version"]
        self.wanted = state["wanted"]
        self.serving = state["serving"]
        self.slots = state["slots"]
        self.worker_restarts = state["worker_restarts"]
        self.controller_restarts = state["controller_restarts"]

    def accepted(self) -> None:
        """A configuration is served."""
        self.reloads += 1
        self.last_reload = time.time()
        self.problems = ()

    def refused(self, problems: list[str]) -> None:
        """A configuration was refused: the one before is served on."""
        self.refusals += 1
        self.problems = tuple(problems)

    def text(self) -> str:
        """A few lines for people; the first says whether it is ready."""
        first = "stopping" if self.stopping else "ready" if self.ready else "not ready"
        lines = [first, f"{self.serving} of {self.wanted} workers serve snapshot {self.version}"]
        if self.last_reload:
            when = datetime.fromtimestamp(self.last_reload, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            lines.append(f"configuration loaded {when}")
        if self.problems:
            lines.append("the last reload was refused:")
            lines += [f"  {line}" for problem in self.problems for line in problem.splitlines()]
        return "\n".join(lines) + "\n"

    def roles(self) -> dict[str, float]:
        """The values of observe.families.ROLES."""
        return {
            "workers": self.wanted,
            "workers_ready": self.serving,
            "worker_restarts_total": self.worker_restarts,
            "controller_restarts_total": self.controller_restarts,
            "started_timestamp_seconds": self.started,
            "reloads_total": self.reloads,
            "reload_failures_total": self.refusals,
            "reload_last_success": 0.0 if self.problems else 1.0,
            "reload_last_success_timestamp_seconds": self.last_reload,
        }
