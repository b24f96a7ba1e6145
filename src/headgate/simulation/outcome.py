"""What came of a run, in numbers."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from headgate.core.attempts import OBSTACLES, RETRY_CAUSES, AttemptWord
from headgate.core.breaker import BreakerState, BreakerWord
from headgate.core.cells import Block, Word
from headgate.core.permits import PermitWord
from headgate.core.rotation import HealthWord, RotationWord
from headgate.proxy.breakers import breaker_of
from headgate.shm.names import OVERLOAD_CELL, attempts_cell, endpoint_cell, permits_cell, service_cell
from headgate.simulation.world import LOOK_SECONDS, START

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from headgate import spec
    from headgate.controller.rotation import Identity
    from headgate.core.breaker import Breaker
    from headgate.core.shared import SharedCell
    from headgate.simulation.network import Client
    from headgate.simulation.world import World

Data = dict[str, Any]


class Ended(NamedTuple):
    """One exchange."""

    started: float
    seconds: float
    failure: str  # "" is a good answer
    share: str  # route and name, where there are several services


class Record:
    """A witness that writes down what it sees."""

    def __init__(self) -> None:
        self.ended_ones: list[Ended] = []
        self.attempts: Counter[Identity] = Counter()
        self._world: World | None = None
        self.attempt_times: list[float] = []
        self.ejected: list[int] = []  # at each look
        self.open: list[int] = []
        self.open_looks: Counter[str] = Counter()
        self._ejectable: list[SharedCell] = []
        self._breakers: dict[str, list[Breaker]] = {}

    def watch(self, world: World) -> None:
        """Write down what happens in this world."""
        self._world = world

    def attempted(self, identity: Identity, chosen: bool, panics: bool) -> None:
        """An attempt begins."""
        del chosen, panics
        assert self._world is not None
        self.attempts[identity] += 1
        self.attempt_times.append(self._world.now)

    def ended(self, client: Client) -> None:
        """An exchange is over."""
        share = f"{client.route}: {client.variant}" if client.variant else ""
        self.ended_ones.append(Ended(client.started - START, client.seconds, failure_of(client), share))

    def looked(self, world: World) -> None:
        """See who is ejected, and which breakers are open."""
        if not self.ejected:
            self._begin(world)
        now, opened = world.clock.now, 0
        for name, known in self._breakers.items():
            count = sum(breaker.state >= BreakerState.OPEN for breaker in known)
            self.open_looks[name] += count
            opened += count
        self.ejected.append(sum(cell.read(HealthWord.EJECTED_UNTIL) / 1e6 > now for cell in self._ejectable))
        self.open.append(opened)

    def _begin(self, world: World) -> None:
        for service in world.snapshot.services:
            self._breakers[service.name] = breakers_of(world, service)
            if service.outliers is not None:
                self._ejectable += [cell for _, cell in endpoint_cells(world, service)]


def failure_of(client: Client) -> str:
    """Why the client is not content, or ""."""
    if client.reason:
        return client.reason if client.whole or client.status else f"{client.reason}, no answer"
    if not client.whole:
        return "an answer that is not whole"
    return f"status {client.status}" if client.status >= 500 else ""


def endpoint_cells(world: World, service: spec.Service) -> Iterator[tuple[Identity, SharedCell]]:
    """Shared cells of all addresses of a service."""
    for endpoint in service.endpoints:
        for address in endpoint.addresses:
            identity = (service.name, endpoint.name, address)
            yield identity, world.table.cell(endpoint_cell(*identity))


def breaker_cells(world: World, service: spec.Service) -> list[SharedCell]:
    """The cells in which the breakers of a service are."""
    if service.breaker is None:
        return []
    if service.breaker.scope == "service":
        return [world.table.cell(service_cell(service.name))]
    return [cell for _, cell in endpoint_cells(world, service)]


def breakers_of(world: World, service: spec.Service) -> list[Breaker]:
    """The breakers of a service."""
    policy = service.breaker
    return [] if policy is None else [breaker_of(cell, policy) for cell in breaker_cells(world, service)]


# --- The numbers ---


def outcome_of(world: World, record: Record) -> Data:
    """All numbers of a run that is over."""
    ended, duration = record.ended_ones, world.scenario.duration
    marks = sorted({0.0, duration, *(mark for mark in _marks(world) if mark < duration)})
    failures = Counter(one.failure for one in ended if one.failure)
    shares = Counter(one.share for one in ended if one.share)
    return {
        "scenario": world.scenario.description,
        "seed": world.seed,
        "duration": duration,
        "total": _figures(ended, record, 0, math.inf),
        "failures": dict(sorted(failures.items())),
        "upstream": _upstream(record, len(ended)),
        "attempts": _attempts(world),
        "splits": dict(sorted(shares.items())),
        "shed": _shed(world),
        "services": [_service(world, record, service) for service in world.snapshot.services],
        "phases": [_figures(ended, record, start, end) for start, end in itertools.pairwise(marks)],
        "seconds": [
            _figures(ended, record, second, min(second + 1, duration))
            for second in range(math.ceil(duration))
        ],
        "log": [[round(seconds, 3), text] for seconds, text in world.said],
    }


def _marks(world: World) -> Iterator[float]:
    for event in world.scenario.events:
        yield event.at
        if event.until is not None:
            yield event.until


def _figures(ended: Sequence[Ended], record: Record, start: float, end: float) -> Data:
    """Of the exchanges that began in this time, and the attempts."""
    ones = [one for one in ended if start <= one.started < end]
    times = sorted(one.seconds for one in ones)
    looks = slice(round(start / LOOK_SECONDS), None if end == math.inf else round(end / LOOK_SECONDS))
    failed = sum(1 for one in ones if one.failure)
    return {
        "from": start,
        "to": None if end == math.inf else end,
        "asked": len(ones),
        "ok": len(ones) - failed,
        "failed": failed,
        "p50": quantile(times, 0.5),
        "p95": quantile(times, 0.95),
        "p99": quantile(times, 0.99),
        "attempts": bisect_left(record.attempt_times, end) - bisect_left(record.attempt_times, start),
        "most_ejected": max(record.ejected[looks], default=0),
        "breakers_open": _mean(record.open[looks]),
    }


def quantile(ordered: Sequence[float], part: float) -> float:
    """The value that so large a part does not exceed, or 0 where there is none."""
    return round(ordered[max(math.ceil(part * len(ordered)) - 1, 0)], 6) if ordered else 0.0


def _mean(numbers: Sequence[int]) -> float:
    return round(sum(numbers) / len(numbers), 3) if numbers else 0.0


def _upstream(record: Record, asked: int) -> Data:
    attempts = record.attempts.total()
    return {"attempts": attempts, "ratio": round(attempts / asked, 4) if asked else 0.0}


def _attempts(world: World) -> Data:
    """Retries and hedges of all routes."""
    again: Counter[str] = Counter()
    not_again: Counter[str] = Counter()
    hedges: Counter[str] = Counter()
    retries = 0
    for route in world.snapshot.routes:
        retries += sum(Block(worker.memory, route.metric).read(Word.RETRIES) for worker in world.workers)
        cell = world.table.cell(attempts_cell(route.name))
        again += _words(cell, AttemptWord.RETRIED, RETRY_CAUSES)
        not_again += _words(cell, AttemptWord.NOT_RETRIED, OBSTACLES)
        hedges += _words(cell, AttemptWord.HEDGES_SENT, ("sent", "won", "lost", "withheld"))
    return {
        "retries": retries,
        "causes": _all(RETRY_CAUSES, again),
        "not_retried": _all(OBSTACLES, not_again),
        "hedges": _all(("sent", "won", "lost", "withheld"), hedges),
    }


def _words(cell: SharedCell, first: int, names: Iterable[str]) -> Counter[str]:
    return Counter({name: cell.read(first + number) for number, name in enumerate(names)})


def _all(names: Iterable[str], counts: Counter[str]) -> dict[str, int]:
    return {name: counts[name] for name in names}


def _shed(world: World) -> int:
    return sum(_words(world.table.cell(OVERLOAD_CELL), 1, ("low", "normal", "high")).values())


def _service(world: World, record: Record, service: spec.Service) -> Data:
    total = sum(count for identity, count in record.attempts.items() if identity[0] == service.name)
    cell = world.table.cell(service_cell(service.name))
    permits = world.table.cell(permits_cell("service", service.name))
    return {
        "name": service.name,
        "balance": service.balance.algorithm,
        "breaker": {
            "opened": sum(one.read(BreakerWord.BREAKER_OPENED) for one in breaker_cells(world, service)),
            "refused": sum(one.read(BreakerWord.BREAKER_REFUSED) for one in breaker_cells(world, service)),
            "open_seconds": round(record.open_looks[service.name] * LOOK_SECONDS, 1),
        },
        "panics": cell.read(RotationWord.ROTATION_PANICS),
        "queue": {
            "waited": permits.read(PermitWord.QUEUED),
            "full": permits.read(PermitWord.REFUSED_FULL),
            "timeout": permits.read(PermitWord.REFUSED_TIMEOUT),
            "displaced": permits.read(PermitWord.REFUSED_DISPLACED),
        },
        "endpoints": [
            {
                "name": identity[1],
                "attempts": record.attempts[identity],
                "share": round(record.attempts[identity] / total, 4) if total else 0.0,
                "ejections": one.read(HealthWord.EJECTIONS),
            }
            for identity, one in endpoint_cells(world, service)
        ],
    }
