"""How everything ends: readiness fails, then listening stops, then exchanges finish, then processes end.

UNREADY ──pre_stop_delay──▶ DRAINING ──all workers gone, or drain_timeout──▶ STOPPING ──▶ over
a second signal ───────────────────────────────────────────▲
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum

from headgate.supervisor.control import Control
from headgate.supervisor.edition import Edition
from headgate.supervisor.fleet import Fleet
from headgate.supervisor.loop import Loop
from headgate.supervisor.sockets import Sockets

CLOSE_SECONDS = 1.0  # for workers to take what waits in their queues and close their sockets
KILL_SECONDS = 3.0  # from being told to stop to SIGKILL: records are written in between


class Stage(Enum):
    """How far it is."""

    NO = 0
    UNREADY = 1
    DRAINING = 2
    STOPPING = 3


class Shutdown:
    """Begun by a signal; calls `on_over` when no process is left."""

    def __init__(
        self,
        loop: Loop,
        log: logging.Logger,
        fleet: Fleet,
        control: Control,
        sockets: Sockets,
        on_over: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._log = log
        self._fleet = fleet
        self._control = control
        self._sockets = sockets
        self._on_over = on_over
        self._drain_timeout = 0.0
        self._over = False
        self.stage = Stage.NO

    def request(self, edition: Edition | None) -> None:
        """A signal to stop: the first drains, a second one stops at once."""
        if self.stage is not Stage.NO or edition is None:
            self.stop()
            return
        self.stage = Stage.UNREADY
        self._drain_timeout = edition.drain_timeout
        self._log.info(
            "stopping: %d workers drain for up to %g s", len(self._fleet.serving), edition.drain_timeout
        )
        self._fleet.fail_readiness()
        self._control.tell("unready")
        self._loop.later(edition.pre_stop_delay, self._drain)

    def _drain(self) -> None:
        if self.stage is not Stage.UNREADY:
            return
        self.stage = Stage.DRAINING
        self._fleet.stopping = True
        self._fleet.tell("drain")
        self._loop.later(CLOSE_SECONDS, self._sockets.close_all)
        self._loop.later(self._drain_timeout, self._late)
        self.check()

    def _late(self) -> None:
        if self.stage is Stage.DRAINING:
            self._log.warning("the drain limit of %g s is over; what still runs is cut", self._drain_timeout)
            self.stop()

    def stop(self) -> None:
        """End every process now."""
        if self.stage is Stage.STOPPING:
            self._kill()
            return
        self.stage = Stage.STOPPING
        self._fleet.stopping = True
        self._control.stopping = True
        self._fleet.tell("stop")
        self._control.tell("stop")
        self._loop.later(KILL_SECONDS, self._kill)
        self.check()

    def _kill(self) -> None:
        self._fleet.kill()
        self._control.kill()

    def check(self) -> None:
        """Look whether the next stage is reached. Called whenever a process changed."""
        if self.stage is Stage.DRAINING:
            if all(slot.closed for slot in self._fleet.alive):
                self._sockets.close_all()
            if not self._fleet.alive:
                self.stop()
        elif (
            self.stage is Stage.STOPPING
            and not self._over
            and not self._fleet.alive
            and not self._control.alive
        ):
            self._over = True
            self._sockets.close_all()
            self._on_over()
