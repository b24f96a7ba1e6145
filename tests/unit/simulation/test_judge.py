"""Each rule is broken by some worker that is not as it should be: workers run one file and are judged by
another, or somebody meddles with the state that they share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headgate import config
from headgate.core.breaker import BreakerState, order
from headgate.core.cells import Block, Word, WorkerWord
from headgate.core.rotation import HealthWord
from headgate.shm.names import service_cell
from headgate.simulation.judge import Judge
from headgate.simulation.outcome import endpoint_cells
from headgate.simulation.scenario import parse
from headgate.simulation.trial import Trial, run
from headgate.simulation.world import World
from headgate.spec import Snapshot

FAILING = "events: [{ at: 0s, errors: 100% }]"
SLOW = "events: [{ at: 0s, latency: 1s }]"


def snapshot(route: dict[str, Any] | None = None, service: dict[str, Any] | None = None) -> Snapshot:
    endpoints = [f"10.0.0.{number}:80" for number in range(1, 5)]
    loaded = config.validate(
        {
            "listeners": {"web": {"bind": "127.0.0.1:8080"}},
            "routes": [{"name": "all", "service": "app"} | (route or {})],
            "services": {"app": {"endpoints": endpoints} | (service or {})},
        }
    )
    assert loaded.model is not None, loaded.problems
    return config.compile(loaded.model)


def retry(attempts: int) -> dict[str, Any]:
    return {"retry": {"attempts": attempts, "on": ["connect", "reset", "timeout", 503], "backoff": "off"}}


def hedge(percent: int) -> dict[str, Any]:
    return {"hedge": {"after": "20ms", "budget": f"{percent}%"}}


def outliers(share: str) -> dict[str, Any]:
    return {"outliers": {"consecutive_errors": 2, "max_ejected": share}}


PAIRS = {
    "more than 2 run": (snapshot(service={"concurrency": 9}), snapshot(service={"concurrency": 2}), SLOW),
    "4 endpoints of app are ejected": (
        snapshot(service=outliers("100%")),
        snapshot(service=outliers("30%")),
        FAILING,
    ),
    "8 attempts on route all": (
        snapshot(retry(8), {"retry_budget": "off"}),
        snapshot(retry(2), {"retry_budget": "off"}),
        FAILING,
    ),
    "requests went upstream": (snapshot(retry(4), {"retry_budget": "off"}), snapshot(retry(4)), FAILING),
    "hedges for": (snapshot(hedge(100)), snapshot(hedge(1)), SLOW),
    "which may take 0.1 s": (snapshot(), snapshot({"timeouts": {"request": "100ms"}}), SLOW),
}


def tried(served: Snapshot, judge: Judge, more: str) -> Trial:
    return run(served, parse(f"duration: 5s\n{more}"), 1, judge=judge)


@pytest.mark.parametrize("fault", PAIRS)
def test_a_policy_that_is_another_is_found_out(fault: str) -> None:
    served, rules, more = PAIRS[fault]
    assert any(fault in text for text in tried(served, Judge(rules), more).faults)
    assert tried(served, Judge(served), more).faults == ()


class Meddler(Judge):
    """Does something to the world, once, after a second."""

    def __init__(self, rules: Snapshot, meddle: Callable[[World], None]) -> None:
        super().__init__(rules)
        self._meddle = meddle
        self._done = False

    def looked(self, world: World) -> None:
        """Meddle, then look."""
        if world.now >= 1 and not self._done:
            self._done = True
            self._meddle(world)
        super().looked(world)


BREAKER = {"breaker": {"scope": "service"}}


def eject_silently(world: World) -> None:
    _, cell = next(endpoint_cells(world, world.snapshot.services[0]))
    cell.write(HealthWord.EJECTED_UNTIL, int((world.clock.now + 60) * 1e6))


def open_breaker(world: World) -> None:
    cell = world.table.cell(service_cell("app"))
    order(cell, BreakerState.HELD_OPEN, world.clock.now)


def count_too_much(world: World) -> None:
    Block(world.workers[0].memory, world.snapshot.services[0].metric).increase(Word.IN_FLIGHT)


def report_an_error(world: World) -> None:
    Block(world.workers[0].memory, 0).increase(WorkerWord.WORKER_ERRORS)


def fail(_world: World) -> None:
    raise RuntimeError("a bug")


MEDDLING = {
    "an attempt at 10.0.0.1:80 of app, which is ejected": (eject_silently, {}),
    "an attempt through an open breaker of app": (open_breaker, BREAKER),
    "IN_FLIGHT of service app is 1 in the end": (count_too_much, {}),
    "1 errors of our own": (report_an_error, {}),
    "RuntimeError: a bug": (fail, {}),
}


@pytest.mark.parametrize("fault", MEDDLING)
def test_who_is_not_told_or_forgets_is_found_out(fault: str) -> None:
    meddle, of_rules = MEDDLING[fault]
    trial = tried(snapshot(), Meddler(snapshot(service=of_rules), meddle), "")
    assert any(fault in text for text in trial.faults), trial.faults
