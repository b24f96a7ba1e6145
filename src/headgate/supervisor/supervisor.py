"""The supervisor: composes the pieces, reacts to signals, and decides when to give up."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys

from headgate.base.logs import open_log
from headgate.base.process import raise_open_files, set_title
from headgate.ipc import Message
from headgate.shm import region
from headgate.supervisor.banner import banner
from headgate.supervisor.control import Control
from headgate.supervisor.fleet import Fleet
from headgate.supervisor.loop import Loop
from headgate.supervisor.options import Options
from headgate.supervisor.publishing import Outcome, Publishing
from headgate.supervisor.shutdown import Shutdown, Stage
from headgate.supervisor.sockets import Sockets


class Supervisor:
    """One run from start to end. `run` returns the exit code."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._log: logging.Logger = open_log("supervisor", options.log or "")
        self._loop = Loop()
        self._memory = region.create()
        self._sockets = Sockets()
        self._fleet = Fleet(
            self._loop, self._log, self._sockets, self._memory, options.log or "", self._changed
        )
        self._publishing = Publishing(self._loop, self._log, self._sockets, self._fleet, self._outcome)
        self._control = Control(
            self._loop,
            self._log,
            options,
            self._memory,
            self._sockets,
            self._from_controller,
            self._controller_died,
        )
        self._shutdown = Shutdown(
            self._loop, self._log, self._fleet, self._control, self._sockets, self._over
        )
        self._fleet.on_answer = lambda body: self._control.tell("answer", body)
        self._code = 0
        self._announced = False

    def run(self) -> int:
        """Serve until told to stop. Returns 0, or 1 or 2 when it could not start."""
        raise_open_files()
        set_title("headgate")
        self._loop.on_signals(
            {
                signal.SIGTERM: self._stop_signal,
                signal.SIGINT: self._stop_signal,
                signal.SIGHUP: self._control.reload,
                signal.SIGUSR1: self._reopen,
                signal.SIGCHLD: self._reap,
            }
        )
        # Workers load their code without the configuration: the first start beside the controller.
        self._control.start(lambda: self._publishing.current)
        self._fleet.resize(self._options.workers or 1)
        try:
            return self._loop.run()
        finally:
            self._close()

    def _close(self) -> None:
        self._sockets.close_all()
        self._control.close()
        self._loop.close()
        os.close(self._memory)

    def _from_controller(self, message: Message) -> None:
        match message.kind:
            case "hello":
                self._changed()
            case "publish":
                self._publishing.publish(message)
            case "endpoints":
                self._publishing.patch(message)
            case "ask":
                number, workers = message.body["number"], self._fleet.ask(message.body)
                self._control.tell("asked", {"number": number, "workers": workers})
            case "failed" if self._publishing.current is None:
                self._give_up(message.body["problems"], message.body["code"])

    def _outcome(self, outcome: Outcome) -> None:
        if not outcome.published and self._publishing.current is None:
            self._give_up(outcome.reasons, outcome.code)
            return
        self._changed()  # before it goes on with what is published, it knows who serves that
        self._control.published(outcome.reasons)
        current = self._publishing.current
        if outcome.published and not self._announced and current:
            self._announced = True
            _print(banner(current.product, current.provider, current.workers, self._sockets.table))

    def _give_up(self, problems: list[str], code: int) -> None:
        """Nothing was ever served: say why, and end."""
        if self._shutdown.stage is Stage.NO:
            _print("".join(f"{problem}\n" for problem in problems))
            self._code = code
            self._shutdown.stop()

    def _controller_died(self, reason: str) -> bool:
        if self._publishing.current is None:
            self._give_up([f"headgate: the controller {reason} before anything was served"], 1)
        else:
            self._publishing.abandon("the controller died while it was published")
        self._shutdown.check()
        return self._publishing.current is not None

    def _changed(self) -> None:
        """Tell the controller how the fleet is: it answers /readyz and /metrics from it."""
        current = self._publishing.current
        if current:
            up_to_date = [slot for slot in self._fleet.serving if slot.serving == current.number]
            self._control.tell(
                "state",
                {
                    "version": current.version,
                    "wanted": self._fleet.wanted,
                    "serving": len(up_to_date),
                    "slots": len(self._fleet.slots),
                    "worker_restarts": self._fleet.restarts,
                    "controller_restarts": self._control.restarts.count,
                },
            )
        self._shutdown.check()

    def _stop_signal(self) -> None:
        self._shutdown.request(self._publishing.current)

    def _reopen(self) -> None:
        self._fleet.tell("reopen")
        self._control.tell("reopen")

    def _reap(self) -> None:
        self._fleet.reap()
        self._control.reap()
        self._shutdown.check()

    def _over(self) -> None:
        self._loop.stop(self._code)


def _print(text: str) -> None:
    with contextlib.suppress(OSError):  # a closed terminal must not end the proxy
        sys.stderr.write(text)
        sys.stderr.flush()
