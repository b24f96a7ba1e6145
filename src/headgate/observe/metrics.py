"""Metrics as text: Prometheus 0.0.4 and OpenMetrics 1.0, from the shared memory, all workers summed.

Counters are read while workers write them. Each is whole, and grows from scrape to scrape; a
histogram is read once, and its `_count` is made of the buckets shown beside it.
"""

from __future__ import annotations

import platform
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from headgate.base.version import VERSION
from headgate.core.attempts import AttemptWord
from headgate.core.cells import Block, Sums, Word, WorkerWord, bucket
from headgate.core.shared import SharedTable
from headgate.core.splits import weights_set
from headgate.observe import families, middlewares, overload, rotation
from headgate.observe.families import PREFIX, Count, Family, Kind
from headgate.shm.names import attempts_cell, route_cell, service_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from headgate.shm.region import Region
    from headgate.spec import Snapshot

PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

# A row is one counted thing: its labels as text, and its words.
Row = tuple[str, list[int]]

_HISTOGRAM = int(Word.HISTOGRAM)
_BUCKETS = slice(_HISTOGRAM, int(Word.BLOCK_WORDS))
# Buckets before each bound; the last step takes what is beyond.
_EDGES = [_HISTOGRAM, *(_HISTOGRAM + bucket(bound) for bound in families.BOUNDS), int(Word.BLOCK_WORDS)]
_STEPS = [slice(start, end) for start, end in pairwise(_EDGES)]
_BOUND_TEXTS = [*(repr(bound / 1e6) for bound in families.BOUNDS), "+Inf"]
CELL_WORDS = 32  # of core/shared.pxd
_ROLES = {family.name + ("_total" if family.type == "counter" else ""): family for family in families.ROLES}


def accepts_openmetrics(accept: str) -> bool:
    """Whether an Accept field (RFC 9110 12.5.1) prefers OpenMetrics to plain text."""
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept.lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        if kind in weights:
            weights[kind] = max(weights[kind], _weight(parameters))
    openmetrics, plain = weights.values()
    return openmetrics > 0.0 and openmetrics >= plain


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter.removeprefix("q="))
            except ValueError:
                return 0.0
    return 1.0


def render(
    region: Region, snapshot: Snapshot, slots: int, *, openmetrics: bool, roles: Mapping[str, float]
) -> bytes:
    """All metrics of `slots` workers. `roles` are the values of families.ROLES, counters named `..._total`.

    Raises KeyError for a role value that no family is there for.
    """
    memories = [region.slot(number) for number in range(slots)]
    text = _Text(openmetrics)
    _add_fleet(text, snapshot, roles)
    _add_workers(text, memories)
    sums = Sums(memories)
    for kind, blocks in _things(snapshot):
        _add_kind(text, kind, _rows(sums, kind, blocks))
    shared = SharedTable(region.shared)
    _add_weights(text, shared, snapshot)
    _add_attempts(text, shared, snapshot)
    for family, found in (overload.samples(shared, snapshot) | rotation.samples(shared, snapshot)).items():
        name = text.open(family)
        text.add(
            f"{name}{{{_labels(tuple(labels), tuple(labels.values()))}}} {value}" for labels, value in found
        )
    for family, values in middlewares.samples(sums, snapshot).items():
        name = text.open(family)
        text.add(
            f"{name}{suffix}{{{_labels(tuple(labels), tuple(labels.values()))}}} {value}"
            for suffix, labels, value in values
        )
    return text.finished()


class _Text:
    """The document under construction."""

    def __init__(self, openmetrics: bool) -> None:
        self._openmetrics = openmetrics
        self._lines: list[str] = []

    def open(self, family: Family) -> str:
        """Begin a family; returns the name of its samples."""
        name = PREFIX + family.name
        sample = name + {"counter": "_total", "info": "_info"}.get(family.type, "")
        if self._openmetrics:
            unit = [f"# UNIT {name} {family.unit}"] if family.unit else []
            self._lines += [f"# TYPE {name} {family.type}", *unit, f"# HELP {name} {family.help}."]
        else:
            plain = "gauge" if family.type == "info" else family.type
            self._lines += [f"# HELP {sample} {family.help}.", f"# TYPE {sample} {plain}"]
        return sample

    def add(self, lines: Iterable[str]) -> None:
        """Samples of the family that was begun last."""
        self._lines.extend(lines)

    def finished(self) -> bytes:
        end = "# EOF\n" if self._openmetrics else ""
        return ("\n".join(self._lines) + "\n" + end).encode()


def _add_fleet(text: _Text, snapshot: Snapshot, roles: Mapping[str, float]) -> None:
    labels = _labels(("version", "python"), (VERSION, platform.python_version()))
    text.add([f"{text.open(families.BUILD)}{{{labels}}} 1"])
    text.add([f"{text.open(families.SNAPSHOT)} {snapshot.version}"])
    for name, value in roles.items():
        text.add([f"{text.open(_ROLES[name])} {float(value)!r}"])


def _add_workers(text: _Text, memories: Sequence[memoryview]) -> None:
    rows = [
        (_labels(("worker",), (str(number),)), Block(memory, 0).values())
        for number, memory in enumerate(memories)
    ]
    for count in families.WORKER:
        _add_count(text, count, rows)
    name = text.open(families.WORKER_LAG)
    for labels, words in rows:
        text.add(
            [
                f"{name}_count{{{labels}}} {words[WorkerWord.WORKER_LAG_COUNT]}",
                f"{name}_sum{{{labels}}} {words[WorkerWord.WORKER_LAG_SUM] / 1e6!r}",
            ]
        )


def _add_attempts(text: _Text, shared: SharedTable, snapshot: Snapshot) -> None:
    policies = [route.name for route in snapshot.routes if route.retry is not None or route.hedge is not None]
    routes = [(_labels(("route",), (name,)), _words(shared, attempts_cell(name))) for name in policies]
    services = [
        (_labels(("service",), (service.name,)), _words(shared, service_cell(service.name)))
        for service in snapshot.services
        if service.retry_budget is not None
    ]
    for count in families.ATTEMPTS:
        _add_count(text, count, routes)
    name = text.open(families.HEDGE_DELAY)
    text.add(f"{name}{{{labels}}} {words[AttemptWord.HEDGE_DELAY] / 1e6!r}" for labels, words in routes)
    for count in families.BUDGETS:
        _add_count(text, count, services)


def _words(shared: SharedTable, name: str) -> list[int]:
    """The words of a cell; the first says only whose it is."""
    cell = shared.cell(name)
    return [0, *(cell.read(word) for word in range(1, CELL_WORDS))]


def _things(snapshot: Snapshot) -> Iterator[tuple[Kind, dict[tuple[str, ...], int]]]:
    """Each kind with the block numbers of all things of that kind by name."""
    yield families.LISTENER, {(listener.name,): listener.metric for listener in snapshot.listeners}
    yield families.ROUTE, {(route.name,): route.metric for route in snapshot.routes}
    yield (
        families.VARIANT,
        {
            (route.name, share.name): share.metric
            for route in snapshot.routes
            for share in route.services
            if len(route.services) > 1
        },
    )
    faults = {(route.name,): route.fault for route in snapshot.routes if route.fault is not None}
    yield families.FAULT, {name: fault.metric for name, fault in faults.items()}
    mirrors = {(route.name,): route.mirror for route in snapshot.routes if route.mirror is not None}
    yield families.MIRROR, {name: mirror.metric for name, mirror in mirrors.items()}
    yield families.MIRRORED, {name: mirror.results_metric for name, mirror in mirrors.items()}
    yield families.SERVICE, {(service.name,): service.metric for service in snapshot.services}
    yield (
        families.STICKY,
        {
            (service.name,): service.sticky.metric
            for service in snapshot.services
            if service.sticky is not None
        },
    )
    yield (
        families.ENDPOINT,
        {
            (service.name, endpoint.name): endpoint.metric
            for service in snapshot.services
            for endpoint in service.endpoints
        },
    )


def _add_weights(text: _Text, shared: SharedTable, snapshot: Snapshot) -> None:
    name = text.open(families.VARIANT_WEIGHT)
    for route in snapshot.routes:
        if len(route.services) < 2:
            continue
        names = [share.name for share in route.services]
        configured = [share.weight for share in route.services]
        weights = weights_set(shared.cell(route_cell(route.name)), names) or configured
        for variant, weight in zip(names, weights, strict=True):
            text.add([f"{name}{{{_labels(('route', 'variant'), (route.name, variant))}}} {weight}"])


def _rows(sums: Sums, kind: Kind, blocks: dict[tuple[str, ...], int]) -> list[Row]:
    return [(_labels(kind.labels, names), sums.of(block)) for names, block in blocks.items()]


def _add_kind(text: _Text, kind: Kind, rows: list[Row]) -> None:
    for count in kind.counts:
        _add_count(text, count, rows)
    if kind.duration is None:
        return
    name = text.open(kind.duration)
    for labels, words in rows:
        text.add(_histogram(name, labels, words))


def _add_count(text: _Text, count: Count, rows: list[Row]) -> None:
    name = text.open(count.family)
    gauge = count.family.type == "gauge"
    for label, word in count.words:
        index = int(word)
        more = f',{count.label}="{label}"' if label else ""
        if gauge:
            text.add([f"{name}{{{labels}}} {_signed(words[index])}" for labels, words in rows])
        else:
            text.add([f"{name}{{{labels}{more}}} {words[index]}" for labels, words in rows])


def _histogram(name: str, labels: str, words: list[int]) -> Iterator[str]:
    """The samples of one histogram; while it is empty, its bounds but for +Inf are left out."""
    totals = list(accumulate(sum(words[step]) for step in _STEPS))
    shown = zip(_BOUND_TEXTS, totals, strict=True) if totals[-1] else [("+Inf", 0)]
    for bound, total in shown:
        yield f'{name}_bucket{{{labels},le="{bound}"}} {total}'
    yield f"{name}_count{{{labels}}} {totals[-1]}"
    yield f"{name}_sum{{{labels}}} {words[Word.DURATION_SUM] / 1e6!r}"


def _signed(word: int) -> int:
    """A gauge as a signed number: the sum of slots is one modulo 2**64."""
    return word - (1 << 64) if word >> 63 else word


def _labels(names: Sequence[str], values: Sequence[str]) -> str:
    """Label pairs; backslashes, quotes and line feeds are escaped as both formats want it."""
    return ",".join(
        f'{name}="' + value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") + '"'
        for name, value in zip(names, values, strict=True)
    )
