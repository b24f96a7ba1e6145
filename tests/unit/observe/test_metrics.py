"""Metrics: valid in both forms, summed over workers, monotone, and documented."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from headgate.core.attempts import OBSTACLES, RETRY_CAUSES, BudgetWord
from headgate.core.cells import Block, Word, WorkerWord, bucket
from headgate.core.shared import SharedTable
from headgate.observe import families
from headgate.observe.metrics import accepts_openmetrics, render
from headgate.shm.names import attempts_cell, service_cell
from headgate.shm.region import Region, create
from headgate.spec import Address, Endpoint, Listener, Metrics, Retry, Route, Service, Snapshot

DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"

SNAPSHOT = Snapshot(
    version=7,
    listeners=(Listener(name="web", address=Address(port=80), metric=1),),
    routes=(Route(name="api", metric=2), Route(name='q"uo\\te\n', metric=3)),
    services=(
        Service(
            name="app",
            metric=4,
            endpoints=(
                Endpoint(name="127.0.0.1:1", addresses=(), metric=5),
                Endpoint(name="unix:/a b", addresses=(), metric=6),
            ),
        ),
    ),
    metrics=Metrics(
        blocks={
            "listener:web": 1,
            "route:api": 2,
            'route:q"uo\\te\n': 3,
            "service:app": 4,
            "endpoint:app/127.0.0.1:1": 5,
            "endpoint:app/unix:/a b": 6,
        },
        next=7,
    ),
)
ROLES = {family.name + "_total" * (family.type == "counter"): 1.5 for family in families.ROLES}


def new_region() -> Region:
    descriptor = create()
    try:
        return Region(descriptor)
    finally:
        os.close(descriptor)


@pytest.fixture
def region() -> Region:
    return new_region()


def text(region: Region, slots: int = 2, *, openmetrics: bool = False, snapshot: Snapshot = SNAPSHOT) -> str:
    return render(region, snapshot, slots, openmetrics=openmetrics, roles=ROLES).decode()


def parsed(text: str, *, openmetrics: bool) -> dict[str, Metric]:
    parse = parse_openmetrics if openmetrics else parse_prometheus
    found = list(parse(text))
    assert len({family.name for family in found}) == len(found)
    return {family.name: family for family in found}


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_prometheus(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    return samples(text)[name, frozenset(labels.items())]


FORMS = pytest.mark.parametrize("openmetrics", [False, True], ids=["prometheus", "openmetrics"])


@FORMS
def test_a_fresh_region_is_valid_and_zero(region: Region, openmetrics: bool) -> None:
    found = parsed(text(region, openmetrics=openmetrics), openmetrics=openmetrics)
    assert found["headgate_route_requests"].type == "counter"
    assert found["headgate_route_duration_seconds"].type == "histogram"
    for family in found.values():
        if family.name.startswith(("headgate_route_", "headgate_listener_", "headgate_endpoint_")):
            assert all(sample.value == 0 for sample in family.samples), family.name


@FORMS
def test_every_family_is_rendered_with_its_type(region: Region, openmetrics: bool) -> None:
    found = parsed(text(region, openmetrics=openmetrics), openmetrics=openmetrics)
    for family in every_family():
        rendered = found[
            families.PREFIX + family.name + "_info" * (family.type == "info" and not openmetrics)
        ]
        assert rendered.documentation == family.help + "."
        assert rendered.type == ("gauge" if family.type == "info" and not openmetrics else family.type)
        if openmetrics:
            assert rendered.unit == family.unit
    assert len(found) == len(list(every_family()))


def every_family() -> Iterator[families.Family]:
    yield from (
        families.BUILD,
        families.SNAPSHOT,
        *families.ROLES,
        families.WORKER_LAG,
        families.VARIANT_WEIGHT,
    )
    yield from (count.family for count in families.WORKER)
    for kind in families.KINDS:
        yield from (count.family for count in kind.counts)
        yield from [kind.duration] if kind.duration is not None else []
    yield from (count.family for count in (*families.ATTEMPTS, *families.BUDGETS))
    yield families.HEDGE_DELAY
    yield from families.OVERLOAD
    yield from families.ROTATION
    yield from families.MIDDLEWARES


def test_the_ends_of_the_forms(region: Region) -> None:
    assert text(region, openmetrics=True).endswith("\n# EOF\n")
    assert "# EOF" not in text(region)
    assert text(region).endswith("\n")


def test_names_end_in_their_unit_and_counters_in_total(region: Region) -> None:
    for family in every_family():
        assert family.name.endswith(family.unit), family.name
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket", "_info")), family.name
        assert re.fullmatch("[a-z]+(_[a-z]+)*", family.name)
    rendered = text(region)
    assert "# TYPE headgate_route_requests_total counter\n" in rendered
    assert "# TYPE headgate_route_requests counter\n" in text(region, openmetrics=True)


def test_workers_are_summed(region: Region) -> None:
    for number, count in ((0, 2), (1, 3), (2, 100)):
        block = Block(region.slot(number), 2)
        for _ in range(count):
            block.record(200, 1_000_000, 10, 20)
        block.record(0, 500_000)
        block.increase(Word.RETRIES, count)
        block.write(Word.IN_FLIGHT, count)
    rendered = text(region, slots=2)
    assert value(rendered, "headgate_route_requests_total", route="api", code="2xx") == 5
    assert value(rendered, "headgate_route_requests_total", route="api", code="5xx") == 0
    assert value(rendered, "headgate_route_aborted_total", route="api") == 2
    assert value(rendered, "headgate_route_received_bytes_total", route="api") == 50
    assert value(rendered, "headgate_route_sent_bytes_total", route="api") == 100
    assert value(rendered, "headgate_route_retries_total", route="api") == 5
    assert value(rendered, "headgate_route_in_flight", route="api") == 5
    assert value(rendered, "headgate_route_duration_seconds_sum", route="api") == 6.0
    assert value(rendered, "headgate_route_duration_seconds_count", route="api") == 7
    assert value(text(region, slots=3), "headgate_route_requests_total", route="api", code="2xx") == 105


def test_every_word_is_shown_under_its_name(region: Region) -> None:
    for block in range(1, 7):
        for word in range(Word.HISTOGRAM):
            Block(region.slot(0), block).write(word, 1000 * block + word)
    rendered = text(region)
    things = {
        1: ("listener", {"listener": "web"}),
        2: ("route", {"route": "api"}),
        4: ("service", {"service": "app"}),
        6: ("endpoint", {"service": "app", "endpoint": "unix:/a b"}),
    }
    shared = {
        "aborted_total": Word.ABORTED,
        "received_bytes_total": Word.BYTES_IN,
        "sent_bytes_total": Word.BYTES_OUT,
        "in_flight": Word.IN_FLIGHT,
    }
    own = {
        "listener": {
            "connections_total": Word.CONNECTIONS,
            "open_connections": Word.OPEN,
            "rejected_total": Word.REJECTED,
        },
        "route": {
            "retries_total": Word.RETRIES,
            "timeouts_total": Word.TIMEOUTS,
            "rejected_total": Word.REJECTED,
        },
        "service": {},
        "endpoint": {
            "connections_total": Word.CONNECTIONS,
            "open_connections": Word.OPEN,
            "retries_total": Word.RETRIES,
            "failures_total": Word.FAILURES,
            "timeouts_total": Word.TIMEOUTS,
            "rejected_total": Word.REJECTED,
        },
    }
    for block, (kind, labels) in things.items():
        for name, word in (shared | own[kind]).items():
            assert value(rendered, f"headgate_{kind}_{name}", **labels) == 1000 * block + word
        for number in range(1, 6):
            total = value(rendered, f"headgate_{kind}_requests_total", **labels, code=f"{number}xx")
            assert total == 1000 * block + Word[f"RESPONSES_{number}XX"]


def test_what_is_counted_of_attempts(region: Region) -> None:
    route = Route(name="api", retry=Retry(), metric=2)
    snapshot = Snapshot(
        routes=(route, Route(name="plain", metric=3)), services=(Service(name="app", metric=4),)
    )
    shared = SharedTable(region.shared)
    cell = shared.cell(attempts_cell("api"))
    for word in range(1, 32):
        cell.write(word, 1000 + word)
    shared.cell(service_cell("app")).write(BudgetWord.BUDGET_SPENT, 7)
    found = samples(text(region, snapshot=snapshot))
    shown = {
        (
            name.removeprefix("headgate_route_"),
            *sorted(value for key, value in labels if key != "route"),
        ): number
        for (name, labels), number in found.items()
        if re.match("headgate_route_(hedge|retry_|retries_withheld)", name)
    }
    expected: dict[tuple[str, ...], float] = {
        **{("retry_causes_total", cause): 1001 + number for number, cause in enumerate(RETRY_CAUSES)},
        **{("retries_withheld_total", reason): 1008 + number for number, reason in enumerate(OBSTACLES)},
        ("hedges_total",): 1016,
        ("hedge_answers_total", "second"): 1017,
        ("hedge_answers_total", "first"): 1018,
        ("hedges_withheld_total",): 1019,
        ("hedge_delay_seconds",): 0.00102,
    }
    assert shown == expected
    assert (
        value(text(region, snapshot=snapshot), "headgate_service_retries_withheld_total", service="app") == 7
    )


def test_every_word_of_a_worker_is_shown_under_its_number(region: Region) -> None:
    for slot in (0, 1):
        for word in WorkerWord:
            Block(region.slot(slot), 0).write(word, 1000 * (slot + 1) + word)
    rendered = text(region)
    shown = {int(number) for (_, labels), number in samples(rendered).items() if ("worker", "1") in labels}
    plain = set(WorkerWord) - {WorkerWord.WORKER_LAG_SUM}
    assert {2000 + word for word in plain} <= shown
    assert value(rendered, "headgate_worker_loop_lag_seconds_sum", worker="1") == 0.00201
    assert value(rendered, "headgate_worker_loop_lag_seconds_count", worker="0") == 1011


@given(st.lists(st.integers(0, 2**33), max_size=60))
def test_histograms_are_cumulative_and_exact(durations: list[int]) -> None:
    region = new_region()
    for number, duration in enumerate(durations):
        Block(region.slot(number % 2), 2).record(200, duration)
    found = parsed(text(region, openmetrics=True), openmetrics=True)["headgate_route_duration_seconds"]
    mine = [sample for sample in found.samples if sample.labels["route"] == "api"]
    buckets = {
        float(sample.labels["le"].replace("+Inf", "inf")): sample.value
        for sample in mine
        if sample.name.endswith("_bucket")
    }
    assert len(buckets) == (len(families.BOUNDS) + 1 if durations else 1)
    for bound, total in buckets.items():
        assert total == sum(duration / 1e6 < bound for duration in durations)
    assert [sample.value for sample in mine if sample.name.endswith("_count")] == [len(durations)]
    assert buckets[float("inf")] == len(durations)


def test_bounds_are_edges_of_buckets() -> None:
    for bound in families.BOUNDS:
        assert bucket(bound - 1) + 1 == bucket(bound)


def test_counts_agree_while_a_worker_counts(region: Region) -> None:
    stop = threading.Event()

    def count() -> None:
        block = Block(region.slot(0), 2)
        while not stop.is_set():
            for duration in (10, 1000, 100_000, 10_000_000):
                block.record(200, duration)

    worker = threading.Thread(target=count)
    worker.start()
    try:
        before: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for _ in range(20):
            now = samples(text(region))
            labels = frozenset({("route", "api")})
            last = now["headgate_route_duration_seconds_bucket", labels | {("le", "+Inf")}]
            assert now["headgate_route_duration_seconds_count", labels] == last
            for name, number in before.items():
                assert now[name] >= number, name
            before = now
    finally:
        stop.set()
        worker.join()


def test_gauges_may_be_negative_in_one_slot(region: Region) -> None:
    Block(region.slot(0), 1).write(Word.OPEN, 2**64 - 1)
    Block(region.slot(1), 1).write(Word.OPEN, 5)
    assert value(text(region), "headgate_listener_open_connections", listener="web") == 4
    assert value(text(region, slots=1), "headgate_listener_open_connections", listener="web") == -1


@given(st.text(min_size=1, max_size=20).filter(lambda name: name.encode("utf-8", "ignore").decode() == name))
def test_any_name_is_a_label(name: str) -> None:
    region = new_region()
    snapshot = Snapshot(routes=(Route(name=name, metric=1),))
    for openmetrics in (False, True):
        rendered = render(region, snapshot, 1, openmetrics=openmetrics, roles={}).decode()
        assert rendered.count("\n") == len(rendered.split("\n")) - 1
        escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        assert f'headgate_route_aborted_total{{route="{escaped}"}} 0\n' in rendered


def test_retired_things_are_gone(region: Region) -> None:
    Block(region.slot(0), 2).record(200, 1)
    later = Snapshot(version=8, routes=SNAPSHOT.routes[1:], metrics=SNAPSHOT.metrics)
    assert 'route="api"' not in text(region, snapshot=later)
    assert 'route="api"' in text(region)


def test_an_unknown_value_of_a_role_is_refused(region: Region) -> None:
    with pytest.raises(KeyError, match="reloadz"):
        render(region, SNAPSHOT, 1, openmetrics=False, roles={"reloadz": 1})


def test_no_workers_and_no_things(region: Region) -> None:
    for openmetrics in (False, True):
        rendered = render(region, Snapshot(), 0, openmetrics=openmetrics, roles={}).decode()
        assert parsed(rendered, openmetrics=openmetrics)["headgate_snapshot_version"].samples[0].value == 0


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
        ("Application/OpenMetrics-Text", True),
        ("text/plain", False),
        ("application/openmetrics-text;q=0, text/plain", False),
        ("text/plain, application/openmetrics-text;q=0.5", False),
        ("application/openmetrics-text;q=0.5, text/plain;q=0.3", True),
        ("application/openmetrics-text;q=x", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_what_scrapers_ask_for(accept: str, expected: bool) -> None:
    assert accepts_openmetrics(accept) is expected


def test_the_document_lists_every_family() -> None:
    rows = re.findall(r"^\| `(headgate_\w+)` \| (\w+) \|", DOCUMENT.read_text(), re.MULTILINE)
    suffixes = {"counter": "_total", "info": "_info"}
    expected = [
        (families.PREFIX + family.name + suffixes.get(family.type, ""), family.type)
        for family in every_family()
    ]
    assert sorted(rows) == sorted(expected)


def test_the_document_lists_every_bound() -> None:
    listed = re.search(
        r"^Bounds of the histograms, in seconds: (.*?)\.$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL
    )
    assert listed
    assert [float(bound) for bound in listed[1].split(",")] == [bound / 1e6 for bound in families.BOUNDS]
