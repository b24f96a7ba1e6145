"""Who is probed when, and what results make of an endpoint."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from headgate.controller.probes.asking import Contexts, Target, ask
from headgate.core.rotation import HealthWord, Mode, ProbeState

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable

    from headgate.controller.rotation import Fleet, LiveEndpoint
    from headgate.spec import Snapshot


AT_ONCE = 256


class Asking:
    """What all probes share."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self.contexts = Contexts()
        # Thousands of endpoints that are new must not mean as many handshakes at the same time.
        self.turns = asyncio.Semaphore(at_once)

    async def ask(self, target: Target) -> str:
        """What is wrong with a target, or ""; when it is its turn."""
        async with self.turns:
            return await ask(target, self.contexts)


class Probe:
    """The probes of one address. Its state is in the shared cell, so that it outlives all of us. A simulation
    asks, waits and draws lots otherwise.
    """

    def __init__(
        self,
        log: logging.Logger,
        target: Target,
        live: LiveEndpoint,
        *,
        ask: Callable[[Target], Awaitable[str]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        lots: random.Random | None = None,
    ) -> None:
        self.target = target
        self._ask = ask
        self._sleep = sleep
        self._lots = lots or random.Random()  # noqa: S311 - spreads load, keeps no secret
        self._log = log
        self._live = live
        self._against = 0  # results in a row that differ from the state

    def take(self, fault: str) -> None:
        """A result: what is wrong, or ""."""
        check, state = self.target.check, self._live.probe_state
        self._live.cell.increase(HealthWord.PROBES_FAILED if fault else HealthWord.PROBES_PASSED)
        found = ProbeState.PROBE_UNHEALTHY if fault else ProbeState.PROBE_HEALTHY
        if found == state:
            self._against = 0
            return
        self._against += 1
        first = state not in (ProbeState.PROBE_HEALTHY, ProbeState.PROBE_UNHEALTHY)
        if first or self._against >= (check.unhealthy if fault else check.healthy):
            self._against = 0
            self._live.set_probe_state(found)
            self._say(fault, first=first)

    def _say(self, fault: str, *, first: bool) -> None:
        name = f"endpoint {self.target.endpoint} of {self.target.service}"
        if fault:
            self._log.warning("%s is unhealthy: %s", name, fault)
        elif not first:
            self._log.info("%s is healthy again", name)

    @property
    def pause(self) -> float:
        """Seconds until the next probe."""
        check = self.target.check
        usual = check.fast_interval if self._against else check.interval
        return usual * (1 + check.jitter * self._lots.uniform(-1, 1))

    async def run(self) -> None:
        """Probe for ever; what is new is probed at once, the rest spread over an interval."""
        if self._live.probe_state in (ProbeState.PROBE_HEALTHY, ProbeState.PROBE_UNHEALTHY):
            await self._sleep(self.target.check.interval * self._lots.random())
        while True:
            if self._live.orders.mode is not Mode.DISABLED:
                self.take(await self._ask(self.target))
            await self._sleep(self.pause)


class Probes:
    """All probes of what is served."""

    def __init__(self, log: logging.Logger, fleet: Fleet, asking: Asking | None = None) -> None:
        self._log = log
        self._fleet = fleet
        self._asking = asking or Asking()
        self._running: dict[Target, asyncio.Task[None]] = {}

    def settle(self, snapshot: Snapshot) -> None:
        """Probe the endpoints of this snapshot, and no others. Who is probed as before is left alone."""
        wanted = {
            Target.of(service, endpoint, live.identity[2]): live
            for service, endpoint, live in self._fleet.endpoints(snapshot)
            if service.health_check is not None
        }
        for target in self._running.keys() - wanted.keys():
            self._running.pop(target).cancel()
        self._asking.contexts.keep(wanted)
        for target, live in wanted.items():
            if target not in self._running:
                task = asyncio.ensure_future(Probe(self._log, target, live, ask=self._asking.ask).run())
                task.add_done_callback(self._ended)
                self._running[target] = task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._log.error("an endpoint is not probed any more: %r", error, exc_info=error)

    async def close(self) -> None:
        """Stop probing."""
        tasks = list(self._running.values())
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
