"""Progressive rollouts: a share of a route grows step by step, and loses everything when it does badly.

The weights are set where orders set them, and where a rollout is stands in shared memory, so that reloads and
new controllers go on with it. What was measured in a step is measured anew by a new controller.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from headgate.controller.splits import set_weights, weights_of
from headgate.core.cells import Sums
from headgate.core.rollouts import Bounds, Cause, Decision, Figures, Phase, Progress, weights_at
from headgate.core.shared import SharedTable
from headgate.shm.names import rollout_cell

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.controller.status import Status
    from headgate.shm.region import Region
    from headgate.spec import Rollout, Route, Snapshot

TICK_SECONDS = 0.25
LOOKS = 60  # that are kept of a window

Words = tuple[list[int], list[int]]  # of the share that grows, and of all others together


class RolloutRefused(Exception):
    """An order that cannot be followed now; with the reason and what to do instead."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class Measures:
    """What the shares did in a step, and in the last part of it."""

    def __init__(self, words: Words, window: float, now: float) -> None:
        self._first = self._last = words
        self._window = window
        self._looks: deque[tuple[float, Words]] = deque([(now, words)])

    def look(self, words: Words, now: float) -> None:
        """Take in the counters as they are now."""
        self._last = words
        if now - self._looks[-1][0] >= self._window / LOOKS:
            self._looks.append((now, words))
        while len(self._looks) > 1 and self._looks[1][0] <= now - self._window:
            self._looks.popleft()

    @property
    def window(self) -> tuple[Figures, Figures]:
        """Figures of both in the window."""
        return self._since(self._looks[0][1])

    @property
    def step(self) -> tuple[Figures, Figures]:
        """Figures of both in the step."""
        return self._since(self._first)

    def _since(self, words: Words) -> tuple[Figures, Figures]:
        return Figures.between(words[0], self._last[0]), Figures.between(words[1], self._last[1])


class Rollouts:
    """All rollouts of what is served. `served` gives the snapshot of now."""

    def __init__(
        self, log: logging.Logger, region: Region, status: Status, served: Callable[[], Snapshot]
    ) -> None:
        self._log = log
        self._region = region
        self._status = status
        self._served = served
        self._table = SharedTable(region.shared)
        self._measures: dict[str, Measures] = {}
        self._changed = asyncio.Event()

    def settle(self) -> None:
        """Another snapshot is served."""
        self._changed.set()

    async def run(self) -> None:
        """Go on with all of them until cancelled."""
        while True:
            self._changed.clear()
            routes = [route for route in self._served().routes if route.rollout is not None]
            running = self.tick(routes, time.monotonic())
            try:
                await asyncio.wait_for(self._changed.wait(), TICK_SECONDS if running else None)
            except TimeoutError:
                continue

    def tick(self, routes: list[Route], now: float) -> bool:
        """Look at the rollouts of these routes, which are all that have one. Whether any runs."""
        for name in self._measures.keys() - {route.name for route in routes}:
            del self._measures[name]
        running = [route for route in routes if self.progress(route).phase is Phase.RUNNING]
        if running:
            sums = self._sums()
            for route in running:
                self._look(route, sums, now)
        return bool(running)

    def _look(self, route: Route, sums: Sums, now: float) -> None:
        policy, progress = _policy(route), self.progress(route)
        if weights_of(self._region, route) != _weights(route, policy.steps[progress.step].percent):
            progress.decide(Decision.PAUSED, Phase.PAUSED, Cause.WEIGHTS)
            self._say(route, "paused, for its weights were set by an order; `resume` takes them back")
            return
        words = _words(route, sums)
        measures = self._measures.get(route.name)
        if measures is None:
            measures = self._measures[route.name] = Measures(words, policy.window, now)
        measures.look(words, now)
        if (
            self._judge(route, progress, measures)
            and now >= progress.began + policy.steps[progress.step].seconds
        ):
            self._advance(route, progress, sums, now)

    def _judge(self, route: Route, progress: Progress, measures: Measures) -> bool:
        """Take everything back if it is too bad. Whether enough of the step is known to be good."""
        policy = _policy(route)
        bounds = Bounds(policy.error_margin, policy.p99_factor)
        known = False
        for new, old in (measures.window, measures.step):
            if old.requests >= policy.minimum:
                progress.remember(old)
            beside = old if old.requests >= policy.minimum else progress.old
            known = new.requests >= policy.minimum and beside is not None
            if known and beside is not None and (cause := bounds.broken_by(new, beside)):
                self._end(route, progress, Decision.ROLLED_BACK, Phase.ROLLED_BACK, cause)
                self._say(route, f"taken back: {_shown_cause(cause, new, beside)}", logging.WARNING)
                return False
        return known  # of the step, which comes last

    def _advance(self, route: Route, progress: Progress, sums: Sums, now: float) -> None:
        if progress.step + 1 < len(_policy(route).steps):
            progress.decide(Decision.ADVANCED, Phase.RUNNING)
            self._enter(route, progress, progress.step + 1, sums, now)
        else:
            progress.decide(Decision.FINISHED, Phase.DONE)
            self._say(route, "finished")

    def _enter(self, route: Route, progress: Progress, step: int, sums: Sums, now: float) -> None:
        """Be in a step from now on, and measure it."""
        policy = _policy(route)
        percent = policy.steps[step].percent
        progress.enter(step, now)
        set_weights(self._region, route, _weights(route, percent))
        self._measures[route.name] = Measures(_words(route, sums), policy.window, now)
        self._say(route, f"step {step + 1} of {len(policy.steps)}: {percent:g}% to {policy.to}")
        self.settle()

    def _end(
        self, route: Route, progress: Progress, decision: Decision, phase: Phase, cause: Cause = Cause.NONE
    ) -> None:
        """Give it nothing any more."""
        set_weights(self._region, route, _weights(route, 0.0))
        progress.decide(decision, phase, cause)
        self._measures.pop(route.name, None)

    # --- Orders ---

    def start(self, route: Route) -> None:
        """Begin with the first step. Raises RolloutRefused."""
        progress = self.progress(route)
        if progress.phase in (Phase.RUNNING, Phase.PAUSED):
            raise RolloutRefused(
                f"the rollout of {route.name} has begun already", "abort it first, or resume it"
            )
        self._start(route, progress)

    def _start(self, route: Route, progress: Progress) -> None:
        sums = self._sums()
        _, others = _words(route, sums)
        before = Figures.between([0] * len(others), others)
        progress.remember(before if before.requests >= _policy(route).minimum else None)
        progress.decide(Decision.STARTED, Phase.RUNNING)
        self._enter(route, progress, 0, sums, time.monotonic())

    def pause(self, route: Route) -> None:
        """Stay in the step, with the weights that it has. Raises RolloutRefused."""
        progress = self._in(route, Phase.RUNNING)
        progress.decide(Decision.PAUSED, Phase.PAUSED)
        self._say(route, "paused, as ordered")

    def resume(self, route: Route) -> None:
        """Go on; the step begins anew. Raises RolloutRefused."""
        progress = self._in(route, Phase.PAUSED)
        progress.decide(Decision.RESUMED, Phase.RUNNING)
        self._enter(route, progress, progress.step, self._sums(), time.monotonic())

    def abort(self, route: Route) -> None:
        """Take everything back. Raises RolloutRefused."""
        progress = self._in(route, Phase.RUNNING, Phase.PAUSED, Phase.DONE)
        self._end(route, progress, Decision.ABORTED, Phase.ABORTED)
        self._say(route, "aborted, as ordered")

    def _in(self, route: Route, *phases: Phase) -> Progress:
        progress = self.progress(route)
        if progress.phase not in phases:
            known = progress.phase.name.lower().replace("_", " ")
            allowed = " or ".join(phase.name.lower() for phase in phases)
            raise RolloutRefused(f"the rollout of {route.name} is {known}, not {allowed}", "see its status")
        return progress

    # --- What is there ---

    def progress(self, route: Route) -> Progress:
        """Where the rollout of a route is. One that is new, or has other steps now, is at its beginning."""
        progress = Progress(self._table.cell(rollout_cell(route.name)))
        plan = _plan(route)
        if progress.plan != plan:
            if progress.phase in (Phase.RUNNING, Phase.PAUSED):
                self._say(
                    route, "its steps are others now; the one before is over, with its weights as they are"
                )
            progress.adopt(plan)
            self._measures.pop(route.name, None)
            if _policy(route).by_file:
                self._start(route, progress)
        return progress

    def shown(self, route: Route) -> dict[str, Any]:
        """A rollout as plain data."""
        policy, progress = _policy(route), self.progress(route)
        measures = self._measures.get(route.name)
        runs = progress.phase in (Phase.RUNNING, Phase.PAUSED)
        cause = progress.cause
        return {
            "route": route.name,
            "to": policy.to,
            "phase": progress.phase.name.lower(),
            "cause": None if cause is Cause.NONE else cause.name.lower(),
            "step": progress.step + 1 if runs else None,
            "for_seconds": round(time.monotonic() - progress.began, 3) if runs else None,
            "steps": [{"percent": one.percent, "seconds": one.seconds} for one in policy.steps],
            "weights": weights_of(self._region, route),
            "window": _shown_figures(*measures.window) if measures else None,
            "whole_step": _shown_figures(*measures.step) if measures else None,
            "decisions": {one.name.lower(): progress.count(one) for one in Decision},
        }

    def _sums(self) -> Sums:
        return Sums([self._region.slot(number) for number in range(self._status.slots)])

    def _say(self, route: Route, what: str, level: int = logging.INFO) -> None:
        self._log.log(level, "rollout of route %s: %s", route.name, what)


def _policy(route: Route) -> Rollout:
    assert route.rollout is not None
    return route.rollout


def _plan(route: Route) -> int:
    """What has to be the same for a rollout to be the same: where it goes, among whom, and how."""
    policy = _policy(route)
    parts = [policy.to, *(share.name for share in route.services)]
    parts += [f"{step.percent!r} {step.seconds!r}" for step in policy.steps]
    return int.from_bytes(hashlib.blake2b("\n".join(parts).encode(), digest_size=8).digest(), "little") | 1


def _weights(route: Route, percent: float) -> dict[str, int]:
    names = [share.name for share in route.services]
    to = names.index(_policy(route).to)
    weights = weights_at(percent, to, [share.weight for share in route.services])
    return dict(zip(names, weights, strict=True))


def _words(route: Route, sums: Sums) -> Words:
    to = _policy(route).to
    new = next(sums.of(share.metric) for share in route.services if share.name == to)
    others = [sums.of(share.metric) for share in route.services if share.name != to]
    return new, [sum(words) for words in zip(*others, strict=True)]


def _shown_cause(cause: Cause, new: Figures, old: Figures) -> str:
    if cause is Cause.ERRORS:
        return (
            f"{new.error_ratio:.2%} of {new.requests} exchanges failed, of the others {old.error_ratio:.2%}"
        )
    return f"p99 of {new.requests} exchanges is {new.p99:.3f} s, of the others {old.p99:.3f} s"


def _shown_figures(new: Figures, old: Figures) -> dict[str, Any]:
    return {
        name: {
            "requests": one.requests,
            "error_ratio": round(one.error_ratio, 6) if one.requests else None,
            "p99": round(one.p99, 6) if one.requests else None,
        }
        for name, one in (("new", new), ("old", old))
    }
