"""The controller's process: started, told what is held, and started again when it dies."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from headgate.ipc import Message, seal
from headgate.supervisor.child import Child
from headgate.supervisor.edition import Edition
from headgate.supervisor.loop import Loop
from headgate.supervisor.options import Options
from headgate.supervisor.restarts import Restarts
from headgate.supervisor.sockets import SHARED, Sockets


class Control:
    """The one controller. Traffic does not need it: without one, nothing changes."""

    def __init__(
        self,
        loop: Loop,
        log: logging.Logger,
        options: Options,
        memory: int,
        sockets: Sockets,
        on_message: Callable[[Message], None],
        on_exit: Callable[[str], bool],
    ) -> None:
        """`on_exit` gets the reason and says whether to start another one."""
        self._loop = loop
        self._log = log
        self._options = options
        self._memory = memory
        self._sockets = sockets
        self._on_message = on_message
        self._on_exit = on_exit
        self._text = None if options.config_text is None else seal(options.config_text, "headgate-config")
        self._started = time.time()
        self._reload_wanted = False
        self._edition: Callable[[], Edition | None] = lambda: None
        self._child: Child | None = None
        self.restarts = Restarts()
        self.stopping = False

    @property
    def alive(self) -> bool:
        """There is a process."""
        return self._child is not None

    def start(self, edition: Callable[[], Edition | None]) -> None:
        """Start it. `edition` tells what is served, now and when it must be started again."""
        self._edition = edition
        self._spawn()

    def _spawn(self) -> None:
        if self.stopping:
            return
        self._child = Child(self._loop, "headgate.controller", self._on_message, self._exited)
        edition = self._edition()
        descriptors = {"memory": self._memory}
        if self._text is not None:
            descriptors["text"] = self._text
        if edition:
            descriptors["snapshot"] = edition.memory
        body = {
            "config": self._options.config,
            "workers": self._options.workers,
            "level": self._options.log or "",
            "started": self._started,
            "digest": edition.digest if edition else "",
            "identity": _numbers(edition),
        }
        self._send("start", body, descriptors | self._admin())
        if self._reload_wanted:
            self.reload()

    def _admin(self) -> dict[str, int]:
        return {
            bound.address: bound.sockets[SHARED].fileno()
            for bound in self._sockets.table.values()
            if bound.binding.admin
        }

    def _send(self, kind: str, body: Mapping[str, Any], descriptors: Mapping[str, int] | None = None) -> None:
        if self._child:
            named = descriptors or {}
            self._child.send(kind, {**body, "descriptors": list(named)}, list(named.values()))

    def published(self, reasons: list[str]) -> None:
        """Tell how a publication ended; without reasons it is served, and these are the admin sockets."""
        body = {"reasons": reasons, "identity": _numbers(self._edition())}
        self._send("published", body, {} if reasons else self._admin())

    def tell(self, kind: str, body: Mapping[str, Any] | None = None) -> None:
        """Send a message, if there is a controller."""
        self._send(kind, body or {})

    def reload(self) -> None:
        """Have the configuration loaded again; when there is no controller now, by the next one."""
        self._reload_wanted = not self._child
        self._send("reload", {})

    def reap(self) -> None:
        """Notice whether it has ended."""
        if self._child:
            self._child.reap()

    def kill(self) -> None:
        """SIGKILL."""
        if self._child:
            self._child.kill()

    def _exited(self, reason: str) -> None:
        lived = self._loop.now() - self._child.started if self._child else 0.0
        self._child = None
        if self._on_exit(reason) and not self.stopping:
            delay = self.restarts.died(lived)
            when = f"in {delay:g} s" if delay else "now"
            self._log.warning("the controller %s; traffic goes on; the next one starts %s", reason, when)
            self._loop.later(delay, self._spawn)

    def close(self) -> None:
        """Close what it holds."""
        if self._text is not None:
            os.close(self._text)


def _numbers(edition: Edition | None) -> list[Any] | None:
    if edition is None or edition.identity is None:
        return None
    return [edition.identity.uid, edition.identity.gid, edition.identity.groups]
